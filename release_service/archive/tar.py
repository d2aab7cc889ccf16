"""Read tar headers, one strict reading of each: v7, ustar, GNU long names, PAX.

Nothing is unpacked: a member's content is skipped, or handed out where a caller asks for it.
The specification is POSIX.1-2017 pax, "ustar Interchange Format"; GNU's long names as GNU tar writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from release_service.archive import Limits
from release_service.errors import BadArchive, shown

BLOCK = 512
_END = bytes(BLOCK)


class Kind(StrEnum):
    """What a member is; every other type is refused."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hard link"


_KINDS = {b"0": Kind.FILE, b"\0": Kind.FILE, b"1": Kind.HARDLINK, b"2": Kind.SYMLINK, b"5": Kind.DIRECTORY}
# Extended attributes, access control lists, SELinux labels.
_FOREIGN = ("SCHILY.xattr.", "LIBARCHIVE.xattr.", "SCHILY.acl.", "RHT.security.")
# What the size field of a header cannot say, only PAX can.
_TOO_LARGE_FOR_OCTAL = 8**11
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: names as text, without the slash that ends a directory's; *size* in bytes."""

    name: str
    kind: Kind
    size: int
    mode: int
    target: str


class Reader:
    """The members of an archive that arrives in *pieces*, in order, once."""

    def __init__(self, pieces: Iterator[bytes], limits: Limits) -> None:
        """Read from *pieces* (bytes of any length) under *limits*."""
        self._pieces = _Pieces(pieces)
        self._limits = limits
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield each member; raises BadArchive.  Its content may be `read` until the next is asked for."""
        while (header := self._next_header()) is not None:
            extra: dict[str, str] = {}
            while header.kind in {_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL}:
                more = self._extension(header)
                if extra.keys() & more.keys():
                    raise BadArchive("PAX", "Two extended headers of one member say the same thing twice.")
                extra |= more
                following = self._next_header()
                if following is None:
                    raise BadArchive("EOF", "The archive ends after the extended header of a member.")
                header = following
            yield self._member(header, extra)

    def read(self, limit: int) -> bytes | None:
        """Return the current member's whole content, or None if it is longer than *limit* bytes."""
        if self._left > limit:
            return None
        content, self._left = self._pieces.take(self._left), 0
        return content

    def finish(self) -> None:
        """Take what follows the end of the archive; raises BadArchive (TRAILING) if that is not little and zero."""
        trailing = 0
        for piece in self._pieces.rest():
            trailing += len(piece)
            if trailing > self._limits.trailing_bytes or piece.strip(b"\0"):
                raise BadArchive("TRAILING", "More than padding follows the end of the archive.")

    def _next_header(self) -> "_Header | None":
        self._pieces.skip(self._left + self._padding)
        self._left = self._padding = 0
        block = self._pieces.take(BLOCK)
        if block == _END:
            if self._pieces.take(BLOCK) != _END:
                raise BadArchive("EOF", "A single zero block stands in the archive: two end it, none interrupts it.")
            return None
        header = _Header(block)
        self._left, self._padding = header.size, -header.size % BLOCK
        return header

    def _extension(self, header: "_Header") -> dict[str, str]:
        if header.size > self._limits.header_bytes:
            raise BadArchive("BOMB_HEADER", f"An extended header is longer than {self._limits.header_bytes} bytes.")
        content = self.read(self._limits.header_bytes) or b""
        if header.kind in {_LONG_NAME, _LONG_LINK}:
            key = "path" if header.kind == _LONG_NAME else "linkpath"
            return {key: _text(content.removesuffix(b"\0"))}
        records = _pax_records(content)
        if any(key.startswith(_FOREIGN) for key in records):
            raise BadArchive("PAX_XATTR", "An extended header carries extended attributes or access lists.")
        if header.kind == _PAX:
            return records
        if set(records) - {"comment"}:
            raise BadArchive("PAX_GLOBAL", "A global extended header carries more than a comment.")
        return {}

    def _member(self, header: "_Header", extra: dict[str, str]) -> Member:
        name = extra.get("path", header.name)
        kind = _KINDS.get(header.kind)
        if kind is None or any(key.startswith("GNU.sparse.") for key in extra):
            raise BadArchive("TYPE", f"{shown(name)!r} is neither file, directory nor link.")
        if kind is Kind.FILE and name.endswith("/"):
            kind = Kind.DIRECTORY  # how v7 spells one
        if "size" in extra:
            self._resize(name, extra["size"])
        if kind is not Kind.FILE and self._left:
            raise BadArchive("TYPE", f"{shown(name)!r} is a {kind} and has content.")
        return Member(name, kind, self._left, header.mode, extra.get("linkpath", header.target))

    def _resize(self, name: str, size: str) -> None:
        if not (size.isascii() and size.isdigit()) or len(size) > len(str(2**63)):
            raise BadArchive("PAX_SIZE", f"{shown(name)!r} has a size that is no number.")
        if self._left != int(size) and (self._left or int(size) < _TOO_LARGE_FOR_OCTAL):
            # Two sizes, two readings: CVE-2025-62518.
            raise BadArchive("PAX_SIZE", f"{shown(name)!r} has two sizes.")
        self._left, self._padding = int(size), -int(size) % BLOCK


