"""The indexes: cache.json, LATEST-IS, the keyrings and the HTML, as they would be written now."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy.orm import Session

from release_service import paths
from release_service.db import Transactions, follow_ups, imported, releases, signing_keys
from release_service.index import tree
from release_service.index import write as index
from release_service.signing import Moment
from release_service.store import ReleaseStore
from release_service.verify.findings import (
    LOOKS,
    Content,
    Expected,
    Kind,
    Scope,
    Verified,
    compare,
    is_promised,
    size,
    together,
)

ARCHIVE = "the archive"


def indexes(
    transactions: Transactions, store: ReleaseStore, scope: Scope, moment: Moment, jobs: int
) -> Iterator[Verified]:
    """Verify the indexes of the modules in *scope*, with --all those above them; none, if a version is asked for.

    Those that differ while a promise to write them is open are no findings: they are named as pending.
    """
    if scope.version is not None:
        return
    with transactions.read() as session:
        modules = [scope.module] if scope.module is not None else sorted(releases.published_modules(session))
    yield from together(jobs, (partial(of, transactions, store, module, moment) for module in modules))
    if scope.module is None and modules:
        yield of(transactions, store, None, moment)


def of(transactions: Transactions, store: ReleaseStore, module: str | None, moment: Moment) -> Verified:
    """Compare the indexes of *module*, or those of the archive."""
    for _ in range(LOOKS):
        alternatives = _archive(transactions, store) if module is None else _module(transactions, module, moment)
        findings = compare(store, alternatives, _kind)
        pending = ""
        if not findings:
            break
        # Asked after the objects were read: once a promise is closed all is written, and the next look sees it.
        with transactions.read() as session:
            if _is_open(session, module):
                findings, pending = [], module or ARCHIVE
                break
    objects = len([content for content in alternatives[0].values() if content])
    return Verified(objects, size(alternatives[0]), findings, pending=pending)


def _is_open(session: Session, module: str | None) -> bool:
    if module is None:
        return follow_ups.is_open(session, follow_ups.ARCHIVE_INDEX, None)
    return is_promised(session, module)


def _kind(key: str) -> Kind:
    """Say what wrong bytes under *key* are: files of an old tree that belong to no release are looked at here, too."""
    return Kind.WRONG_INDEX if paths.is_mutable(key) else Kind.WRONG_BYTES


def _archive(transactions: Transactions, store: ReleaseStore) -> list[Expected]:
    with transactions.read() as session:
        documents = tree.archive(releases.published_modules(session))
    expected = {key: Content.of(write()) for key, write in documents.items()}
    # It is written where there is none, and otherwise an operator's: only that it is there is verified.
    there = store.read(paths.ROBOTS)
    return [expected | ({paths.ROBOTS: Content.of(there.content)} if there else {})]


def _module(transactions: Transactions, module: str, moment: Moment) -> list[Expected]:
    """Return what may be there.  A keyring depends on the time: it may be the one of when it was last written."""
    with transactions.read() as session:
        snapshot = [index.indexed(row) for row in releases.published(session, module)]
        brought = imported.others(session, module)
        kept = follow_ups.last_kept(session, follow_ups.INDEX, module)
        times = [moment.now, kept.kept_at or moment.now, kept.promised_at] if kept else [moment.now]
        cooling = moment.rules.cooling
        rings = dict.fromkeys(signing_keys.keyring(session, module, at, cooling).encode("ascii") for at in times)
    others = [index.other(row) for row in brought]
    none: Expected = {
        paths.keyring_key(module): None,
        **{paths.module_key(module, row.path): Content(row.size, row.sha256) for row in brought},
    }
    return [
        {**none, **{key: Content.of(write()) for key, write in tree.module(module, snapshot, ring, others).items()}}
        for ring in rings
    ]
