"""Keeps what was promised in the commit of a release, a signature, a key or a right.

Who makes a promise tries first (`keep`); what it leaves open, and what has to wait, a worker takes (`keep_one`).
The order, of one module's promises::

    index    the CDN forgets that the new files are missing, whoever's, then the indexes are written, cache.json last
    purge    the CDN forgets the old indexes; again a few seconds later, for what was on its way to it
    visible  index and files are read through the CDN, as readers do; mail waits for this

Each may be kept twice, by two at once too: indexes are made from the rows as they are, under a condition.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from release_service import beside, checksum, documents, paths, quarantine
from release_service.cdn import Front, Purges
from release_service.db import Transactions, follow_ups, releases, signatures
from release_service.db.follow_ups import ARCHIVE_INDEX, INDEX, PURGE, PURGE_AGAIN, QUARANTINE, VISIBLE
from release_service.db.tables import FollowUp, Release
from release_service.errors import CdnUnavailable
from release_service.index import cache_json
from release_service.index import write as index
from release_service.store import ReleaseStore
from release_service.tarball import TarballName

log = structlog.get_logger()

# What was on its way to the CDN, or between two of its layers, when it was purged, has arrived by then.
_AGAIN = timedelta(seconds=5)
# The CDN believes for seconds that a file is missing; clocks of replicas may differ by as many.
_NEW = timedelta(minutes=1)
_INDEXES = {INDEX, ARCHIVE_INDEX}


class NotYet(Exception):
    """It is nobody's fault, and has to be looked at again."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """What keeping promises needs.

    Without `purges` nothing stands before the store that could be out of date; without `front` a release is visible
    when its indexes are written.  `missing_ttl_s`: how long the CDN believes that a file is missing.
    """

    transactions: Transactions
    store: ReleaseStore
    purges: Purges | None
    front: Front | None
    missing_ttl_s: float
    cooling: timedelta
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep


def keep(keeper: Keeper, module_id: int) -> None:
    """Write the indexes that are promised for the module, and purge them; a CDN that is down is left to the worker.

    (Raises: StoreUnavailable, DatabaseUnavailable, IndexWouldShrink; everything is kept by whoever tries next.)
    """
    with keeper.transactions.read() as session:
        promised = [one for one in follow_ups.open_of(session, module_id) if one.kind in _INDEXES]
    if promised:
        _write_indexes(keeper, promised)
    with keeper.transactions.read() as session:
        then = [one for one in follow_ups.open_of(session, module_id) if one.kind in {PURGE, QUARANTINE}]
    try:
        for one in then:
            keep_one(keeper, one)
    except CdnUnavailable as outage:
        log.warning("purge_put_off", detail=outage.detail)


def keep_one(keeper: Keeper, promised: FollowUp) -> None:
    """Keep the promise, and what is kept with it.

    (Raises: Unavailable; NotYet.)
    """
    with keeper.transactions.read() as session:
        open_ = follow_ups.open_of(session, promised.module_id)
    this = [one for one in open_ if one.id == promised.id]
    if promised.kind in _INDEXES:
        _write_indexes(keeper, [one for one in open_ if one.kind in _INDEXES])
        return
    for one in this:
        if one.kind in {PURGE, PURGE_AGAIN}:
            _purge(keeper, one.release)
        elif one.kind == VISIBLE:
            _look(keeper, one.release)
        elif one.kind == QUARANTINE:
            _withdraw(keeper, one.release)
    with keeper.transactions.begin() as session:
        if follow_ups.keep(session, this, keeper.now()) and promised.kind == QUARANTINE:
            _promise_purges(keeper, session, [one.release for one in this])
        if promised.kind == VISIBLE:
            follow_ups.visible(session, promised.release_id, keeper.now())


def _write_indexes(keeper: Keeper, promised: Sequence[FollowUp]) -> None:
    """Write each index once, however often it was promised, and promise what follows from that."""
    of_modules = [one.release for one in promised if one.kind == INDEX]
    for release in {one.id: one for one in of_modules}.values():
        if documents.told_later(release):
            beside.tell(keeper.store, keeper.transactions, releases.tarball_name(release))
    by_pages = {_pages(release): release for release in of_modules}
    for release in by_pages.values():
        name = releases.tarball_name(release)
        moment = keeper.now(), keeper.cooling
        index.write_module(keeper.store, keeper.transactions, name, *moment, let_be_found=finder(keeper))
    if any(one.kind == ARCHIVE_INDEX for one in promised):
        index.write_archive(keeper.store, keeper.transactions)
    with keeper.transactions.begin() as session:
        if follow_ups.keep(session, promised, keeper.now()):
            _promise_purges(keeper, session, by_pages.values())
            _promise_looks(keeper, session, {one.id: one for one in of_modules}.values())


def _pages(release: Release) -> tuple[str, str]:
    """Return what has a release's pages in common with another's: its series, but for an old tree's scattered files."""
    return releases.tarball_name(release).series, release.version if releases.is_imported(release) else ""


