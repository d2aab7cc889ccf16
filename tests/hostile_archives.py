"""Hostile archives, each with the rule that refuses it, over all classes of what an archive must be.

`HOSTILE` are tar archives, `HOSTILE_COMPRESSED` compressed files; `BOMBS` are built when they are asked for.
``python tests/hostile_archives.py DIRECTORY`` writes them all, as <rule>--<name>.tar.<compression>.
"""

import lzma
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

from archives import (
    COMPRESS,
    DIRECTORY,
    END,
    GNU,
    HARDLINK,
    SYMLINK,
    TOP,
    V7,
    directory,
    file,
    good,
    hardlink,
    header,
    long_name,
    pax,
    raw_pax,
    record,
    symlink,
    with_field,
)

A = f"{TOP}/a"

HOSTILE: dict[str, tuple[str, bytes]] = {
    # Where the archive ends
    "nothing": ("EOF", b""),
    "half-a-header": ("EOF", header(A)[:300]),
    "no-end": ("EOF", good()),
    "one-zero-block-at-the-end": ("EOF", good() + bytes(512)),
    "one-zero-block-inside": ("EOF", directory(TOP) + bytes(512) + file(A) + END),
    "content-cut-off": ("EOF", header(A, size=5000) + b"x" * 512),
    "padding-cut-off": ("EOF", header(A, size=5) + b"12345"),
    "size-far-beyond-the-end": ("EOF", header(A, size=0o77777777777) + bytes(512)),
    "base-256-size-beyond-all": ("EOF", header(A, size=b"\x80" + b"\xff" * 11) + END),
    "end-after-extended-header": ("EOF", pax({"path": A}) + END),
    "end-after-long-name": ("EOF", long_name(A) + END),
    "second-archive": ("TRAILING", good() + END + good() + END),
    "junk-after-the-end": ("TRAILING", good() + END + b"x"),
    "junk-after-padding": ("TRAILING", good() + END + bytes(9000) + b"x"),
    "10241-zero-bytes-after-the-end": ("TRAILING", good() + END + bytes(10_241)),
    "a-megabyte-of-zeros-after-the-end": ("TRAILING", good() + END + bytes(2**20)),
    # The top directory
    "only-an-end": ("TOPDIR", END),
    "global-comment-last": ("EOF", good() + pax({"comment": "a"}, b"g") + END),
    "only-a-global-comment": ("EOF", pax({"comment": "x"}, b"g") + END),
    "no-top-directory": ("TOPDIR", file("a") + END),
    "other-top-directory": ("TOPDIR", file("gtk-4.18.1/a") + END),
    "top-directory-of-other-case": ("TOPDIR", file("GTK+-3.24.52/a") + END),
    "two-top-directories": ("TOPDIR", good() + directory("other") + END),
    "leading-dot-slash": ("TOPDIR", file(f"./{A}") + END),
    "dot-alone": ("TOPDIR", directory(".") + good() + END),
    "dot-inside": ("PATH", file(f"{TOP}/./a") + END),
    "two-slashes": ("PATH", file(f"{TOP}//a") + END),
    "empty-name": ("TOPDIR", file("") + END),
    "empty-pax-path": ("TOPDIR", pax({"path": ""}) + file(A) + END),
    "prefix-of-the-top-directory": ("TOPDIR", file(f"{TOP}.1/a") + END),
    "top-is-a-file": ("TOPDIR", file(TOP) + END),
    "top-is-a-symlink": ("TOPDIR", symlink(TOP, ".") + END),
    # Paths
    "absolute": ("PATH_ABS", file("/etc/passwd") + END),
    "absolute-into-the-top": ("PATH_ABS", file(f"/{A}") + END),
    "absolute-by-pax": ("PATH_ABS", pax({"path": "/etc/passwd"}) + file(A) + END),
    "absolute-by-long-name": ("PATH_ABS", long_name("/etc/passwd") + file(A) + END),
    "absolute-by-prefix": ("PATH_ABS", file("passwd", prefix="/etc") + END),
    "upwards": ("PATH_DOTDOT", file("../a") + END),
    "upwards-inside": ("PATH_DOTDOT", file(f"{TOP}/../a") + END),
    "upwards-and-back": ("PATH_DOTDOT", file(f"{TOP}/b/../a") + END),
    "upwards-at-the-end": ("PATH_DOTDOT", directory(f"{TOP}/..") + END),
    "upwards-by-pax": ("PATH_DOTDOT", pax({"path": f"{TOP}/../../a"}) + file(A) + END),
    "upwards-by-prefix": ("PATH_DOTDOT", file("a", prefix=f"{TOP}/..") + END),
    "newline": ("PATH_CTRL", file(f"{TOP}/a\nb") + END),
    "escape-sequence": ("PATH_CTRL", file(f"{TOP}/\x1b[2Ja") + END),
    "delete-character": ("PATH_CTRL", file(f"{TOP}/\x7f") + END),
    "nul-by-pax": ("PATH_CTRL", pax({"path": f"{A}\0.txt"}) + file(A) + END),
    "nul-inside-the-name": ("PATH_CTRL", file(f"{A}\0.txt") + END),
    "nul-inside-the-target": ("PATH_CTRL", symlink(A, "b\0/../../c") + END),
    "nul-by-long-name": ("PATH_CTRL", long_name(f"{A}\0.txt") + file(A) + END),
    "right-to-left": ("PATH_CTRL", file(f"{TOP}/a\u202etxt.exe") + END),
    "zero-width-space": ("PATH_CTRL", file(f"{TOP}/a\u200b") + END),
    "line-separator": ("PATH_CTRL", file(f"{TOP}/a\u2028b") + END),
    "private-use": ("PATH_CTRL", file(f"{TOP}/\ue000") + END),
    "latin-1": ("PATH_ENC", file(A.encode() + b"\xe9") + END),
    "latin-1-by-pax": ("PATH_ENC", pax({"path": A.encode() + b"\xe9"}) + file(A) + END),
    "latin-1-by-long-name": ("PATH_ENC", long_name(A.encode() + b"\xe9") + file(A) + END),
    "overlong-utf8": ("PATH_ENC", file(TOP.encode() + b"\xc0\xafa") + END),
    "surrogate-in-utf8": ("PATH_ENC", file(A.encode() + b"\xed\xa0\x80") + END),
    "latin-1-beside-long-name": ("PATH_ENC", long_name(A + "x" * 100) + file(A.encode() + b"\xe9!") + END),
    "latin-1-link": ("PATH_ENC", header(A, kind=SYMLINK, target=b"\xe9") + END),
    "two-slashes-at-the-end": ("PATH", header(f"{A}//", kind=DIRECTORY, mode=0o755) + END),
    "symlink-that-ends-in-a-slash": ("PATH", symlink(f"{A}/", "b") + END),
    "target-of-1025-bytes": ("PATH_LEN", pax({"linkpath": "x" * 1025}) + symlink(A, "b") + END),
    "prefix-without-its-format": ("PATH", file("a", prefix=TOP, magic=V7) + END),
    "prefix-in-gnus-format": ("PATH", file(A, prefix="../../b", magic=GNU) + END),
    "prefix-with-an-unknown-magic": ("PATH", file(A, prefix="x", magic=b"ustbr\x0000") + END),
    "backslash": ("PATH", file(f"{TOP}\\..\\a") + END),
    "1025-bytes-of-path": ("PATH_LEN", pax({"path": f"{TOP}/".ljust(1025, "x")}) + file(A) + END),
    "two-bytes-a-character": ("PATH_LEN", pax({"path": f"{TOP}/" + "\u00e9" * 600}) + file(A) + END),
    "65-deep": ("PATH_LEN", pax({"path": f"{TOP}/{'d/' * 63}f"}) + file(A) + END),
    "file-twice": ("PATH_DUP", file(A) + file(A) + END),
    "file-then-directory": ("PATH_DUP", file(A) + directory(A) + END),
    "directory-then-file": ("PATH_DUP", directory(A) + file(A) + END),
    "file-then-symlink": ("PATH_DUP", file(A) + symlink(A, "b") + END),
    "symlink-then-file": ("PATH_DUP", symlink(A, "b") + file(A) + END),
    "twice-in-two-encodings": ("PATH_DUP", file(A) + pax({"path": A, "size": "8"}) + file(A) + END),
    "directory-then-symlink": ("PATH_DUP", directory(A) + file(f"{A}/b") + symlink(A, "b") + END),
    "file-below-a-file": ("PATH_DUP", file(A) + file(f"{A}/b") + END),
    "file-below-a-hard-link": ("PATH_DUP", good() + hardlink(A, f"{TOP}/meson.build") + file(f"{A}/b") + END),
    "directory-with-files-then-file": ("PATH_DUP", file(f"{A}/b") + file(A) + END),
    "two-normal-forms": ("PATH_UNINORM", file(f"{TOP}/\u00e9") + file(f"{TOP}/e\u0301") + END),
    "two-normal-forms-of-a-directory": ("PATH_UNINORM", file(f"{TOP}/\u00e9/a") + file(f"{TOP}/e\u0301/b") + END),
    "kelvin-sign": ("PATH_UNINORM", file(f"{TOP}/K") + file(f"{TOP}/\u212a") + END),
    # Links
    "absolute-symlink": ("LINK_ABS", symlink(A, "/etc/passwd") + END),
    "absolute-symlink-by-pax": ("LINK_ABS", pax({"linkpath": "/etc"}) + symlink(A, "b") + END),
    "absolute-symlink-by-long-link": ("LINK_ABS", long_name("/etc", b"K") + symlink(A, "b") + END),
    "absolute-hard-link": ("LINK_ABS", hardlink(A, "/etc/passwd") + END),
    "symlink-out": ("LINK_ESCAPE", symlink(A, "../../etc") + END),
    "symlink-to-beside-the-top": ("LINK_ESCAPE", symlink(A, "../other") + END),
    "symlink-to-above-the-top": ("LINK_ESCAPE", symlink(A, "..") + END),
    "symlink-out-by-way-of-a-name": ("LINK_ESCAPE", symlink(A, "b/../../../c") + END),
    "symlink-out-and-back-by-another-name": ("LINK_ESCAPE", symlink(A, f"../../x/{TOP}/b") + END),
    "symlink-out-by-way-of-a-symlink": (
        "LINK_ESCAPE",
        symlink(f"{A}/b/up", "../..") + symlink(f"{A}/out", "b/up/../x") + END,
    ),
    "symlink-out-by-way-of-a-later-symlink": (
        "LINK_ESCAPE",
        symlink(f"{A}/out", "b/up/../x") + symlink(f"{A}/b/up", "../..") + END,
    ),
    "symlink-out-by-a-ladder": (
        "LINK_ESCAPE",
        symlink(f"{A}/b/c/l1", "../..") + symlink(f"{A}/b/l2", "c/l1/..") + symlink(f"{A}/l3", "b/l2/../x") + END,
    ),
    "symlink-to-itself": ("LINK_LOOP", symlink(A, "a") + END),
    "symlinks-to-each-other": ("LINK_LOOP", symlink(A, "b") + symlink(f"{TOP}/b", "a") + END),
    "symlink-below-itself": ("LINK_LOOP", symlink(A, "a/b") + END),
    "41-symlinks-in-a-row": ("LINK_LOOP", b"".join(symlink(f"{TOP}/{i}", str(i + 1)) for i in range(41)) + END),
    "hard-link-to-nothing": ("LINK_MISSING", hardlink(A, f"{TOP}/b") + END),
    "hard-link-to-what-comes-later": ("LINK_MISSING", hardlink(A, f"{TOP}/b") + file(f"{TOP}/b") + END),
    "hard-link-to-itself": ("LINK_MISSING", hardlink(A, A) + END),
    "hard-link-to-a-directory": ("LINK_MISSING", directory(f"{TOP}/b") + hardlink(A, f"{TOP}/b") + END),
    "hard-link-to-a-symlink": ("LINK_MISSING", symlink(f"{TOP}/b", "c") + hardlink(A, f"{TOP}/b") + END),
    "symlink-without-target": ("LINK_MISSING", symlink(A, "") + END),
    "target-with-nul-by-pax": ("PATH_CTRL", pax({"linkpath": "b\0c"}) + symlink(A, "b") + END),
    "target-with-nul-by-long-link": ("PATH_CTRL", long_name("b\0c", b"K") + symlink(A, "b") + END),
    "target-with-newline": ("PATH_CTRL", symlink(A, "b\nc") + END),
    "target-with-backslash": ("PATH", symlink(A, "..\\..\\etc") + END),
    "hard-link-out": ("LINK_ESCAPE", good() + hardlink(A, "../../etc/passwd") + END),
    "hard-link-out-by-way-of-the-top": ("LINK_ESCAPE", good() + hardlink(A, f"{TOP}/../../passwd") + END),
    "hard-link-upwards": ("LINK_MISSING", file(f"{TOP}/b") + hardlink(A, f"{TOP}/x/../b") + END),
    "hard-link-without-the-top": ("LINK_MISSING", file(f"{TOP}/b") + hardlink(A, "b") + END),
    "hard-link-without-target": ("LINK_MISSING", good() + hardlink(A, "") + END),
    "file-below-a-symlink": ("LINK_THROUGH", symlink(A, ".") + file(f"{A}/b") + END),
    "file-deep-below-a-symlink": ("LINK_THROUGH", symlink(A, ".") + file(f"{A}/b/c/d") + END),
    "symlink-above-a-file": ("LINK_THROUGH", file(f"{A}/b/c") + symlink(A, "b") + END),
    "symlink-below-a-symlink": ("LINK_THROUGH", symlink(A, "b") + symlink(f"{A}/c", "d") + END),
    # Types and modes
    "character-device": ("TYPE", header(A, kind=b"3") + END),
    "block-device": ("TYPE", header(A, kind=b"4") + END),
    "fifo": ("TYPE", header(A, kind=b"6") + END),
    "contiguous": ("TYPE", header(A, kind=b"7") + END),
    "gnu-sparse": ("TYPE", header(A, kind=b"S", magic=GNU) + END),
    "gnu-multi-volume": ("TYPE", header(A, kind=b"M", magic=GNU) + END),
    "gnu-volume-label": ("TYPE", header(A, kind=b"V", magic=GNU) + END),
    "gnu-dump-directory": ("TYPE", header(A, kind=b"D", magic=GNU) + END),
    "solaris-extended": ("TYPE", header(A, kind=b"X") + END),
    "unknown-type": ("TYPE", header(A, kind=b"Z") + END),
    "type-space": ("TYPE", header(A, kind=b" ") + END),
    "pax-sparse": ("PAX_SPARSE", pax({"GNU.sparse.major": "1", "GNU.sparse.name": "b"}) + file(A) + END),
    "symlink-with-content": ("TYPE", header(A, kind=SYMLINK, target="b", size=5) + bytes(512) + END),
    "hard-link-with-content": ("TYPE", good() + header(A, kind=HARDLINK, target="b", size=5) + bytes(512) + END),
    "directory-with-content": ("TYPE", header(f"{A}/", kind=DIRECTORY, size=5) + bytes(512) + END),
    "file-that-ends-in-a-slash-with-content": ("TYPE", file(f"{A}/") + END),
    "set-user-id": ("MODE", file(A, mode=0o4755) + END),
    "set-group-id": ("MODE", file(A, mode=0o2755) + END),
    "sticky": ("MODE", file(A, mode=0o1644) + END),
    "world-writable": ("MODE", file(A, mode=0o666) + END),
    "world-writable-directory": ("MODE", directory(f"{TOP}/d", 0o777) + END),
    "set-group-id-directory": ("MODE", directory(f"{TOP}/d", 0o2755) + END),
    "set-user-id-hard-link": ("MODE", file(A) + header(f"{TOP}/b", kind=HARDLINK, target=A, mode=0o4755) + END),
    "set-user-id-in-base-256": ("MODE", file(A, mode=b"\x80\0\0\0\0\0\x09\xed") + END),
    "unreadable": ("MODE", file(A, mode=0) + END),
    "unreadable-directory": ("MODE", directory(f"{TOP}/d", 0o311) + END),
    # Numbers and sums
    "wrong-check-sum": ("CORRUPT", header(A, checksum=b"000000\0 ") + END),
    "check-sum-no-number": ("CORRUPT", header(A, checksum=b"not-octl") + END),
    "size-not-octal": ("CORRUPT", header(A, size=b"00000000009\0") + END),
    "negative-size-in-base-256": ("CORRUPT", header(A, size=b"\xff" * 12) + END),
    "negative-mode-in-base-256": ("CORRUPT", header(A, mode=b"\xff" * 8) + END),
    "time-no-number": ("CORRUPT", header(A, mtime=b"yesterday   ") + END),
    "owner-no-number": ("CORRUPT", with_field(header(A), 108, b"root\0\0\0\0") + END),
    "group-no-number": ("CORRUPT", with_field(header(A), 116, b"wheel\0\0\0") + END),
    "device-no-number": ("CORRUPT", good() + with_field(header(A), 337, b"e\xadV+\0\0\0\0") + END),
    "negative-size": ("CORRUPT", header(A, size=b"-0000000010\0") + END),
    "size-after-a-nul": ("CORRUPT", header(A, size=b"\x0000000001000") + file(f"{TOP}/b") + END),
    "size-before-another": ("CORRUPT", header(A, size=b"0\x000000001000") + file(f"{TOP}/b") + END),
    "size-of-two-numbers": ("CORRUPT", header(A, size=b"0000 000010\0") + END),
    "size-with-underscore": ("CORRUPT", header(A, size=b"0000_000010\0") + END),
    "size-hexadecimal": ("CORRUPT", header(A, size=b"0x000000010\0") + END),
    "mode-no-number": ("CORRUPT", header(A, mode=b"rw-r--r-") + END),
    "text-instead-of-an-archive": ("CORRUPT", b"Hello, world\n".ljust(2048, b".")),
    # Times
    "changed-in-2242": ("META", header(A, mtime=0o77777777777) + END),
    "changed-in-two-years": ("META", header(A, mtime=int(time.time()) + 2 * 366 * 86_400) + END),
    "changed-never-in-base-256": ("META", header(A, mtime=b"\x80" + b"\xff" * 11) + END),
    "changed-in-2242-by-pax": ("META", pax({"mtime": "8589934591.5"}) + file(A) + END),
    "directory-changed-in-2242": ("META", header(TOP, kind=DIRECTORY, mode=0o755, mtime=0o77777777777) + END),
    "pax-time-infinite": ("PAX_MALFORMED", pax({"mtime": "1e999"}) + file(A) + END),
    "pax-time-inf": ("PAX_MALFORMED", pax({"mtime": "inf"}) + file(A) + END),
    "pax-time-nan": ("PAX_MALFORMED", pax({"mtime": "nan"}) + file(A) + END),
    "pax-time-with-underscore": ("PAX_MALFORMED", pax({"mtime": "1_0"}) + file(A) + END),
    "pax-time-of-two-numbers": ("PAX_MALFORMED", pax({"mtime": "1.2.3"}) + file(A) + END),
    "pax-time-with-5000-digits": ("PAX_MALFORMED", pax({"mtime": "9" * 5000}) + file(A) + END),
    # Extended headers
    "pax-without-length": ("PAX_MALFORMED", raw_pax(b"path=a\n") + file(A) + END),
    "pax-length-zero": ("PAX_MALFORMED", raw_pax(b"0 path=a\n") + file(A) + END),
    "pax-length-too-short": ("PAX_MALFORMED", raw_pax(b"5 path=a\n") + file(A) + END),
    "pax-length-too-long": ("PAX_MALFORMED", raw_pax(b"99 path=a\n") + file(A) + END),
    "pax-length-signed": ("PAX_MALFORMED", raw_pax(b"+10 path=a\n") + file(A) + END),
    "pax-length-huge": ("PAX_MALFORMED", raw_pax(b"9" * 30 + b" path=a\n") + file(A) + END),
    "pax-length-of-its-own-digits": ("PAX_MALFORMED", raw_pax(b"1 ") + file(A) + END),
    "pax-without-newline": ("PAX_MALFORMED", raw_pax(b"10 path=ab") + file(A) + END),
    "pax-without-equals": ("PAX_MALFORMED", raw_pax(b"10 path-a\n") + file(A) + END),
    "pax-junk-after-a-record": ("PAX_MALFORMED", raw_pax(record(b"comment", b"a") + b"x") + file(A) + END),
    "pax-nul-after-a-record": ("PAX_MALFORMED", raw_pax(record(b"comment", b"a") + b"\0") + file(A) + END),
    "pax-without-key": ("PAX_MALFORMED", raw_pax(record(b"", b"a")) + file(A) + END),
    "pax-other-charset": ("PATH_ENC", pax({"hdrcharset": "ISO-IR 8859 1 1998"}) + file(A) + END),
    "star-sparse": ("PAX_SPARSE", pax({"SCHILY.realsize": "1000"}) + file(A) + END),
    "pax-path-differs": ("PAX_PATH", pax({"path": f"{TOP}/b"}) + file(A) + END),
    "pax-linkpath-differs": ("PAX_PATH", pax({"linkpath": "c"}) + symlink(A, "b") + END),
    "absolute-for-readers-without-pax": ("PAX_PATH", pax({"path": A + "x" * 100}) + file("/etc/passwd") + END),
    "upwards-for-readers-without-pax": ("PAX_PATH", pax({"path": A + "x" * 100}) + file("../../b") + END),
    "absolute-for-readers-without-long-names": ("PAX_PATH", long_name(A + "x" * 100) + file("/etc/passwd") + END),
    "absolute-link-for-readers-without-pax": ("PAX_PATH", pax({"linkpath": "x" * 101}) + symlink(A, "/etc") + END),
    "long-name-that-is-short-differs": ("PAX_PATH", long_name(f"{TOP}/b") + file(A) + END),
    "pax-1-mib": ("PAX_LONG", raw_pax(record(b"comment", bytes(2**20 - 20))) + file(A) + END),
    "pax-2-mib": ("BOMB_HEADER", raw_pax(record(b"comment", bytes(2**21))) + file(A) + END),
    "nine-extended-headers-of-one-member": ("BOMB_HEADER", pax({"comment": "x"}, b"g") * 9 + file(A) + END),
    "pax-key-twice": ("PAX_MALFORMED", raw_pax(record(b"path", A.encode()) + record(b"path", b"/x")) + file(A) + END),
    "two-pax-headers-disagree": ("PAX_TWICE", pax({"path": A}) + pax({"path": f"{TOP}/b"}) + file(A) + END),
    "two-pax-headers": ("PAX_TWICE", pax({"path": A}) + pax({"mtime": "1.5"}) + file(A) + END),
    "pax-and-gnu-names-disagree": ("PAX_TWICE", long_name(f"{TOP}/b") + pax({"path": A}) + file(A) + END),
    "gnu-and-pax-names-disagree": ("PAX_TWICE", pax({"path": A}) + long_name(f"{TOP}/b") + file(A) + END),
    "two-long-names": ("PAX_TWICE", long_name(A) + long_name(f"{TOP}/b") + file(A) + END),
    "two-long-links": ("PAX_TWICE", long_name("a", b"K") + long_name("b", b"K") + symlink(A, "c") + END),
    "pax-size-differs": ("PAX_SIZE", pax({"size": "9"}) + file(A) + END),
    "pax-size-hides-a-member": ("PAX_SIZE", pax({"size": "512"}) + header(A) + file(f"{TOP}/b") + END),
    "pax-size-zero-shows-a-member": ("PAX_SIZE", pax({"size": "0"}) + file(A, file(f"{TOP}/b")) + END),
    "pax-size-negative": ("PAX_SIZE", pax({"size": "-1"}) + header(A) + END),
    "pax-size-empty": ("PAX_SIZE", pax({"size": ""}) + header(A) + END),
    "pax-size-float": ("PAX_SIZE", pax({"size": "8.0"}) + file(A) + END),
    "pax-size-hexadecimal": ("PAX_SIZE", pax({"size": "0x8"}) + file(A) + END),
    "pax-size-other-digits": ("PAX_SIZE", pax({"size": "\u0668"}) + file(A) + END),
    "pax-size-with-5000-digits": ("PAX_SIZE", pax({"size": "9" * 5000}) + header(A) + END),
    "pax-size-beyond-the-end": ("EOF", pax({"size": str(2**63)}) + header(A) + END),
    "pax-size-on-a-symlink": ("PAX_SIZE", pax({"size": "8"}) + symlink(A, "b") + bytes(512) + END),
    "global-path": ("PAX_GLOBAL", pax({"path": f"{TOP}/b"}, b"g") + file(A) + END),
    "global-size": ("PAX_GLOBAL", pax({"comment": "x", "size": "0"}, b"g") + file(A) + END),
    "global-linkpath": ("PAX_GLOBAL", pax({"linkpath": "/etc"}, b"g") + symlink(A, "b") + END),
    "extended-attributes": ("PAX_XATTR", pax({"SCHILY.xattr.user.x": "y"}) + file(A) + END),
    "extended-attributes-of-libarchive": (
        "PAX_XATTR",
        pax({"LIBARCHIVE.xattr.security.capability": ""}) + file(A) + END,
    ),
    "capabilities": ("PAX_XATTR", pax({"SCHILY.xattr.security.capability": b"\1\0\0\2\xff\0\n"}) + file(A) + END),
    "access-list": ("PAX_XATTR", pax({"SCHILY.acl.access": "user::rwx"}) + file(A) + END),
    "selinux-label": ("PAX_XATTR", pax({"RHT.security.selinux": "x"}) + file(A) + END),
    "pax-65-kib": ("PAX_LONG", pax({"comment": "x" * 65_536}) + file(A) + END),
    "global-65-kib": ("PAX_LONG", pax({"comment": "x" * 65_536}, b"g") + file(A) + END),
    "long-name-65-kib": ("BOMB_HEADER", long_name("x" * 65_536) + file(A) + END),
    "pax-256-mib-that-are-not-there": ("BOMB_HEADER", header("x", kind=b"x", size=2**28) + END),
    "long-name-in-base-256": ("BOMB_HEADER", header("x", kind=b"L", size=b"\x80" + b"\xff" * 11) + END),
}


