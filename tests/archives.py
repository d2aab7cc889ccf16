"""Builds archives byte by byte: those that tarfile writes, and those that it cannot, or should not."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator, Mapping

from backports import zstd

from release_service.archive import Inspection, Limits
from release_service.archive.inspection import inspect

TOP = "gtk+-3.24.52"
BLOCK = 512
END = bytes(2 * BLOCK)
USTAR, GNU, V7 = b"ustar\x0000", b"ustar  \0", bytes(8)
FILE, HARDLINK, SYMLINK, DIRECTORY = b"0", b"1", b"2", b"5"


def header(  # noqa: PLR0913 - a header has fields
    name: str | bytes,
    *,
    kind: bytes = FILE,
    size: int | bytes = 0,
    mode: int | bytes = 0o644,
    mtime: int | bytes = 1_700_000_000,
    target: str | bytes = b"",
    prefix: str | bytes = b"",
    magic: bytes = USTAR,
    checksum: bytes | None = None,
) -> bytes:
    """Return one header block; a field given as bytes stands there as it is."""
    fields = [
        _text(name).ljust(100, b"\0"),
        _octal(mode, 8),
        _octal(0, 8),
        _octal(0, 8),
        _octal(size, 12),
        _octal(mtime, 12),
        b" " * 8,
        kind,
        _text(target).ljust(100, b"\0"),
        magic,
        bytes(32 + 32 + 8 + 8),
        _text(prefix).ljust(155, b"\0"),
    ]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    assert len(block) == BLOCK, name
    return block[:148] + (checksum or b"%06o\0 " % sum(block)) + block[156:]


def with_field(block: bytes, at: int, value: bytes) -> bytes:
    """Return the header *block* with *value* at the place *at*, and its sum put right."""
    changed = block[:at] + value + block[at + len(value) :]
    blank = changed[:148] + b" " * 8 + changed[156:]
    return changed[:148] + b"%06o\0 " % sum(blank) + changed[156:]


def file(name: str | bytes, content: bytes = b"content\n", **fields: object) -> bytes:
    """Return a file of that name below no directory but what *name* says."""
    return header(name, **{"size": len(content), **fields}) + padded(content)  # type: ignore[arg-type]


def directory(name: str, mode: int = 0o755) -> bytes:
    """Return a directory."""
    return header(f"{name}/", kind=DIRECTORY, mode=mode)


def symlink(name: str, target: str) -> bytes:
    """Return a symbolic link."""
    return header(name, kind=SYMLINK, mode=0o777, target=target)


def hardlink(name: str, target: str) -> bytes:
    """Return a hard link."""
    return header(name, kind=HARDLINK, target=target)


def records(values: Mapping[str, str | bytes]) -> bytes:
    """Return PAX records, each with its length in front."""
    return b"".join(record(key.encode(), _text(value)) for key, value in values.items())


def record(key: bytes, value: bytes) -> bytes:
    """Return one PAX record."""
    length = rest = len(key) + len(value) + 3
    while length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def pax(values: Mapping[str, str | bytes], kind: bytes = b"x") -> bytes:
    """Return an extended header for the next member, or a global one (``g``)."""
    return raw_pax(records(values), kind)


def raw_pax(content: bytes, kind: bytes = b"x") -> bytes:
    """Return an extended header of that content, well-formed or not."""
    return header("PaxHeaders/x", kind=kind, size=len(content)) + padded(content)


def long_name(name: str | bytes, kind: bytes = b"L") -> bytes:
    """Return GNU's header for a long name (``L``) or a long link (``K``)."""
    content = _text(name) + b"\0"
    return header("././@LongLink", kind=kind, size=len(content), magic=GNU) + padded(content)


def padded(content: bytes) -> bytes:
    """Return *content* up to a whole block."""
    return content + bytes(-len(content) % BLOCK)


def good() -> bytes:
    """Return two members that nobody can object to."""
    return directory(TOP) + file(f"{TOP}/meson.build")


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lambda content: lzma.compress(content, preset=0),
    "gz": lambda content: gzip.compress(content, compresslevel=1, mtime=0),
    "bz2": lambda content: bz2.compress(content, 1),
    "zst": zstd.compress,
}


def look(archive: bytes, *, compression: str = "xz", limits: Limits | None = None, piece: int = 65_536) -> Inspection:
    """Compress *archive* and inspect it."""
    return look_at(COMPRESS[compression](archive), compression=compression, limits=limits, piece=piece)


def look_at(
    content: bytes, *, compression: str = "xz", limits: Limits | None = None, piece: int = 65_536
) -> Inspection:
    """Inspect *content*, a compressed file that comes in pieces."""
    pieces = _pieces(content, piece)
    return inspect(lambda: next(pieces, b""), compression, TOP, limits or Limits())


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def _text(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _octal(value: int | bytes, width: int) -> bytes:
    return value if isinstance(value, bytes) else b"%0*o\0" % (width - 1, value)
