"""Archives that are refused, each by the rule that it breaks and no other."""

import asyncio
import gzip
import lzma
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import (
    COMPRESS,
    DIRECTORY,
    END,
    FILE,
    GNU,
    HARDLINK,
    SYMLINK,
    TOP,
    directory,
    file,
    good,
    hardlink,
    header,
    long_name,
    look,
    look_at,
    pax,
    raw_pax,
    record,
    symlink,
)
from release_service.archive import Limits
from release_service.archive.inspector import Inspector
from release_service.errors import BadArchive
from release_service.tarball import TarballName

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
    "latin-1-link": ("PATH_ENC", header(A, kind=SYMLINK, target=b"\xe9") + END),
    "two-slashes-at-the-end": ("PATH", header(f"{A}//", kind=DIRECTORY, mode=0o755) + END),
    "symlink-that-ends-in-a-slash": ("PATH", symlink(f"{A}/", "b") + END),
    "target-of-1025-bytes": ("PATH_LEN", pax({"linkpath": "x" * 1025}) + symlink(A, "b") + END),
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
    "directory-with-files-then-symlink": ("PATH_DUP", file(f"{A}/b/c") + symlink(A, "b") + END),
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
    "hard-link-out": ("LINK_ESCAPE", good() + hardlink(A, "../../etc/passwd") + END),
    "hard-link-out-by-way-of-the-top": ("LINK_ESCAPE", good() + hardlink(A, f"{TOP}/../../passwd") + END),
    "hard-link-upwards": ("LINK_MISSING", file(f"{TOP}/b") + hardlink(A, f"{TOP}/x/../b") + END),
    "hard-link-without-the-top": ("LINK_MISSING", file(f"{TOP}/b") + hardlink(A, "b") + END),
    "hard-link-without-target": ("LINK_MISSING", good() + hardlink(A, "") + END),
    "file-below-a-symlink": ("LINK_THROUGH", symlink(A, ".") + file(f"{A}/b") + END),
    "file-deep-below-a-symlink": ("LINK_THROUGH", symlink(A, ".") + file(f"{A}/b/c/d") + END),
    "file-below-a-file": ("LINK_THROUGH", file(A) + file(f"{A}/b") + END),
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
    "negative-size": ("CORRUPT", header(A, size=b"-0000000010\0") + END),
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
    "long-name-that-is-short-differs": ("PAX_PATH", long_name(f"{TOP}/b") + file(A) + END),
    "pax-1-mib": ("PAX_LONG", raw_pax(record(b"comment", bytes(2**20 - 20))) + file(A) + END),
    "pax-2-mib": ("BOMB_HEADER", raw_pax(record(b"comment", bytes(2**21))) + file(A) + END),
    "nine-extended-headers-of-one-member": ("BOMB_HEADER", pax({"comment": "x"}, b"g") * 9 + file(A) + END),
    "pax-key-twice": ("PAX_MALFORMED", raw_pax(record(b"path", A.encode()) + record(b"path", b"/x")) + file(A) + END),
    "two-pax-headers-disagree": ("PAX_TWICE", pax({"path": A}) + pax({"path": f"{TOP}/b"}) + file(A) + END),
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
    "access-list": ("PAX_XATTR", pax({"SCHILY.acl.access": "user::rwx"}) + file(A) + END),
    "selinux-label": ("PAX_XATTR", pax({"RHT.security.selinux": "x"}) + file(A) + END),
    "pax-65-kib": ("PAX_LONG", pax({"comment": "x" * 65_536}) + file(A) + END),
    "global-65-kib": ("PAX_LONG", pax({"comment": "x" * 65_536}, b"g") + file(A) + END),
    "long-name-65-kib": ("BOMB_HEADER", long_name("x" * 65_536) + file(A) + END),
    "pax-256-mib-that-are-not-there": ("BOMB_HEADER", header("x", kind=b"x", size=2**28) + END),
    "long-name-in-base-256": ("BOMB_HEADER", header("x", kind=b"L", size=b"\x80" + b"\xff" * 11) + END),
}


def rule_of(act: Callable[[], object]) -> str:
    with pytest.raises(BadArchive) as caught:
        act()
    refusal = caught.value
    assert refusal.detail.isascii()
    assert refusal.detail.isprintable()
    assert refusal.detail.endswith(f" [{refusal.rule}]")
    assert len(refusal.detail) < 600
    return refusal.rule


