"""Where an old tree is read from.  A port with two kinds, `directory` and `website`; neither writes anything."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from release_service.importing.problems import Kind, Problem

# Every link carries these unchanged, every file system has them, and no tool takes them for options or hides them.
_PART = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9+._~-]*")
_LONGEST_PATH, _LONGEST_PART = 400, 255


class Unreadable(Exception):
    """A file of the old tree cannot be read; the others may."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of a file without reading it: `size` in bytes (None: nothing), and when it was changed, if known.

    The moment is in UTC and has whole seconds, as Last-Modified has.
    """

    size: int | None
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a module, by their paths below its directory, in order; what is not among them is a problem."""

    paths: Sequence[str]
    problems: Sequence[Problem] = field(default_factory=tuple)


class Source(Protocol):
    """What both kinds promise.  All may raise SourceUnavailable; a module's name is a directory below /sources/."""

    # What release.json may tell of it: no path of this machine, no password.
    origin: str

    def modules(self) -> tuple[Sequence[str], Sequence[Problem]]:
        """Return the modules in order, and what lies beside them."""
        ...

    def listing(self, module: str) -> Listing:
        """Return the files of *module*."""
        ...

    def stat(self, module: str, path: str) -> Stat:
        """Return what is known of a file.  Raises Unreadable."""
        ...

    def read(self, module: str, path: str) -> AbstractContextManager[tuple[Stat, Iterator[bytes]]]:
        """Open a file: its bytes come piece by piece, and all of them, or Unreadable is raised."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def is_plain(path: str) -> bool:
    """Say whether *path*, below a module, can be a key of the store, a URL and a file name alike."""
    parts = path.split("/")
    return len(path) <= _LONGEST_PATH and all(len(part) <= _LONGEST_PART and _PART.fullmatch(part) for part in parts)


def sorted_out(module: str, found: Sequence[str], problems: Sequence[Problem]) -> Listing:
    """Return *found* without the names that nobody can serve, which are problems like *problems*."""
    strange = [Problem(Kind.STRANGE_NAME, f"{module}/{path}") for path in found if not is_plain(path)]
    folded: dict[str, str] = {}
    twins = [
        Problem(Kind.CASE_TWIN, f"{module}/{path}", f"beside {first}")
        for path in sorted(found)
        if (first := folded.setdefault(path.lower(), path)) != path
    ]
    return Listing(sorted(path for path in found if is_plain(path)), (*problems, *strange, *twins))
