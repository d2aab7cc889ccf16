"""The CDN between readers and the store: two ports, one to make it forget, one to read as readers do.

Without a CDN there is neither.  What the CDN keeps by itself: an object as long as its
Cache-Control says, and for a few seconds that a URL is missing (docs/cdn.md).
"""

from collections.abc import Collection
from typing import Protocol


class Purges(Protocol):
    """Makes the CDN forget.  Done is what the CDN has confirmed; again is never wrong.

    A purge is hard: nobody is sent the old object any more, not even if the store is down.  Only what a
    reader has asked for while it ran may be kept once more in its old state, so purge indexes
    again after a few seconds.

    Each method answers within seconds (so give it what a release changes, not the whole tree), or raises
    CdnUnavailable, whose `retry_after_s` is what the CDN asks for.  Then some of it may be purged, and all of it
    is to be purged again.
    """

    def purge_keys(self, keys: Collection[str]) -> None:
        """Forget all objects with one of these surrogate *keys*, the words of `paths.headers(...).surrogate_keys`."""
        ...

    def purge_paths(self, keys: Collection[str]) -> None:
        """Forget what the URLs of these store *keys* have answered, be it that they are missing.

        A missing object has no surrogate key, so this alone makes a new one readable where somebody has asked
        too early.  The key of a directory's index stands for the directory's URL as well.
        """
        ...


class Front(Protocol):
    """Reads the tree as readers do, through the CDN.  Raises CdnUnavailable, also if the store behind is down."""

    def digest(self, key: str) -> tuple[int, str] | None:
        """Read the object whole, a piece at a time; return its size in bytes and its SHA-256, None if it is missing."""
        ...

    def read(self, key: str) -> bytes | None:
        """Return a small object, None if it is missing."""
        ...