@pytest.mark.parametrize(("rule", "archive"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_by_its_rule(rule: str, archive: bytes) -> None:
    assert rule_of(lambda: look(archive)) == rule


XZ, GZ, ZST, BZ2 = (COMPRESS[kind](good() + END) for kind in ("xz", "gz", "zst", "bz2"))


def _changed(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0x55
    return bytes(changed)


COMPRESSED: dict[str, tuple[str, str, bytes]] = {
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
    "xz-odd-padding": ("CORRUPT", "xz", XZ + bytes(3)),
    "xz-odd-padding-between-streams": ("CORRUPT", "xz", XZ + bytes(5) + XZ),
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
}


@pytest.mark.parametrize("piece", [1, 65_536])
@pytest.mark.parametrize(("rule", "compression", "content"), COMPRESSED.values(), ids=COMPRESSED)
def test_a_hostile_compression_is_refused_by_its_rule(rule: str, compression: str, content: bytes, piece: int) -> None:
    assert rule_of(lambda: look_at(content, compression=compression, piece=piece)) == rule


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_a_file_that_is_cut_off_anywhere_is_refused(compression: str) -> None:
    content = COMPRESS[compression](good() + END)
    for size in range(len(content)):
        assert rule_of(lambda: look_at(content[:size], compression=compression)) in {"FORMAT", "CORRUPT"}  # noqa: B023 - called at once


def test_an_archive_that_is_cut_off_anywhere_is_refused() -> None:
    archive = pax({"comment": "x"}, b"g") + directory(TOP) + pax({"path": f"{A}b"}) + file(f"{A}b", b"x" * 700) + END
    for size in range(0, len(archive), 64):
        assert rule_of(lambda: look(archive[:size], compression="gz")) == "EOF"  # noqa: B023 - called at once


# Bombs ---------------------------------------------------------------------------------------


def _dictionary(size: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}]
    content = bytearray(lzma.compress(good() + END, filters=filters))
    # The dictionary's size is one byte of the block header, which ends in a CRC-32 of itself.
    import zlib  # noqa: PLC0415 - here only

    header_size = (content[12] + 1) * 4
    at = content.index(b"\x21\x01", 12) + 2
    content[at] = size
    content[12 + header_size - 4 : 12 + header_size] = zlib.crc32(content[12 : 12 + header_size - 4]).to_bytes(
        4, "little"
    )
    return bytes(content)


@pytest.mark.parametrize("code", [40, 39, 36, 31], ids=["4-gib", "3-gib", "1-gib", "192-mib"])
def test_a_dictionary_beyond_the_limit_is_refused_before_it_is_allocated(code: int) -> None:
    assert rule_of(lambda: look_at(_dictionary(code))) == "BOMB_MEM"


@pytest.mark.parametrize("code", [0, 24, 28, 29], ids=["4-kib", "16-mib", "64-mib", "96-mib"])
def test_a_dictionary_within_the_limit_is_accepted(code: int) -> None:
    assert look_at(_dictionary(code)).members == 2


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_an_archive_that_expands_beyond_the_limit_is_refused(compression: str) -> None:
    archive = file(A, os.urandom(300_000)) + END
    exactly = Limits(expanded_bytes=len(archive))
    assert look(archive, compression=compression, limits=exactly).expanded_bytes == len(archive)
    less = Limits(expanded_bytes=len(archive) - 1)
    assert rule_of(lambda: look(archive, compression=compression, limits=less)) == "BOMB_SIZE"


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_an_archive_that_expands_too_many_times_is_refused(compression: str) -> None:
    archive = file(A, bytes(8 * 1024 * 1024)) + END
    assert (
        rule_of(lambda: look(archive, compression=compression, limits=Limits(ratio_from_bytes=2**20))) == "BOMB_RATIO"
    )


def test_a_small_archive_may_expand_as_much_as_it_likes() -> None:
    assert look(file(A, bytes(8 * 1024 * 1024)) + END).members == 1


def test_a_ratio_bomb_is_refused_early_by_the_real_limits() -> None:
    """A gigabyte of zeros: refused at 128 MiB, with a step's worth of memory."""
    mebibyte = gzip.compress(bytes(2**20), mtime=0)
    content = gzip.compress(header(A, size=2**30), mtime=0) + mebibyte * 1024
    began = time.process_time()
    assert rule_of(lambda: look_at(content, compression="gz")) == "BOMB_RATIO"
    assert time.process_time() - began < 5


def test_more_members_than_allowed_are_refused() -> None:
    archive = b"".join(file(f"{TOP}/{number}", b"") for number in range(11)) + END
    assert look(archive, limits=Limits(members=11)).members == 11
    assert rule_of(lambda: look(archive, limits=Limits(members=10))) == "BOMB_COUNT"


def test_directories_that_come_again_and_again_count() -> None:
    archive = directory(A) * 11 + END
    assert rule_of(lambda: look(archive, limits=Limits(members=10))) == "BOMB_COUNT"


def test_a_web_of_long_links_is_refused_within_seconds() -> None:
    """Each link leads through forty others of forty steps: nobody follows all of them."""
    steps = "./" * 40
    chain = b"".join(symlink(f"{TOP}/{i}", f"{steps}{i + 1}") for i in range(38)) + file(f"{TOP}/38")
    web = b"".join(symlink(f"{TOP}/l{i}", f"{steps}0") for i in range(4000)) + END
    began = time.process_time()
    assert rule_of(lambda: look(chain + web, compression="gz")) == "BOMB_COUNT"
    assert time.process_time() - began < 8


# Whatever comes ------------------------------------------------------------------------------

blocks = st.sampled_from(
    [
        directory(TOP),
        file(A),
        file(f"{A}/b"),
        symlink(A, "../x"),
        symlink(f"{TOP}/l", "a"),
        hardlink(f"{TOP}/h", A),
        pax({"path": f"{TOP}/p"}),
        pax({"size": "3"}),
        long_name(f"{TOP}/n"),
        bytes(512),
        b"x" * 512,
        b"odd",
    ]
) | st.binary(max_size=600)


@settings(max_examples=300)
@given(st.lists(blocks, max_size=6).map(b"".join), st.booleans())
def test_any_archive_is_accepted_or_refused(archive: bytes, ends: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    try:
        look(archive + (END if ends else b""), compression="gz")
    except BadArchive:
        return


@given(
    st.integers(0, 511),
    st.integers(0, 255),
    st.sampled_from([FILE, HARDLINK, SYMLINK, DIRECTORY, b"x", b"g", b"L"]),
)
def test_any_damaged_header_is_accepted_or_refused(at: int, value: int, kind: bytes) -> None:
    block = bytearray(header(A, kind=kind, size=10, target="b"))
    block[at] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    try:
        look(directory(TOP) + bytes(block) + bytes(512) + END, compression="gz")
    except BadArchive:
        return


@given(st.binary(max_size=300), st.sampled_from(sorted(COMPRESS)))
def test_any_bytes_are_accepted_or_refused(content: bytes, compression: str) -> None:
    magic = COMPRESS[compression](b"")[:6]
    for start in (b"", magic):
        assert rule_of(lambda: look_at(start + content, compression=compression)).isupper()  # noqa: B023 - called at once


@pytest.mark.parametrize(
    "rule", ["TOPDIR", "PATH_ABS", "LINK_ESCAPE", "PAX_GLOBAL", "MODE", "TRAILING", "BOMB_HEADER", "LINK_LOOP"]
)
def test_the_process_refuses_as_the_function_does(rule: str, tmp_path: Path) -> None:
    archive = next(archive for found, archive in HOSTILE.values() if found == rule)
    content = COMPRESS["xz"](archive)
    with tempfile.TemporaryFile(dir=tmp_path) as received:
        received.write(content)
        received.flush()
        inspecting = asyncio.run(Inspector(Limits()).begin(TarballName.parse(f"{TOP}.tar.xz"), received.fileno()))
        assert rule_of(lambda: inspecting.result(len(content))) == rule


def test_the_process_is_given_its_limits(tmp_path: Path) -> None:
    content = COMPRESS["xz"](good() + END)
    with tempfile.TemporaryFile(dir=tmp_path) as received:
        received.write(content)
        received.flush()
        inspecting = asyncio.run(
            Inspector(Limits(members=1)).begin(TarballName.parse(f"{TOP}.tar.xz"), received.fileno())
        )
        assert rule_of(lambda: inspecting.result(len(content))) == "BOMB_COUNT"
