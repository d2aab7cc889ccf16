"""One file of an old tree: read once, held against its checksums, and given to whoever keeps it."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from release_service import paths
from release_service.errors import AlreadyStored
from release_service.importing import sums
from release_service.importing.problems import Kind, Problem
from release_service.importing.source import Source, Stat, Unreadable
from release_service.importing.sums import Claim, Claims
from release_service.receive import outages, private_file
from release_service.store import ReleaseStore
from release_service.store import Source as Received


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was read whole, in a private file without a name."""

    file: BinaryIO
    size: int
    sha256: str
    modified: datetime | None


# Takes the bytes of a file for good: for the store, or for nobody.  (Raises: AlreadyStored.)
Keep = Callable[[str, Fetched], None]


def keep_in(store: ReleaseStore) -> Keep:
    """Return what puts files into *store*, write-once."""

    def keep(key: str, fetched: Fetched) -> None:
        with store.stage(key, Received(fetched.file, fetched.size, fetched.sha256)) as staged:
            staged.add()

    return keep


def keep_nothing(_key: str, _fetched: Fetched) -> None:
    """Keep nothing: what a report needs."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files of *module*; `staging` is where they are while they are looked at."""

    source: Source
    module: str
    staging: Path

    @contextlib.contextmanager
    def fetched(self, path: str, claims: Sequence[Claim]) -> Iterator[Fetched]:
        """Yield the file, if it is as all *claims* say; raises Unreadable, Mismatch."""
        digests = {"sha256": hashlib.sha256()} | {
            claim.algorithm: hashlib.new(claim.algorithm, usedforsecurity=False) for claim in claims
        }
        with private_file(self.staging) as file:
            with self.source.read(self.module, path) as (stat, pieces):
                size = 0
                for piece in pieces:
                    size += len(piece)
                    left = memoryview(piece)
                    while left:
                        with outages():
                            left = left[file.write(left) :]
                    for digest in digests.values():
                        digest.update(piece)
            for claim in sorted(claims, key=lambda claim: claim.algorithm, reverse=True):  # SHA-256 first
                if digests[claim.algorithm].hexdigest() != claim.digest:
                    found = digests[claim.algorithm].hexdigest()
                    raise Mismatch(f"{claim.by} says {claim.algorithm} {claim.digest}, it has {found}")
            _date(file, stat)
            yield Fetched(file, size, digests["sha256"].hexdigest(), stat.modified)

    def sums(self, path: str, there: Collection[str]) -> tuple[Claims, list[Problem]]:
        """Read a checksum file; return what it says of which file, and what is wrong with it."""
        try:
            return sums.read(self.module, path, self.small(path, sums.LONGEST_BYTES), there)
        except Unreadable:
            return {}, []  # it is named when it is imported

    def small(self, path: str, longest_bytes: int) -> bytes:
        """Return a small file, or the beginning of a longer one.  (Raises: Unreadable.)"""
        content = b""
        with self.source.read(self.module, path) as (_, pieces):
            for piece in pieces:
                content += piece
                if len(content) > longest_bytes:
                    break
        return content

    def unchanged(self, path: str, known: Stat) -> bool:
        """Say whether the file looks as it did when it was imported: by size and date, as rsync has it."""
        try:
            now = self.source.stat(self.module, path)
        except Unreadable:
            return False
        return now.size in {None, known.size} and now.modified in {None, known.modified}

    def problem(self, kind: Kind, path: str, detail: object = "") -> Problem:
        """Return a problem with a file of the module."""
        return Problem(kind, f"{self.module}/{path}", str(detail))


class Mismatch(Exception):
    """A file is not as its published checksum says."""


def _date(file: BinaryIO, stat: Stat) -> None:
    """Let the file be as old as it was: where the store is a directory, mirrors see that date."""
    if stat.modified is not None:
        at = int(stat.modified.timestamp())
        with outages():
            os.utime(file.fileno(), (at, at))


def brought(reader: Reader, path: str, claims: Claims, keep: Keep) -> "Fetched | Problem":
    """Read, judge and keep a file; return what it was, its bytes being gone, or what is wrong with it."""
    try:
        with reader.fetched(path, claims.get(path, ())) as fetched:
            keep(paths.module_key(reader.module, path), fetched)
            return fetched
    except Unreadable as why:
        return reader.problem(Kind.UNREADABLE, path, why)
    except Mismatch as why:
        return reader.problem(Kind.MISMATCH, path, why)
    except AlreadyStored as why:
        return reader.problem(Kind.STORED_DIFFERENTLY, path, why.detail)
