"""Reads back through the CDN what readers get there: no redirect, cookie or proxy, nothing compressed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from release_service import paths
from release_service.cdn.conversation import Answer, conversation
from release_service.errors import CdnUnavailable

_OK = 200
_MISSING = 404
_IDLE_S = 10.0
_DOCUMENT_WITHIN_S = 30.0
_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
# The longest tarball, at 1 MiB a second.
_FILE_WITHIN_S = 1200.0


class Front:
    """The tree at *cdn_url*."""

    def __init__(self, cdn_url: str) -> None:
        """Ask at *cdn_url*, without its last slash."""
        self._cdn_url = cdn_url

    def digest(self, key: str) -> tuple[int, str] | None:
        """Read the object whole; return its size in bytes and its SHA-256, None if it is missing."""
        with self._get(key, within_s=_FILE_WITHIN_S) as answer:
            if answer is None:
                return None
            size, sha256 = 0, hashlib.sha256()
            for piece in answer.pieces():
                size += len(piece)
                sha256.update(piece)
            return size, sha256.hexdigest()

    def read(self, key: str) -> bytes | None:
        """Return an object of at most 16 MiB, None if it is missing."""
        with self._get(key, within_s=_DOCUMENT_WITHIN_S) as answer:
            return answer.body(_MAX_DOCUMENT_BYTES) if answer else None

    @contextmanager
    def _get(self, key: str, *, within_s: float) -> Iterator[Answer | None]:
        url = paths.public_url(self._cdn_url, key)
        with conversation(idle_s=_IDLE_S, within_s=within_s) as cdn, cdn.ask("GET", url) as answer:
            if answer.status not in {_OK, _MISSING}:
                raise CdnUnavailable(f"The CDN answers {answer.status} for {url}")
            yield answer if answer.status == _OK else None
