"""Read tar headers, one strict reading of each: v7, ustar, GNU long names, PAX.

Nothing is unpacked: a member's content is skipped, hashed, or handed out where a caller asks for it.
The specification is POSIX.1-2017 pax, "ustar Interchange Format"; GNU's long names as GNU tar writes them.
"""

import codecs
import hashlib
import re
import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from release_service.archive import Limits, pax
from release_service.archive.pieces import Pieces
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
# What the size field of a header cannot say, only PAX can.
_TOO_LARGE_FOR_OCTAL = 8**11
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_EXTENSIONS = {_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL}
# Nobody writes more before one member: a global header, a local one, two long names.
_MOST_EXTENSIONS = 8
# An extended header of that many times the limit is no mistake.
_BOMB = 16

# name, mode, uid, gid, size, mtime, sum, type, target, magic and version; numbers of a device, prefix
_FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
_SUM = slice(148, 156)
_BLANK_SUM = 8 * ord(" ")
_USTAR, _GNU = b"ustar\0", b"ustar  \0"
# What GNU tar may write where others have a prefix.
_GNU_TIMES = re.compile(rb"(?:[0-7]{11}[ \0]|\0{12}){2}")
_ASCII = 0x7F


class Member(NamedTuple):
    """One entry: names as text; *size* in bytes, *mtime* in seconds since 1970.

    `path` is the name without the slash that ends a directory's.  `short_name` and `short_target`
    are what the plain header says, where an extended one says the name and target.
    """

    name: str
    path: str
    kind: Kind
    size: int
    mode: int
    mtime: float
    target: str
    short_name: str
    short_target: str


class _Header(NamedTuple):
    """The fields of one 512-byte header block."""

    name: bytes
    mode: int
    size: int
    mtime: int
    kind: bytes
    target: bytes


class Reader:
    """The members of an archive that arrives in *pieces*, in order, once."""

    def __init__(self, pieces: Iterator[bytes], limits: Limits) -> None:
        """Read from *pieces* (bytes of any length) under *limits*."""
        self._pieces = Pieces(pieces)
        self._limits = limits
        self._left = 0
        self._padding = 0
        self._records = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield each member; raises BadArchive.

        Until the next one is asked for, its content may be taken, once: by `read` or by `digest`.
        """
        while (header := self._next_header()) is not None:
            extra: dict[str, str] = {}
            kinds = b""
            while header.kind in _EXTENSIONS:
                self._refuse_too_many(len(kinds) + 1)
                if header.kind == _PAX and _PAX in kinds:
                    raise BadArchive("PAX_TWICE", "A member has two extended headers.")
                kinds += header.kind
                more = self._extension(header)
                if extra.keys() & more.keys():
                    raise BadArchive("PAX_TWICE", "Two extended headers of one member say the same thing twice.")
                extra |= more
                following = self._next_header()
                if following is None:
                    raise BadArchive("EOF", "The archive ends after the extended header of a member.")
                header = following
            member = self._member(header, extra)
            self._believe(member.size)
            yield member

    def read(self, limit: int) -> bytes | None:
        """Return the current member's whole content, or None if it is longer than *limit* bytes."""
        if self._left > limit:
            return None
        content, self._left = self._pieces.take(self._left), 0
        return content

    def digest(self) -> str:
        """Return the SHA-256 of the current member's content, as hex letters."""
        sha256 = hashlib.sha256()
        for piece in self._pieces.slices(self._left):
            sha256.update(piece)
        self._left = 0
        return sha256.hexdigest()

    def finish(self) -> None:
        """Take what follows the end of the archive; raises BadArchive (TRAILING) if that is not little and zero."""
        trailing = 0
        for piece in self._pieces.rest():
            trailing += len(piece)
            if trailing > self._limits.trailing_bytes or piece.strip(b"\0"):
                raise BadArchive("TRAILING", "More than padding follows the end of the archive.")

    def _next_header(self) -> _Header | None:
        self._pieces.skip(self._left + self._padding)
        self._left = self._padding = 0
        block = self._pieces.take(BLOCK)
        if block == _END:
            if self._pieces.take(BLOCK) != _END:
                raise BadArchive("EOF", "A single zero block stands in the archive: two end it, none interrupts it.")
            return None
        header = _header(block)
        self._left, self._padding = header.size, -header.size % BLOCK
        return header

    def _refuse_too_many(self, extensions: int) -> None:
        if extensions > _MOST_EXTENSIONS or self._records > self._limits.header_records:
            raise BadArchive("BOMB_HEADER", "The archive has more extended headers than its members need.")

    def _extension(self, header: _Header) -> dict[str, str]:
        limit = self._limits.header_bytes
        is_name = header.kind in {_LONG_NAME, _LONG_LINK}
        if header.size > limit:
            rule = "BOMB_HEADER" if is_name or header.size > _BOMB * limit else "PAX_LONG"
            raise BadArchive(rule, f"An extended header is longer than {limit} bytes.")
        content = self.read(limit) or b""
        if is_name:
            key = "path" if header.kind == _LONG_NAME else "linkpath"
            return {key: pax.text(content.removesuffix(b"\0"))}
        records = pax.records(content)
        self._records += len(records)
        if header.kind == _PAX:
            pax.judge_local(records)
            return records
        pax.judge_global(records)
        return {}

    def _member(self, header: _Header, extra: dict[str, str]) -> Member:
        short_name = _short(header.name, is_all="path" not in extra)
        short_target = _short(header.target, is_all="linkpath" not in extra)
        name, mtime = short_name, float(header.mtime)
        if extra:
            name = extra.get("path", short_name)
            mtime = pax.mtime(extra["mtime"]) if "mtime" in extra else mtime
            if "size" in extra:
                self._resize(name, extra["size"])
        kind = _KINDS.get(header.kind)
        if kind is None:
            raise BadArchive("TYPE", f"{shown(name)!r} is neither file, directory nor link.")
        path = name
        if name.endswith("/") and kind in {Kind.FILE, Kind.DIRECTORY}:
            kind = Kind.DIRECTORY  # how v7 spells one
            path = name[:-1]
        if kind is not Kind.FILE and self._left:
            raise BadArchive("TYPE", f"{shown(name)!r} is a {kind} and has content.")
        target = extra.get("linkpath", short_target)
        return Member(name, path, kind, self._left, header.mode, mtime, target, short_name, short_target)

    def _resize(self, name: str, size: str) -> None:
        if not (size.isascii() and size.isdigit()) or len(size) > len(str(2**63)):
            raise BadArchive("PAX_SIZE", f"{shown(name)!r} has a size that is no number.")
        if self._left != int(size) and (self._left or int(size) < _TOO_LARGE_FOR_OCTAL):
            # Two sizes, two readings: CVE-2025-62518.
            raise BadArchive("PAX_SIZE", f"{shown(name)!r} has two sizes.")
        self._left, self._padding = int(size), -int(size) % BLOCK

    def _believe(self, size: int) -> None:
        """Refuse a member that is longer than all may be, once so much of it has come that it is no lie."""
        if size > self._limits.expanded_bytes:
            self._pieces.skip(self._limits.ratio_from_bytes)
            raise BadArchive("BOMB_SIZE", f"A member alone is longer than {self._limits.expanded_bytes} bytes.")


