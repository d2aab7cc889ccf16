"""A CDN in memory: it keeps what it was given as long as Cache-Control says, and that a URL is missing for 5 s."""

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import lru_cache

from crash.store_model import ModelStore, sha256_of
from release_service import paths

MISSING_TTL_S = 5
_MAX_AGE = re.compile(r"max-age=(\d+)")


@lru_cache(4096)
def _headers(key: str) -> tuple[timedelta, frozenset[str]]:
    headers = paths.headers(key)
    found = _MAX_AGE.search(headers.cache_control)
    return timedelta(seconds=int(found[1]) if found else 0), frozenset(headers.surrogate_keys.split())


class ModelCdn:
    """What readers of the CDN are given; `origin` is the store itself, whatever fails between the service and it."""

    def __init__(self, origin: ModelStore, now: Callable[[], datetime]) -> None:
        self.origin, self._now = origin, now
        self.kept: dict[str, tuple[bytes | None, datetime]] = {}

    def read(self, key: str) -> bytes | None:
        now, there = self._now(), self.kept.get(key)
        if there is not None and now < there[1]:
            return there[0]
        content = self.origin.objects.get(key)
        keeps = timedelta(seconds=MISSING_TTL_S) if content is None else _headers(key)[0]
        self.kept[key] = content, now + keeps
        return content

    def digest(self, key: str) -> tuple[int, str] | None:
        content = self.read(key)
        return None if content is None else (len(content), sha256_of(content))

    def purge_keys(self, keys: Collection[str]) -> None:
        """Forget objects by surrogate key; what is missing has none."""
        for key, (content, _) in list(self.kept.items()):
            if content is not None and not _headers(key)[1].isdisjoint(keys):
                del self.kept[key]

    def purge_paths(self, keys: Collection[str]) -> None:
        for key in keys:
            self.kept.pop(key, None)