def _promise_purges(keeper: Keeper, session: Session, written: Iterable[Release]) -> None:
    """Promise what has to follow now that the indexes which name *written* are written: one of each series."""
    for release in written if keeper.purges is not None else ():
        follow_ups.promise_later(session, release, PURGE, keeper.now())
        follow_ups.promise_later(session, release, PURGE_AGAIN, keeper.now(), after=_AGAIN)


def _promise_looks(keeper: Keeper, session: Session, written: Iterable[Release]) -> None:
    """Promise to look whether readers have what nobody has seen yet; without a CDN they have it now."""
    for release in written:
        if release.visible_at is None and keeper.front is not None:
            follow_ups.promise_later(session, release, VISIBLE, keeper.now())
        elif release.visible_at is None:
            follow_ups.visible(session, release.id, keeper.now())


def finder(keeper: Keeper) -> Callable[[Iterable[Release]], None]:
    """Return what lets each release be found, once, before it is named."""
    found: set[int] = set()

    def let_be_found(named: Iterable[Release]) -> None:
        for release in named:
            if release.id not in found:
                _let_be_found(keeper, release)
                found.add(release.id)

    return let_be_found


def _let_be_found(keeper: Keeper, release: Release) -> None:
    """Let the CDN forget that new files of the release are missing, before an index names them (invariant I1).

    They are in the store since before they were published: so if it cannot be told, it is waited until it has
    forgotten by itself.
    """
    new, since = _new_files(release, keeper.now())
    if keeper.purges is None or since is None:
        return
    try:
        keeper.purges.purge_paths(sorted(new))
    except CdnUnavailable as outage:
        log.warning("missing_files_not_purged", detail=outage.detail)
        passed = (keeper.now() - since).total_seconds()
        keeper.sleep(min(max(keeper.missing_ttl_s - passed, 0), keeper.missing_ttl_s))


def _new_files(release: Release, now: datetime) -> tuple[set[str], datetime | None]:
    """Return the files that readers may have asked for too early, and since when they are public: all, or a signature.

    A signature that was added to a visible release is new for a while, too.
    """
    if release.quarantined_at is not None:
        return set(), None
    if release.visible_at is None:
        return documents.keys(release), release.published_at
    signature = signatures.published(release)
    if signature is None or signature.published_at is None or now - signature.published_at > _NEW:
        return set(), None
    name = releases.tarball_name(release)
    return {paths.release_key(name, paths.signature_ext(name))}, signature.published_at


def _purge(keeper: Keeper, release: Release) -> None:
    """Let the CDN forget what the index of *release*'s module said; by URL, too: what was missing has no key."""
    if keeper.purges is None:
        return
    name = releases.tarball_name(release)
    keeper.purges.purge_keys([paths.index_surrogate_key(name.module), paths.ARCHIVE_INDEX])
    withdrawn = quarantine.files(release) if release.quarantined_at is not None else []
    keeper.purges.purge_paths([*_indexes(name), *withdrawn])


def _withdraw(keeper: Keeper, release: Release) -> None:
    """Take a quarantined release's files from readers, once no index names them, also none that the CDN has kept."""
    name = releases.tarball_name(release)
    beside.tell(keeper.store, keeper.transactions, name)
    moment = keeper.now(), keeper.cooling
    index.write_module(keeper.store, keeper.transactions, name, *moment, let_be_found=finder(keeper))
    _purge(keeper, release)
    quarantine.remove_files(keeper.store, release)
    _purge(keeper, release)


def _indexes(name: TarballName) -> list[str]:
    series, module = paths.series_directory(name.module, name.series), paths.module_directory(name.module)
    pages = [paths.index_key(directory) for directory in (series, module, paths.SOURCES)]
    return [paths.cache_key(name.module), paths.keyring_key(name.module), paths.latest_key(name), *pages]


def _look(keeper: Keeper, release: Release) -> None:
    """Read the release as readers do: its index names it, and each file has the right bytes.  (Raises: NotYet.)"""
    if keeper.front is None:
        return
    with keeper.transactions.read() as session:
        release = releases.held(session, releases.tarball_name(release))
    if release.quarantined_at is not None:
        return
    name = releases.tarball_name(release)
    expected = {key: checksum.digest(data) for step in documents.beside(release) for key, data in step.items()}
    for key, sha256 in [*expected.items(), (paths.tarball_key(name), release.sha256)]:
        seen = keeper.front.digest(key)
        if seen is None or seen[1] != sha256:
            raise NotYet(f"Readers are given {'nothing' if seen is None else 'other bytes'} for {key}.")
    if release.yanked_at is not None:
        return
    cache = keeper.front.read(paths.cache_key(name.module))
    if cache is None or release.version not in cache_json.versions(name.module, cache):
        raise NotYet(f"The index of {name.module} that readers are given does not name {release.version} yet.")
