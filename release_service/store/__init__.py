"""The store: where the tree's bytes live.  A port with two kinds, `local` and `s3`.

A key, once written by `stage` or `add`, never yields other bytes, though it may be removed; only the
documents of `paths.is_mutable` are replaced, and only if they are still what the writer has read.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """A small object: its content, and the mark that says it is still this one."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Source:
    """A received file: `file` is read by position only; `size` in bytes; `sha256` 64 hex letters."""

    file: BinaryIO
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What a listing tells of an object: its size in bytes, and the MD5 of them where the store says that it keeps it.

    That is what the store remembers of the bytes, not the bytes: see `ReleaseStore.digest`.
    """

    key: str
    size: int
    md5: str | None = None


class Staged(Protocol):
    """Bytes on their way to a key, not readable there yet."""

    def add(self) -> None:
        """Make them readable, whole.  The same bytes again do nothing; other bytes raise AlreadyStored."""
        ...


class ReleaseStore(Protocol):
    """What both kinds promise.  Every method may raise StoreUnavailable."""

    def stage(self, key: str, source: Source) -> AbstractContextManager[Staged]:
        """Begin to bring *source* to *key*, while its archive is still being looked at.

        Nothing is readable before `Staged.add`, and nothing is left of it if the context ends
        without; leaving it part-way is not an error.
        """
        ...

    def add(self, key: str, content: bytes) -> None:
        """Write a small file once.  The same bytes again do nothing; other bytes raise AlreadyStored."""
        ...

    def read(self, key: str) -> Document | None:
        """Return a small object, None if there is none."""
        ...

    def digest(self, key: str) -> tuple[int, str] | None:
        """Read the object whole, a piece at a time; return its size in bytes and its SHA-256, None if there is none.

        Both are counted from the bytes that the store gives out now, never taken from what it says of them.
        """

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield an object of any size, piece by piece; raises StoreUnavailable if there is none."""
        ...

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        """Write *content* if *key* still holds *expected* (None: nothing); else raise Changed."""
        ...

    def remove(self, key: str) -> None:
        """Let nobody read the object any more; nothing happens if it is not there.

        Only what is mutable, a signature that nothing tells of yet, and the files of a quarantined release go.  A
        bucket with versions keeps the bytes as an old version, and takes new ones under the key: the database must not.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with *prefix*, those of a directory sorted.  It costs the memory of a page."""
        ...

    def sweep(self, before: datetime) -> int:
        """Remove what writers that died have left unfinished *before*, which was never readable; return how much."""
        ...

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Yield what every key that begins with *prefix* holds; all below one directory come one after another."""
        ...

    def ping(self) -> None:
        """Return if the store answers."""
        ...

    def close(self) -> None:
        """Let go of connections; the store is not used any more."""
        ...