class _Header:
    """The fields of one 512-byte header block."""

    def __init__(self, block: bytes) -> None:
        # The sum is of the block with its own field blank.
        if _number(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * ord(" "):
            raise BadArchive("CORRUPT", "A header block's check sum is wrong.")
        prefix = _until_nul(block[345:500]) if block[257:263] == b"ustar\0" else b""
        self.name = _text(b"/".join(filter(None, [prefix, _until_nul(block[:100])])))
        self.mode = _number(block[100:108])
        self.size = _number(block[124:136])
        self.kind = block[156:157]
        self.target = _text(_until_nul(block[157:257]))


class _Pieces:
    """Bytes in pieces, taken and skipped by count."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    def _slices(self, count: int) -> Iterator[bytes]:
        while count:
            if self._at == len(self._piece):
                self._piece, self._at = next(self._pieces, b""), 0
                if not self._piece:
                    raise BadArchive("EOF", "The archive ends too early.")
            end = min(len(self._piece), self._at + count)
            yield (self._piece[self._at : end] if end - self._at < len(self._piece) else self._piece)
            count -= end - self._at
            self._at = end

    def take(self, count: int) -> bytes:
        """Return exactly *count* bytes."""
        return b"".join(self._slices(count))

    def skip(self, count: int) -> None:
        """Pass over *count* bytes without copying them."""
        here = len(self._piece) - self._at
        while count > here:
            count -= here
            self._piece, self._at = next(self._pieces, b""), 0
            here = len(self._piece)
            if not here:
                raise BadArchive("EOF", "The archive ends too early.")
        self._at += count

    def rest(self) -> Iterator[bytes]:
        """Yield all that is left."""
        yield self._piece[self._at :]
        yield from self._pieces


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise BadArchive("PATH_ENC", f"A member's name is not UTF-8: {shown(name)}.") from None


def _number(field: bytes) -> int:
    """Octal digits that end in spaces or NULs, or GNU's base-256 for what is larger."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = _until_nul(field).strip(b" ")
    if digits.strip(b"01234567"):
        raise BadArchive("CORRUPT", "A number in a header block is not octal.")
    return int(digits, 8) if digits else 0


def _pax_records(content: bytes) -> dict[str, str]:
    """Read ``<length> <key>=<value>`` records, a newline after each; the length counts itself."""
    records: dict[str, str] = {}
    at = 0
    while at < len(content):
        length, _, _ = content[at : at + 8].partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(content) - at:
            raise _malformed_pax()
        record = content[at : at + int(length)]
        at += int(length)
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not equals or record[-1:] != b"\n" or _text(key) in records:
            raise _malformed_pax()
        records[_text(key)] = _text(value)
    return records


def _malformed_pax() -> BadArchive:
    return BadArchive("PAX", "An extended header is malformed.")
