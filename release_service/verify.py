"""Is the store what the database says?  Reads every object again and names each difference.

Nothing is changed, and nothing is believed that the store says of an object: each is read whole.
Releases are verified in the database's order, a page at a time; foreign files are looked for in the
store's listing, a page at a time: neither a large archive nor a large tarball takes more memory.
"""

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from release_service import documents, paths
from release_service.db import Transactions, releases
from release_service.db.releases import Place
from release_service.db.tables import Release
from release_service.errors import NotFound, StoreUnavailable, shown
from release_service.store import ReleaseStore

BEGINNING: Place = (0, "")
_PAGE = 100  # releases with their texts
_LISTED = 1000  # keys
_AHEAD = 8  # releases a thread: enough that none waits while an early one has a large tarball
_SECOND_TRY_S = 1.0
# What stands behind the version in a file's name has at most so many dots: .release.json, .tar.xz.asc.
_MOST_DOTS = 3


class Kind(StrEnum):
    """What can be wrong with an object."""

    WRONG_BYTES = "wrong_bytes"
    WRONG_CONTENT = "wrong_content"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds: its size in bytes, and their SHA-256 as 64 hex letters."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as it should be; `expected` and `found` as far as they are known."""

    kind: Kind
    key: str
    expected: Content | None = None
    found: Content | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is verified: everything, the releases of a `module`, or the one of that `version`."""

    module: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        """Return it as it is typed."""
        return " ".join(filter(None, (self.module, self.version))) or "--all"


@dataclass(frozen=True, slots=True)
class Verified:
    """A release whose objects were read: how many, how many bytes, and what was found."""

    place: Place
    objects: int
    size: int
    findings: Sequence[Finding]


def count(transactions: Transactions, scope: Scope) -> int:
    """Return how many published releases *scope* has; raises NotFound if it names what is not there."""
    with transactions.read() as session:
        found = releases.count_published(session, scope.module, scope.version)
    if not found and scope.module is not None:
        raise NotFound(f"No release of {shown(str(scope))} is published.")
    return found


def published(
    transactions: Transactions, store: ReleaseStore, scope: Scope, after: Place, jobs: int
) -> Iterator[Verified]:
    """Verify the published releases above *after*, *jobs* at a time; yield them in order."""
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="verify")
    waiting: deque[Future[Verified]] = deque()
    try:
        for release in _pages(transactions, scope, after):
            waiting.append(pool.submit(_verify, store, release))
            if len(waiting) >= jobs * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def foreign(transactions: Transactions, store: ReleaseStore, scope: Scope) -> Iterator[Finding]:
    """Yield the objects that neither a row (a claim is one) nor an index explains."""
    listed = (key for key in store.keys(_prefix(transactions, scope)) if not paths.is_mutable(key))
    # A page is listed before the database is asked: whoever publishes meanwhile has claimed before storing.
    while some := list(itertools.islice(listed, _LISTED)):
        explained = _explained(transactions, some)
        yield from (Finding(Kind.FOREIGN, key) for key in some if key not in explained)


def _pages(transactions: Transactions, scope: Scope, after: Place) -> Iterator[Release]:
    while True:
        with transactions.read() as session:
            page = releases.page(session, scope.module, scope.version, after, _PAGE)
        if not page:
            return
        yield from page
        after = _place(page[-1])


def _place(release: Release) -> Place:
    return release.module_id, release.version


def _verify(store: ReleaseStore, release: Release) -> Verified:
    tarball = paths.tarball_key(releases.tarball_name(release))
    expected = {tarball: Content(release.size, release.sha256)}
    for step in documents.beside(release):
        expected |= {key: _content(document) for key, document in step.items()}
    compared = [_compare(store, key, content, is_tarball=key == tarball) for key, content in expected.items()]
    size = sum(content.size for content in expected.values())
    return Verified(_place(release), len(expected), size, [finding for finding in compared if finding])


def _content(document: bytes) -> Content:
    return Content(len(document), hashlib.sha256(document).hexdigest())


def _compare(store: ReleaseStore, key: str, expected: Content, *, is_tarball: bool) -> Finding | None:
    try:
        there = _read(store, key)
    except StoreUnavailable:
        # Is it the object alone?  A store that does not answer at all raises here.
        next(iter(store.keys(key)), None)
        return Finding(Kind.UNREADABLE, key, expected)
    if there is None:
        return Finding(Kind.MISSING, key, expected)
    found = Content(*there)
    if found == expected:
        return None
    return Finding(Kind.WRONG_BYTES if is_tarball else Kind.WRONG_CONTENT, key, expected, found)


def _read(store: ReleaseStore, key: str) -> tuple[int, str] | None:
    try:
        return store.digest(key)
    except StoreUnavailable:
        time.sleep(_SECOND_TRY_S)
        return store.digest(key)


def _prefix(transactions: Transactions, scope: Scope) -> str:
    if scope.module is None:
        return f"{paths.SOURCES}/"
    if scope.version is None:
        return f"{paths.module_directory(scope.module)}/"
    with transactions.read() as session:
        (release,) = releases.page(session, scope.module, scope.version, BEGINNING, 1)
    return paths.release_key(releases.tarball_name(release), "")


def _explained(transactions: Transactions, keys: Iterable[str]) -> set[str]:
    """Return the keys of all releases that could explain some of *keys*."""
    modules, versions = set(), set()
    for key in keys:
        _sources, module, *below = key.split("/")
        base = below[-1] if below else module
        modules.add(module)
        rest = base.removeprefix(f"{module}-")
        versions |= {rest.rsplit(".", dots)[0] for dots in range(1, _MOST_DOTS + 1)}
    with transactions.read() as session:
        rows = releases.named(session, modules, versions)
    return {key for row in rows for key in documents.keys(row)}
