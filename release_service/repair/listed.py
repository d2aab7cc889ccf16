"""What the store lists, a module's directory at a time, and whether a small document is what it should be."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator

from release_service import paths
from release_service.errors import StoreUnavailable
from release_service.store import ReleaseStore, Stored

# By its key, what the store lists of an object; of a module, that is kept in memory.
Listing = dict[str, Stored]
_PAGE = 1000  # keys that lie in no module's directory


def directories(store: ReleaseStore, modules: Iterable[str]) -> Iterator[tuple[str | None, Listing]]:
    """Yield the listing of each of *modules*, of all that there are if none is named; None: what lies above them."""
    names = list(modules)
    for name in names:
        yield name, {stored.key: stored for stored in store.listing(f"{paths.module_directory(name)}/")}
    if not names:
        for module, group in itertools.groupby(store.listing(""), key=lambda stored: _module(stored.key)):
            if module is None:
                for some in _pages(group):
                    yield None, some
            else:
                yield module, {stored.key: stored for stored in group}


def _pages(group: Iterator[Stored]) -> Iterator[Listing]:
    while some := {stored.key: stored for stored in itertools.islice(group, _PAGE)}:
        yield some


def _module(key: str) -> str | None:
    root, *below = key.split("/")
    return below[0] if root == paths.SOURCES and below[1:] else None


def is_so(store: ReleaseStore, there: Listing, key: str, content: bytes) -> bool:
    """Say whether the object under *key* is listed as one of *content*; it is read where no digest is listed.

    So a listing, a thousand objects at a time, is all that is asked of S3 if nothing is wrong.
    """
    stored = there.get(key)
    if stored is None or stored.size != len(content):
        return False
    if stored.md5 is not None:
        return stored.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
    try:
        document = store.read(key)
    except StoreUnavailable:
        return False  # whoever asks looks again, and tells an outage from a broken object
    return document is not None and document.content == content
