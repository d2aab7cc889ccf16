"""Archives that are odd and good: refusing one of these would stop a release.

`GOOD` are tar archives, `GOOD_COMPRESSED` compressed files, each of the same two members.
"""

import gzip
import io
import lzma
import struct
import tarfile
import time
from collections.abc import Callable

from archives import COMPRESS, END, GNU, TOP, V7, directory, file, good, hardlink, header, long_name, pax, symlink
from hostile_archives import Block, gz_named, with_dictionary, xz, zst_with_window


def written_by_tarfile(archive_format: int, *names: str, **fields: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=archive_format) as archive:
        for name in names:
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size = 3
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(b"abc"))
    return buffer.getvalue()


def with_signed_sum(block: bytes) -> bytes:
    """Return the header *block* with the sum that writers make whose characters have a sign."""
    signed = sum(struct.unpack("512b", block[:148] + b" " * 8 + block[156:]))
    return block[:148] + b"%06o\0 " % signed + block[156:]


LONG = "/".join(["directory-with-a-name"] * 10) + "/file"
DEEP = "a/" * 60 + "b"
CHINESE = "\u4e2d" * 60
LONGER = "x" * 200 + "/" + "y" * 250
GOOD = {
    "two-members": good() + END,
    "no-directories": file(f"{TOP}/a") + file(f"{TOP}/b/c") + END,
    "directory-without-slash": header(TOP, kind=b"5", mode=0o755) + file(f"{TOP}/a") + END,
    "only-the-top-directory": directory(TOP) + END,
    "padded-to-10240": (good() + END).ljust(10_240, b"\0"),
    "10240-zero-bytes-after-the-end": good() + END + bytes(10_240),
    "directory-twice": directory(TOP) + directory(f"{TOP}/a") * 2 + file(f"{TOP}/a/b") + END,
    "directory-after-its-files": file(f"{TOP}/a/b") + directory(f"{TOP}/a") + directory(TOP) + END,
    "empty-file": file(f"{TOP}/empty", b"") + END,
    "block-sized-file": file(f"{TOP}/block", bytes(512)) + END,
    "dot-files": file(f"{TOP}/.gitignore") + file(f"{TOP}/.gitlab-ci/x.yml") + file(f"{TOP}/..a") + END,
    "plus-names": file(f"{TOP}/gtk+/a++.c") + END,
    "spaces-and-quotes": file(f"{TOP}/a b 'c' \"d\".txt") + END,
    "unicode-name": file(f"{TOP}/po/\u00e9\u4e2d\u0416.po") + END,
    "compatible-but-not-equal-names": file(f"{TOP}/m\u00b2") + file(f"{TOP}/m2") + END,
    "inner-symlink": good() + symlink(f"{TOP}/link", "meson.build") + END,
    "symlink-upwards-inside": good() + directory(f"{TOP}/a/b") + symlink(f"{TOP}/a/b/link", "../../meson.build") + END,
    "symlink-to-the-top": good() + directory(f"{TOP}/a") + symlink(f"{TOP}/a/link", "..") + END,
    "symlink-to-here": good() + symlink(f"{TOP}/link", ".") + END,
    "symlink-before-its-target": symlink(f"{TOP}/link", "a") + file(f"{TOP}/a") + END,
    "symlink-by-way-of-a-symlink": good()
    + directory(f"{TOP}/a/b")
    + file(f"{TOP}/a/meson.build")
    + symlink(f"{TOP}/l", "a/b")
    + symlink(f"{TOP}/m", "l/../meson.build")
    + END,
    "symlink-of-mode-777": file(f"{TOP}/a") + symlink(f"{TOP}/link", "a") + END,
    "hard-link": good() + hardlink(f"{TOP}/link", f"{TOP}/meson.build") + END,
    "hard-link-to-hard-link": good()
    + hardlink(f"{TOP}/l", f"{TOP}/meson.build")
    + hardlink(f"{TOP}/m", f"{TOP}/l")
    + END,
    "ustar-prefix": file("file", prefix=f"{TOP}/{'d' * 100}") + END,
    "gnu-long-name": long_name(f"{TOP}/{LONGER}") + file(TOP, magic=GNU) + END,
    "gnu-long-link": pax({"path": f"{TOP}/{DEEP}"})
    + file("x")
    + long_name(DEEP, b"K")
    + symlink(f"{TOP}/l", "a")
    + END,
    "gnu-long-name-and-link": pax({"path": f"{TOP}/{'x' * 200}/{DEEP}"})
    + file("x")
    + long_name(DEEP, b"K")
    + long_name(f"{TOP}/{LONGER}")
    + symlink(f"{TOP}/l", "a")
    + END,
    "pax-long-name": pax({"path": f"{TOP}/{LONGER}"}) + file("PaxHeaders/long") + END,
    "pax-size-that-agrees": pax({"size": "8"}) + file(f"{TOP}/a") + END,
    "pax-float-mtime": pax({"mtime": "1700000000.123456789", "atime": "-1.5"}) + file(f"{TOP}/a") + END,
    "pax-owner": pax({"uid": "99999999", "gid": "99999999", "uname": "m\u00e9", "gname": "users"})
    + file(f"{TOP}/a")
    + END,
    "pax-comment": pax({"comment": "hello"}) + file(f"{TOP}/a") + END,
    "pax-empty-header": pax({}) + file(f"{TOP}/a") + END,
    "git-archive-comment": pax({"comment": "714a629c0b401fdce83e847fc9589983fc6f46bc"}, b"g") + good() + END,
    "global-then-local-comment": pax({"comment": "a"}, b"g") + pax({"comment": "b"}) + file(f"{TOP}/a") + END,
    "v7": file(f"{TOP}/a", magic=V7, kind=b"\0") + END,
    "v7-directory": header(f"{TOP}/", magic=V7, kind=b"\0", mode=0o755) + file(f"{TOP}/a", magic=V7) + END,
    "gnu-magic": file(f"{TOP}/a", magic=GNU) + END,
    "gnu-times-in-the-prefix-field": file(f"{TOP}/a", magic=GNU, prefix=b"14731026270\x0014731026270\0") + END,
    "base-256-time-before-1970": header(f"{TOP}/a", mtime=b"\xff" * 11 + b"\x01") + END,
    "a-clock-a-day-ahead": header(f"{TOP}/a", mtime=int(time.time()) + 86_400) + END,
    "pax-time-with-an-exponent": pax({"mtime": "1e-05"}) + file(f"{TOP}/a") + END,
    "pax-charset-that-is-the-usual-one": pax({"hdrcharset": "ISO-IR 10646 2000 UTF-8"}) + file(f"{TOP}/a") + END,
    "sticky-directory": directory(TOP, 0o1755) + file(f"{TOP}/a") + END,
    "git-archive-names-a-long-path-by-its-object": pax({"path": f"{TOP}/{LONGER}"})
    + file("714a629c0b401fdce83e847fc9589983fc6f46bc.data")
    + END,
    "pax-path-that-agrees": pax({"path": f"{TOP}/a", "linkpath": "b"})
    + symlink(f"{TOP}/a", "b")
    + file(f"{TOP}/b")
    + END,
    "two-normal-forms-in-two-directories": file(f"{TOP}/a/\u00e9") + file(f"{TOP}/b/e\u0301") + END,
    "base-256-size": file(f"{TOP}/a", size=b"\x80" + bytes(10) + b"\x08") + END,
    "spaces-round-numbers": file(f"{TOP}/a", size=b"         10 ", mode=b"   644 \0") + END,
    "executable": file(f"{TOP}/configure", mode=0o755) + END,
    "group-writable": file(f"{TOP}/a", mode=0o664) + directory(f"{TOP}/d", 0o775) + END,
    "type-bits-in-the-mode": file(f"{TOP}/a", mode=0o100644) + END,
    "signed-check-sum-agrees": file(f"{TOP}/a") + END,
    "signed-check-sum": with_signed_sum(header(f"{TOP}/\u00e9\u4e2d")) + END,
    "tarfile-ustar": written_by_tarfile(tarfile.USTAR_FORMAT, "a", LONG[:120]),
    "tarfile-gnu": written_by_tarfile(tarfile.GNU_FORMAT, "a", LONG, LONGER),
    # The plain header has the first 100 bytes, whatever character that cuts.
    **{f"gnu-cuts-a-character-{i}": written_by_tarfile(tarfile.GNU_FORMAT, "x" * i + CHINESE) for i in range(3)},
    "gnu-cuts-a-character-of-a-target": pax({"path": f"{TOP}/{CHINESE}"})
    + file("x")
    + long_name(CHINESE, b"K")
    + header(f"{TOP}/l", kind=b"2", target=CHINESE.encode()[:100], magic=GNU)
    + END,
    "tarfile-pax": written_by_tarfile(tarfile.PAX_FORMAT, "a", LONG, LONGER, "\u00fc", mtime=1.5, uid=10**9),
    "64-deep": pax({"path": f"{TOP}/{'d/' * 62}f"}) + file("x") + END,
    "1024-bytes-of-path": pax({"path": f"{TOP}/" + ("e" * 200 + "/") * 5 + "f" * (1023 - 5 * 201 - len(TOP))})
    + file("x")
    + END,
}


