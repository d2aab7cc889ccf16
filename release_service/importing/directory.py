"""An old tree in a directory, as rsync has copied it.  It is only read, and no link leads out of it."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from release_service.errors import SourceUnavailable
from release_service.importing.problems import Kind, Problem
from release_service.importing.source import Listing, Stat, Unreadable, sorted_out
from release_service.paths import SOURCES

_PIECE_BYTES = 1024 * 1024


class Directory:
    """The tree below *root*, which has the directory ``sources``.  (See Source.)"""

    origin = "directory"

    def __init__(self, root: Path) -> None:
        """Raise SourceUnavailable if there is no tree."""
        self._sources = root.resolve() / SOURCES
        if not self._sources.is_dir():
            raise SourceUnavailable(f"There is no directory {SOURCES} in {root}.")

    def modules(self) -> tuple[Sequence[str], Sequence[Problem]]:
        """List the directories right below sources, and name what else is there, or beside it.  (See Source.)"""
        modules, outside = [], []
        for entry in _scan(self._sources):
            if entry.is_dir(follow_symlinks=False):
                modules.append(entry.name)
            elif entry.is_symlink() and entry.is_dir():
                outside.append(Problem(Kind.LINKED_DIRECTORY, entry.name, str(Path(entry.path).readlink())))
            elif entry.name not in {"index.html", "robots.txt"}:
                outside.append(Problem(Kind.OUTSIDE, entry.name))
        outside += [
            Problem(Kind.OUTSIDE, f"../{entry.name}") for entry in _scan(self._sources.parent) if entry.name != SOURCES
        ]
        return modules, outside

    def listing(self, module: str) -> Listing:
        """Walk the module's directory.  (See Source.)"""
        found: list[str] = []
        problems: list[Problem] = []
        self._walk(module, "", found, problems)
        return sorted_out(module, found, problems)

    def stat(self, module: str, path: str) -> Stat:
        """Ask the file system.  (See Source.)"""
        try:
            return _stat(os.stat(self._sources / module / path))  # noqa: PTH116 - one of Path's would do no more
        except OSError as error:
            raise Unreadable(error.strerror) from error

    @contextlib.contextmanager
    def read(self, module: str, path: str) -> Iterator[tuple[Stat, Iterator[bytes]]]:
        """Open the file, if it is one.  (See Source.)"""
        try:
            # Not to wait for whoever would write into a pipe of that name.
            fd = os.open(self._sources / module / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(error.strerror) from error
        with open(fd, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
            there = os.fstat(fd)
            if not stat.S_ISREG(there.st_mode):
                raise Unreadable("it is not a file")
            yield _stat(there), _pieces(file.read, there.st_size)

    def close(self) -> None:
        """Let go of nothing."""

    def _walk(self, module: str, below: str, found: list[str], problems: list[Problem]) -> None:
        try:
            entries = _scan(self._sources / module / below)
        except SourceUnavailable as error:
            problems.append(Problem(Kind.UNREADABLE, f"{module}/{below}", error.detail))
            return
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_symlink() and not _is_latest(entry.name):
                self._follow(module, path, found, problems)
            elif entry.is_dir(follow_symlinks=False):
                self._walk(module, path, found, problems)
            else:
                found.append(path)

    def _follow(self, module: str, path: str, found: list[str], problems: list[Problem]) -> None:
        """Take a link to a file of the same tree for that file."""
        link = self._sources / module / path
        target = os.path.realpath(link)
        if not Path(target).is_relative_to(self._sources) or not os.path.lexists(target):
            problems.append(Problem(Kind.LEAVES_THE_TREE, f"{module}/{path}", str(link.readlink())))
        elif os.path.isdir(target):  # noqa: PTH112 - a plain string
            problems.append(Problem(Kind.LINKED_DIRECTORY, f"{module}/{path}", str(link.readlink())))
        else:
            found.append(path)


def _is_latest(name: str) -> bool:
    """Say whether it is a LATEST-IS, of which nothing but the name counts."""
    return name.startswith("LATEST-IS-")


def _scan(directory: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceUnavailable(f"{directory.name} cannot be listed: {error.strerror}.") from error


def _stat(found: os.stat_result) -> Stat:
    return Stat(found.st_size, datetime.fromtimestamp(int(found.st_mtime), UTC))


def _pieces(read: Callable[[int], bytes | None], size: int) -> Iterator[bytes]:
    left = size
    try:
        while piece := read(_PIECE_BYTES):
            left -= len(piece)
            yield piece
    except OSError as error:
        raise Unreadable(error.strerror) from error
    if left:
        raise Unreadable("it changed while it was read")
