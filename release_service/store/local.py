"""The tree in a directory: the embedded default.

Files appear by link() from a nameless file, after fsync: whole or not at all, and never over
another.  The directory is one machine's; flock on a document's directory orders its writers.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from release_service import paths
from release_service.errors import AlreadyStored, Changed, OutOfSpace, StoreUnavailable
from release_service.store import Document, Source, Staged, Stored

_PIECE_BYTES = 1024 * 1024
_READABLE = 0o644
# What has a name before it is whole: a document's next content, and a copy from another volume.
_NEW_ENDS, _COPY_BEGINS = ".new", ".copy-"
_NEW = re.compile(rf"\.(.+){re.escape(_NEW_ENDS)}", re.DOTALL)
_COPY = re.compile(rf"{re.escape(_COPY_BEGINS)}[a-z0-9_]{{8}}")
_LONGEST_WRITE_S = 3600


class LocalStore:
    """Keys are paths below *root*."""

    def __init__(self, root: Path) -> None:
        """Keep the tree below *root*, which is made when the first file comes."""
        self.root = root

    @contextlib.contextmanager
    def stage(self, key: str, source: Source) -> Iterator[Staged]:
        """Write the file's bytes through to the disk meanwhile.  (See ReleaseStore.stage.)"""
        with ThreadPoolExecutor(1, thread_name_prefix="settle") as thread:
            yield _StagedFile(self, key, source, thread.submit(_settle, source.file))

    def add(self, key: str, content: bytes) -> None:
        """Write a small file once.  (See ReleaseStore.add.)"""
        with _outages():
            path = self._path(key)
            with _nameless(path.parent) as file:
                file.write(content)
                _settle(file)
                self.link(file, path, sha256=hashlib.sha256(content).hexdigest())

    def read(self, key: str) -> Document | None:
        """Return a small object.  (See ReleaseStore.read.)"""
        with _outages():
            try:
                content = (self.root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Document(content, hashlib.sha256(content).hexdigest())

    def digest(self, key: str) -> tuple[int, str] | None:
        """Read the file, return its size and SHA-256.  (See ReleaseStore.digest.)"""
        with _outages():
            try:
                with (self.root / key).open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                    return file.tell(), sha256
            except (FileNotFoundError, NotADirectoryError):
                return None

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield a file.  (See ReleaseStore.pieces.)"""
        with _outages(), (self.root / key).open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        """Write *content* over *expected*.  (See ReleaseStore.replace.)"""
        with _outages():
            path = self._path(key)
            with _locked(path.parent) as directory:
                if self.read(key) != expected:
                    raise Changed(key)
                temporary = path.parent / f".{path.name}{_NEW_ENDS}"
                temporary.unlink(missing_ok=True)  # a writer died here, holding the lock that we hold now
                with _nameless(path.parent) as file:
                    file.write(content)
                    _settle(file)
                    _name(file, temporary)
                temporary.replace(path)
                os.fsync(directory)

    def remove(self, key: str) -> None:
        """Remove a file; it does not come back after a power cut.  (See ReleaseStore.remove.)"""
        path = self.root / key
        with _outages(), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            _sync_directory(path.parent)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield keys.  (See ReleaseStore.keys.)"""
        with _outages():
            directory = self.root / prefix.rpartition("/")[0]
            found = (path.relative_to(self.root).as_posix() for path in _files(directory))
            yield from (key for key in found if key.startswith(prefix))

    def sweep(self, before: datetime) -> int:
        """Remove files that a writer was just making.  (See ReleaseStore.sweep.)"""
        swept = 0
        with _outages():
            for path in _files(self.root):
                if _is_unfinished(path.name) and path.lstat().st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)
                    swept += 1
        return swept

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Yield keys with the sizes of what they hold.  (See ReleaseStore.listing.)"""
        for key in self.keys(prefix):
            with _outages(), contextlib.suppress(FileNotFoundError):  # it may have vanished
                yield Stored(key, (self.root / key).lstat().st_size)

    def ping(self) -> None:
        """Return if the directory can be written to."""
        with _outages():
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK):
                raise StoreUnavailable(f"The directory {self.root.name} cannot be written to.")

    def close(self) -> None:
        """Let go of nothing: a directory has no connections."""

    def link(self, file: BinaryIO, path: Path, *, sha256: str) -> None:
        """Give the nameless, settled *file* its name, unless bytes of that name are there."""
        try:
            _name(file, path)
        except FileExistsError:
            with path.open("rb") as there:
                if hashlib.file_digest(there, "sha256").hexdigest() != sha256:
                    raise AlreadyStored(path.name) from None
        _sync_directory(path.parent)

    def _path(self, key: str) -> Path:
        path = self.root / key
        _make_directories(path.parent)
        return path


class _StagedFile:
    """A received file that only lacks its name."""

    def __init__(self, store: LocalStore, key: str, source: Source, settled: Future[None]) -> None:
        self._store, self._key, self._source, self._settled = store, key, source, settled

    def add(self) -> None:
        with _outages():
            # The kernel tells of a failed write once: whoever misses it here believes the next fsync.
            self._settled.result()
            path = self._store.root / self._key
            _make_directories(path.parent)
            self._store.link(self._source.file, path, sha256=self._source.sha256)


def _files(directory: Path) -> Iterator[Path]:
    """Yield the files below *directory* in the order of their keys; only one directory of each depth is in memory.

    What is neither file nor directory is yielded, too: a symbolic link is not followed.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # it may have vanished
        with os.scandir(directory) as entries:
            there = {
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in entries
                if not _is_temporary(entry)
            }
        for name in sorted(there):
            if name.endswith("/"):
                yield from _files(directory / name)
            else:
                yield directory / name