def _header(block: bytes) -> _Header:
    name, mode, uid, gid, size, mtime, check, kind, target, magic, major, minor, prefix = _FIELDS.unpack(block)
    # The sum is of the block with its own field blank.
    wrong = _number(check) - (sum(block) - sum(block[_SUM]) + _BLANK_SUM)
    # Some writers' characters have a sign: each that is not ASCII counts 256 less.
    if wrong and wrong != -256 * sum(byte > _ASCII for byte in block[: _SUM.start] + block[_SUM.stop :]):
        raise BadArchive("CORRUPT", "A header block's check sum is wrong.")
    for number in (uid, gid, major, minor):
        # Not ours to judge; but where Python's tarfile finds letters, it takes the archive to be over.
        _number(number, is_signed=True)
    name = _alone(name)
    if prefix[0]:
        name = _prefixed(name, prefix, magic)
    moment = _number(mtime, is_signed=True)
    return _Header(name, _number(mode), _number(size), moment, kind, _alone(target))


def _prefixed(name: bytes, prefix: bytes, magic: bytes) -> bytes:
    if magic.startswith(_USTAR):
        return b"/".join(filter(None, [_until_nul(prefix), name]))
    if magic != _GNU or not _GNU_TIMES.match(prefix):
        # Some readers take it for the prefix of a name whatever the magic is.
        raise BadArchive("PATH", f"{shown(pax.text(name))!r} has something where other formats have more of its name.")
    return name


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _alone(field: bytes) -> bytes:
    """Return a name, after which its field holds nothing."""
    name, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise BadArchive("PATH_CTRL", f"{shown(field)!r} holds a NUL, and something behind it.")
    return name


def _short(name: bytes, *, is_all: bool) -> str:
    """Return a plain header's name as text; where an extended one says it all, this may end inside a character."""
    try:
        return pax.text(name) if is_all else codecs.utf_8_decode(name, "strict", False)[0]
    except UnicodeDecodeError:
        return pax.text(name)


def _number(field: bytes, *, is_signed: bool = False) -> int:
    """Octal digits that end in spaces or NULs, or GNU's base-256 for what is larger, or less than nothing."""
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if digits.isdigit() and field[0]:  # behind a NUL at the beginning some readers see nothing, others a number
        try:
            return int(digits, 8)
        except ValueError:
            pass
    elif field[0] == _BASE_256:
        return int.from_bytes(field[1:], "big")
    elif field[0] == _BASE_256_NEGATIVE and is_signed:
        return int.from_bytes(field, "big", signed=True)
    raise BadArchive("CORRUPT", "A number in a header block is not octal.")


_BASE_256, _BASE_256_NEGATIVE = 0x80, 0xFF