XZ, GZ, ZST, BZ2 = (COMPRESS[kind](good() + END) for kind in ("xz", "gz", "zst", "bz2"))


def _changed(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0x55
    return bytes(changed)


def with_dictionary(size: int) -> bytes:
    """Return a good file whose dictionary, so it says, has the size of that code."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}]
    content = bytearray(lzma.compress(good() + END, filters=filters))
    # The dictionary's size is one byte of the block header, which ends in a CRC-32 of itself.
    header_size = (content[12] + 1) * 4
    at = content.index(b"\x21\x01", 12) + 2
    content[at] = size
    content[12 + header_size - 4 : 12 + header_size] = zlib.crc32(content[12 : 12 + header_size - 4]).to_bytes(
        4, "little"
    )
    return bytes(content)


_CHECK_BYTES = {lzma.CHECK_NONE: 0, 2: 4}
LZMA2 = {"id": lzma.FILTER_LZMA2, "preset": 0}
DELTA = {"id": lzma.FILTER_DELTA, "dist": 4}
X86 = {"id": lzma.FILTER_X86}


class Block(NamedTuple):
    """One block of an xz file: what it is made of, and what its header and the index say instead."""

    content: bytes
    filters: Sequence[dict[str, int]] = (LZMA2,)
    dictionary: int | None = None
    uncompressed: int | None = None


def xz(*blocks: Block, check: int = lzma.CHECK_NONE) -> bytes:
    """Return one xz stream, put together by hand: `xz -T` writes several blocks, lzma only one."""
    body, records = b"", b""
    for block in blocks:
        head = _block_header(block)
        data = lzma.compress(block.content, format=lzma.FORMAT_RAW, filters=list(block.filters))
        size = block.uncompressed if block.uncompressed is not None else len(block.content)
        records += _vli(len(head) + len(data) + _CHECK_BYTES[check]) + _vli(size)
        body += head + data + bytes(-len(data) % 4) + bytes(_CHECK_BYTES[check])
    flags = bytes([0, check])
    index = b"\0" + _vli(len(blocks)) + records
    index += bytes(-len(index) % 4)
    index += _crc(index)
    tail = (len(index) // 4 - 1).to_bytes(4, "little") + flags
    return b"\xfd7zXZ\0" + flags + _crc(flags) + body + index + _crc(tail) + tail + b"YZ"


def _block_header(block: Block) -> bytes:
    head = bytes([len(block.filters) - 1])
    for chosen in block.filters:
        properties = lzma._encode_filter_properties(chosen)  # type: ignore[attr-defined]
        if chosen["id"] == lzma.FILTER_LZMA2 and block.dictionary is not None:
            properties = bytes([block.dictionary])
        head += _vli(chosen["id"]) + _vli(len(properties)) + properties
    head += bytes(-(len(head) + 1) % 4)
    head = bytes([(len(head) + 1) // 4]) + head
    return head + _crc(head)


def _vli(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def gz_named(name: bytes, *, extra: bytes | None = None) -> bytes:
    """Return a good gzip file whose header names the file that was compressed."""
    flags = 0x08 if extra is None else 0x0C
    field = b"" if extra is None else len(extra).to_bytes(2, "little") + extra
    return GZ[:3] + bytes([flags]) + GZ[4:10] + field + name + b"\0" + GZ[10:]


def zst_with_window(log: int) -> bytes:
    """Return a good zst file of one raw block, that asks for a window of 2 ** *log* bytes."""
    archive = good() + END
    block = (len(archive) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\0" + bytes([(log - 10) << 3]) + block + archive


HOSTILE_COMPRESSED: dict[str, tuple[str, str, bytes]] = {
    "empty-file": ("FORMAT", "xz", b""),
    "plain-tar-as-xz": ("FORMAT", "xz", good() + END),
    "plain-tar-as-gz": ("FORMAT", "gz", good() + END),
    "gz-as-xz": ("FORMAT", "xz", GZ),
    "xz-as-gz": ("FORMAT", "gz", XZ),
    "bz2-as-xz": ("FORMAT", "xz", BZ2),
    "zst-as-xz": ("FORMAT", "xz", ZST),
    "zip-as-xz": ("FORMAT", "xz", b"PK\x03\x04" + bytes(100)),
    "lzma-alone-as-xz": ("FORMAT", "xz", lzma.compress(good() + END, format=lzma.FORMAT_ALONE)),
    "padding-before-xz": ("FORMAT", "xz", bytes(4) + XZ),
    "xz-magic-only": ("CORRUPT", "xz", XZ[:6]),
    "xz-cut-off": ("CORRUPT", "xz", XZ[:-1]),
    "xz-cut-off-in-the-middle": ("CORRUPT", "xz", XZ[: len(XZ) // 2]),
    "xz-index-damaged": ("CORRUPT", "xz", _changed(XZ, -20)),
    "xz-check-damaged": ("CORRUPT", "xz", _changed(XZ, -40)),
    "xz-header-damaged": ("CORRUPT", "xz", _changed(XZ, 8)),
    "xz-odd-padding": ("TRAILING", "xz", XZ + bytes(3)),
    "xz-odd-padding-between-streams": ("TRAILING", "xz", XZ + bytes(5) + XZ),
    "xz-second-stream-cut-off": ("CORRUPT", "xz", lzma.compress(good()) + lzma.compress(END)[:-3]),
    "junk-after-xz": ("TRAILING", "xz", XZ + b"junk"),
    "junk-after-xz-padding": ("TRAILING", "xz", XZ + bytes(4) + b"junk"),
    "gz-after-xz": ("TRAILING", "xz", XZ + GZ),
    "second-archive-in-second-stream": ("TRAILING", "xz", XZ + XZ),
    "gz-cut-off": ("CORRUPT", "gz", GZ[:-1]),
    "gz-wrong-sum": ("CORRUPT", "gz", _changed(GZ, -8)),
    "gz-wrong-size": ("CORRUPT", "gz", _changed(GZ, -1)),
    "gz-unknown-method": ("CORRUPT", "gz", _changed(GZ, 2)),
    "gz-reserved-flags": ("CORRUPT", "gz", GZ[:3] + b"\xe0" + GZ[4:]),
    "zeros-after-gz": ("TRAILING", "gz", GZ + bytes(4)),
    "junk-after-gz": ("TRAILING", "gz", GZ + b"junk"),
    "one-byte-of-a-second-gz": ("TRAILING", "gz", GZ + b"\x1f"),
    "second-archive-in-second-gz": ("TRAILING", "gz", GZ + GZ),
    "zst-cut-off": ("CORRUPT", "zst", ZST[:-1]),
    "zst-damaged": ("CORRUPT", "zst", _changed(ZST, 5)),
    "junk-after-zst": ("TRAILING", "zst", ZST + b"junk"),
    "bz2-cut-off": ("CORRUPT", "bz2", BZ2[:-1]),
    "bz2-damaged": ("CORRUPT", "bz2", _changed(BZ2, 12)),
    "junk-after-bz2": ("TRAILING", "bz2", BZ2 + b"junk"),
    "xz-delta": ("FORMAT", "xz", xz(Block(good() + END, [DELTA, LZMA2]))),
    "xz-x86": ("FORMAT", "xz", xz(Block(good() + END, [X86, LZMA2]))),
    "xz-three-filters": ("FORMAT", "xz", xz(Block(good() + END, [DELTA, X86, LZMA2]))),
    "xz-delta-as-lzma-writes-it": ("FORMAT", "xz", lzma.compress(good() + END, filters=[DELTA, LZMA2])),
    "xz-delta-in-the-second-stream": ("FORMAT", "xz", xz(Block(good())) + xz(Block(END, [DELTA, LZMA2]))),
    "xz-check-that-is-reserved": ("FORMAT", "xz", xz(Block(good() + END), check=2)),
    "xz-4-gib-dictionary": ("BOMB_MEM", "xz", xz(Block(good() + END, dictionary=40))),
    "xz-128-mib-dictionary": ("BOMB_MEM", "xz", xz(Block(good() + END, dictionary=30))),
    "xz-4-gib-dictionary-in-the-second-block": ("BOMB_MEM", "xz", xz(Block(good()), Block(END, dictionary=40))),
    "xz-4-gib-dictionary-in-the-second-stream": ("BOMB_MEM", "xz", xz(Block(good())) + xz(Block(END, dictionary=40))),
    "xz-dictionary-of-no-size": ("FORMAT", "xz", xz(Block(good() + END, dictionary=41))),
    "xz-index-that-says-too-little": ("CORRUPT", "xz", xz(Block(good() + END, uncompressed=5))),
    "gz-name-upwards": ("PATH_DOTDOT", "gz", gz_named(b"../gtk.tar")),
    "gz-name-upwards-inside": ("PATH_DOTDOT", "gz", gz_named(b"a/../../gtk.tar")),
    "gz-name-upwards-behind-an-extra-field": ("PATH_DOTDOT", "gz", gz_named(b"..", extra=b"XY\0\0")),
    "gz-name-upwards-in-the-second-member": ("PATH_DOTDOT", "gz", COMPRESS["gz"](b"") + gz_named(b"../gtk.tar")),
    "gz-name-absolute": ("PATH_ABS", "gz", gz_named(b"/etc/cron.d/gtk.tar")),
    "gz-name-with-a-control-character": ("PATH_CTRL", "gz", gz_named(b"\x1b[2Jgtk.tar")),
    "gz-name-with-a-control-character-in-latin-1": ("PATH_CTRL", "gz", gz_named(b"\x9b2Jgtk.tar")),
    "gz-name-right-to-left": ("PATH_CTRL", "gz", gz_named("gtk\u202erat.exe".encode())),
    "gz-name-with-backslashes": ("PATH", "gz", gz_named(b"..\\gtk.tar")),
    "gz-name-of-2000-bytes": ("PATH_LEN", "gz", gz_named(b"x" * 2000)),
    "gz-name-of-a-mebibyte": ("BOMB_HEADER", "gz", gz_named(b"x" * 2**20)),
    "zst-128-mib-window": ("BOMB_MEM", "zst", zst_with_window(27)),
    "zst-1-gib-window": ("BOMB_MEM", "zst", zst_with_window(30)),
}


# What only the inspecting process judges: it has the whole file.
HOSTILE_WHOLE: dict[str, tuple[str, str, bytes]] = {
    "xz-delta-in-the-second-block": ("FORMAT", "xz", xz(Block(good()), Block(END, [DELTA, LZMA2]))),
    "xz-index-that-says-4-gib": ("BOMB_SIZE", "xz", xz(Block(good() + END, uncompressed=2**32))),
    "xz-indexes-that-say-4-gib-together": (
        "BOMB_SIZE",
        "xz",
        xz(Block(good(), uncompressed=2**31)) + bytes(4) + xz(Block(END, uncompressed=2**31)),
    ),
}

MIB, GIB = 2**20, 2**30
Pieces = Iterator[bytes]


def _zeros(compression: str, size: int) -> Pieces:
    """Yield *size* zero bytes, compressed in streams of 16 MiB: one is made, and repeated."""
    step = 16 * MIB
    return repeat(_compressed_zeros(compression, step), size // step)


@cache
def _compressed_zeros(compression: str, size: int) -> bytes:
    return COMPRESS[compression](bytes(size))


def _packed(compression: str, *contents: bytes) -> Pieces:
    return map(COMPRESS[compression], contents)


def _one_file(compression: str, size: int) -> Pieces:
    return chain(_packed(compression, header(f"{TOP}/zeros", size=size)), _zeros(compression, size))


def _many_files(compression: str, size: int) -> Pieces:
    """Yield noise that is a two-hundredth of *size*, then files of zeros: no ratio is too high."""
    noise = os.urandom(size // 200 + 2 * MIB)
    step = 16 * MIB
    return chain(
        _packed(compression, file(f"{TOP}/noise", noise)),
        *(
            chain(_packed(compression, header(f"{TOP}/{number}", size=step)), _zeros(compression, step))
            for number in range(size // step)
        ),
    )


def _members(make: Callable[[int], bytes], count: int) -> Pieces:
    return _packed("gz", b"".join(map(make, range(count))), END)


def _tiny_records(_number: int) -> bytes:
    return raw_pax(b"".join(record(b"%x" % number, b"") for number in range(6000))) + header(f"{TOP}/{_number}", size=0)


def _web_of_links() -> Pieces:
    """Each link leads through forty others of forty steps."""
    steps = "./" * 40
    yield from _packed("xz", b"".join(symlink(f"{TOP}/{i}", f"{steps}{i + 1}") for i in range(38)))
    yield from _packed(
        "xz", file(f"{TOP}/38") + b"".join(symlink(f"{TOP}/l{i}", f"{steps}0") for i in range(9000)) + END
    )


def _deep(number: int) -> bytes:
    path = f"{TOP}/" + "/".join(f"{number}-{depth:07}" for depth in range(60))
    return pax({"path": path}) + header("x")


def _long(number: int) -> bytes:
    return pax({"path": f"{TOP}/{number}".ljust(1000, "x")}) + header("x")


def _wide(number: int) -> bytes:
    return pax({"path": f"{TOP}/{number}\U0001f600".ljust(600, "x")}) + header("x")


def _marked(number: int) -> bytes:
    """Return a name whose marks have to be put in order: the time for that grows with the square of their number."""
    return pax({"path": f"{TOP}/{number}" + "\u0301\u0323" * 240}) + header("x")


BOMBS: dict[str, tuple[str, str, Callable[[], Pieces]]] = {
    "xz-4-gib-in-one-file": ("BOMB_SIZE", "xz", partial(_one_file, "xz", 4 * GIB)),
    "gz-4-gib-in-one-file": ("BOMB_RATIO", "gz", partial(_one_file, "gz", 4 * GIB)),
    "zst-4-gib-in-one-file": ("BOMB_RATIO", "zst", partial(_one_file, "zst", 4 * GIB)),
    "xz-4-gib-in-many-files": ("BOMB_SIZE", "xz", partial(_many_files, "xz", 4 * GIB)),
    # Nothing in gzip tells of that beforehand: it is read up to the limit of 3 GiB.
    "gz-beside-noise-in-many-files": ("BOMB_SIZE", "gz", partial(_many_files, "gz", 4 * GIB)),
    "xz-1-gib": ("BOMB_RATIO", "xz", partial(_one_file, "xz", GIB)),
    "gz-1-gib": ("BOMB_RATIO", "gz", partial(_one_file, "gz", GIB)),
    "bz2-1-gib": ("BOMB_RATIO", "bz2", partial(_one_file, "bz2", GIB)),
    "gz-4-gib-beside-noise-in-one-file": (
        "BOMB_SIZE",
        "gz",
        lambda: chain(_packed("gz", file(f"{TOP}/noise", os.urandom(22 * MIB))), _one_file("gz", 4 * GIB)),
    ),
    "gz-1-gib-of-zeros-after-the-end": ("TRAILING", "gz", lambda: chain([GZ], _zeros("gz", GIB))),
    "xz-1-gib-of-padding-and-junk": ("TRAILING", "xz", lambda: chain([XZ], repeat(bytes(MIB), 256), [b"junk"])),
    "100001-members": ("BOMB_COUNT", "gz", partial(_members, lambda number: header(f"{TOP}/{number}"), 100_001)),
    "100001-times-the-top-directory": ("BOMB_COUNT", "gz", partial(_members, lambda _: directory(TOP), 100_001)),
    "100000-members-60-deep": ("BOMB_COUNT", "gz", partial(_members, _deep, 20_000)),
    "20000-names-of-1000-bytes": ("BOMB_HEADER", "gz", partial(_members, _long, 20_000)),
    "30000-names-of-wide-characters": ("BOMB_HEADER", "gz", partial(_members, _wide, 30_000)),
    "18000-names-of-many-marks": ("BOMB_HEADER", "gz", partial(_members, _marked, 18_000)),
    "a-million-pax-records": ("BOMB_HEADER", "gz", partial(_members, _tiny_records, 200)),
    "a-web-of-long-links": ("BOMB_COUNT", "xz", _web_of_links),
    "100001-empty-gz-members": ("BOMB_COUNT", "gz", lambda: chain([GZ], repeat(COMPRESS["gz"](b""), 100_001))),
    "100001-empty-xz-streams": ("BOMB_COUNT", "xz", lambda: chain([XZ], repeat(lzma.compress(b""), 100_001))),
    "100001-empty-zst-frames": ("BOMB_COUNT", "zst", lambda: chain([ZST], repeat(COMPRESS["zst"](b""), 100_001))),
}


class Case(NamedTuple):
    """One hostile file: the rule that refuses it, and how its name says that it is compressed."""

    rule: str
    compression: str
    pieces: Callable[[], Pieces]


def cases() -> dict[str, Case]:
    """Return all of them by name; tar archives take turns between xz and gz."""
    found = {}
    for number, (name, (rule, archive)) in enumerate(HOSTILE.items()):
        compression = ("xz", "gz")[number % 2]
        found[f"tar-{name}"] = Case(rule, compression, partial(_packed, compression, archive))
    for name, (rule, compression, content) in (HOSTILE_COMPRESSED | HOSTILE_WHOLE).items():
        found[name] = Case(rule, compression, partial(iter, [content]))
    return found | {f"bomb-{name}": Case(*bomb) for name, bomb in BOMBS.items()}


def main() -> None:
    """Write the corpus into the directory that the command line names."""
    home = Path(sys.argv[1])
    for name, case in cases().items():
        with (home / f"{case.rule}--{name}.tar.{case.compression}").open("wb") as out:
            out.writelines(case.pieces())


if __name__ == "__main__":
    main()