def _is_temporary(entry: "os.DirEntry[str]") -> bool:
    """Say whether a writer of ours is just making it; what a writer has left that died is a file like others."""
    if not _is_unfinished(entry.name):
        return False
    with contextlib.suppress(FileNotFoundError):
        return abs(time.time() - entry.stat(follow_symlinks=False).st_mtime) < _LONGEST_WRITE_S
    return True


def _is_unfinished(name: str) -> bool:
    new = _NEW.fullmatch(name)
    return _COPY.fullmatch(name) is not None or (new is not None and paths.is_mutable(new[1]))


@contextlib.contextmanager
def _outages() -> Iterator[None]:
    """Turn the disk's failures into our words; what is no failure of the disk passes."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfSpace("The disk that the tree is on is full.", retry_after_s=300) from error
        raise StoreUnavailable(f"The directory of the tree fails: {error.strerror}.") from error


@contextlib.contextmanager
def _nameless(directory: Path) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(dir=directory) as file:
        yield file


def _settle(file: BinaryIO) -> None:
    """Do what a file needs before it gets a name: everybody may read it, and its bytes are on the disk."""
    file.flush()
    os.fchmod(file.fileno(), _READABLE)
    os.fsync(file.fileno())


def _name(file: BinaryIO, path: Path) -> None:
    """Link the settled *file* to *path*; FileExistsError if that is taken."""
    # linkat() with AT_SYMLINK_FOLLOW is how a nameless file gets a name; a directory descriptor is what
    # makes Python call it.  link(), unlike rename(), refuses to overwrite.
    with _opened(path.parent) as directory:
        try:
            os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=directory, follow_symlinks=True)
        except OSError as error:
            # Staging is on another volume, or the file system knows no nameless files.
            if error.errno not in {errno.EXDEV, errno.ENOENT}:
                raise
            _name_a_copy(file, path)


def _name_a_copy(file: BinaryIO, path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_COPY_BEGINS, buffering=0) as copy:
        at = 0
        while piece := os.pread(file.fileno(), _PIECE_BYTES, at):
            at += copy.write(piece)
        os.fchmod(copy.fileno(), _READABLE)
        os.fsync(copy.fileno())
        os.link(copy.name, path)
        # It is as old as the file, as a link would be; not before, for it is by its age that a copy is known.
        was = os.fstat(file.fileno())
        os.utime(copy.fileno(), ns=(was.st_atime_ns, was.st_mtime_ns))


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[int]:
    with _opened(directory) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd


def _sync_directory(directory: Path) -> None:
    with _opened(directory) as fd:
        os.fsync(fd)


def _make_directories(directory: Path) -> None:
    """Make *directory* so that it outlives a power cut: each new one is synced into its parent."""
    if directory.is_dir():
        return
    _make_directories(directory.parent)
    with contextlib.suppress(FileExistsError):
        directory.mkdir()
        _sync_directory(directory.parent)
