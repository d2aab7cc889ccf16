"""A store in memory that keeps what `ReleaseStore` promises: tests/contract holds it to that like the real kinds."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from threading import Lock

from release_service.errors import AlreadyStored, Changed, StoreUnavailable
from release_service.store import Document, Source, Staged, Stored

_PIECE_BYTES = 1024 * 1024


@lru_cache(4096)
def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class ModelStore:
    """Objects by key; `version` counts changes, `staged` what is on its way."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.version = 0
        self.staged = 0
        self._lock = Lock()

    @contextmanager
    def stage(self, key: str, source: Source) -> Iterator[Staged]:
        self.staged += 1
        try:
            yield _Staged(self, key, source)
        finally:
            self.staged -= 1

    def add(self, key: str, content: bytes) -> None:
        with self._lock:
            there = self.objects.get(key)
            if there is not None and there != content:
                raise AlreadyStored(key)
            self._put(key, bytes(content))

    def read(self, key: str) -> Document | None:
        content = self.objects.get(key)
        return None if content is None else Document(content, sha256_of(content))

    def digest(self, key: str) -> tuple[int, str] | None:
        content = self.objects.get(key)
        return None if content is None else (len(content), sha256_of(content))

    def pieces(self, key: str) -> Iterator[bytes]:
        if key not in self.objects:
            raise StoreUnavailable(f"{key} is not there.")
        content = self.objects[key]
        return (content[at : at + _PIECE_BYTES] for at in range(0, len(content), _PIECE_BYTES))

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        with self._lock:
            if self.read(key) != expected:
                raise Changed(key)
            self._put(key, bytes(content))

    def remove(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            self.version += 1

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.objects if key.startswith(prefix)))

    def listing(self, prefix: str) -> Iterator[Stored]:
        return (Stored(key, len(self.objects[key])) for key in self.keys(prefix))

    def sweep(self, before: datetime) -> int:  # noqa: ARG002 - the port's
        return 0  # nothing is ever left unfinished

    def ping(self) -> None:
        """Answer."""

    def close(self) -> None:
        """Let go of nothing."""

    def _put(self, key: str, content: bytes) -> None:
        if self.objects.get(key) != content:
            self.objects[key] = content
            self.version += 1


class _Staged:
    def __init__(self, store: ModelStore, key: str, source: Source) -> None:
        self._store, self._key, self._source = store, key, source

    def add(self) -> None:
        self._store.add(self._key, os.pread(self._source.file.fileno(), self._source.size, 0))