def _gzip_with_fields() -> bytes:
    """A gzip stream whose header has all the optional fields."""
    extra = struct.pack("<H", 4) + b"XY\0\0"
    plain = gzip.compress(good() + END, mtime=0)
    return plain[:3] + b"\x1c" + plain[4:10] + extra + TOP.encode() + b".tar\0" + b"a comment\0" + plain[10:]


def _in_two(compress: Callable[[bytes], bytes]) -> bytes:
    archive = good() + END
    return compress(archive[:700]) + compress(archive[700:])


def _xz(**options: object) -> bytes:
    return lzma.compress(good() + END, **options)  # type: ignore[arg-type]


GOOD_COMPRESSED = {
    "xz-two-streams": ("xz", _in_two(COMPRESS["xz"])),
    "xz-padding": ("xz", COMPRESS["xz"](good() + END) + bytes(8)),
    "xz-much-padding": ("xz", COMPRESS["xz"](good() + END) + bytes(200_000)),
    "xz-padding-between-streams": ("xz", lzma.compress(good()) + bytes(4) + lzma.compress(END) + bytes(4)),
    "xz-empty-stream-first": ("xz", lzma.compress(b"") + lzma.compress(good() + END)),
    "xz-check-none": ("xz", _xz(check=lzma.CHECK_NONE)),
    "xz-check-crc32": ("xz", _xz(check=lzma.CHECK_CRC32)),
    "xz-check-sha256": ("xz", _xz(check=lzma.CHECK_SHA256)),
    "xz-9": ("xz", _xz(preset=9)),
    "xz-9-extreme": ("xz", _xz(preset=9 | lzma.PRESET_EXTREME)),
    "gz-two-members": ("gz", _in_two(COMPRESS["gz"])),
    "gz-all-header-fields": ("gz", _gzip_with_fields()),
    "gz-stored": ("gz", gzip.compress(good() + END, compresslevel=0)),
    "bz2": ("bz2", COMPRESS["bz2"](good() + END)),
    "bz2-two-streams": ("bz2", _in_two(COMPRESS["bz2"])),
    "zst": ("zst", COMPRESS["zst"](good() + END)),
    "zst-two-frames": ("zst", _in_two(COMPRESS["zst"])),
    "gz-name": ("gz", gz_named(b"gtk+-3.24.52.tar")),
    "gz-name-in-latin-1": ("gz", gz_named(b"gtk-\xe9.tar")),
    "gz-name-in-a-directory": ("gz", gz_named(b"dist/gtk..tar")),
    "gz-empty-member-first": ("gz", gzip.compress(b"") + COMPRESS["gz"](good() + END)),
    "xz-two-blocks": ("xz", xz(Block(good()), Block(END))),
    "xz-no-block": ("xz", xz() + xz(Block(good() + END))),
    "xz-96-mib-dictionary": ("xz", with_dictionary(29)),
    "zst-64-mib-window": ("zst", zst_with_window(26)),
}
