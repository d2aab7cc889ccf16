"""Every index anew from the rows, by the writer that publication uses; what is right already is not written again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from release_service import beside, documents, paths
from release_service.db import claims, imported, releases, signing_keys
from release_service.db.tables import Release
from release_service.errors import AlreadyStored, IndexWouldShrink, NotFound, shown
from release_service.index import cache_json, tree
from release_service.index import write as index
from release_service.promises import finder
from release_service.publish import Service
from release_service.repair.listed import Listing, is_so
from release_service.repair.record import says_more
from release_service.verify import Scope
from release_service.verify.findings import together
from release_service.verify.objects import pages

ARCHIVE = "/sources/"


@dataclass(frozen=True, slots=True)
class Reindexed:
    """A module whose indexes stand: how many objects they are, and which were `written` (or removed).

    `refused`: why nothing was, which only an administrator can mend.
    """

    module: str
    objects: int
    written: Sequence[str] = ()
    refused: str = ""


def modules(service: Service, named: Sequence[str]) -> list[str]:
    """Return the modules that have published, or those that are *named*.  (Raises: NotFound.)"""
    with service.transactions.read() as session:
        known = releases.published_modules(session)
    for name in named:
        if name not in known:
            raise NotFound(f"No release of {shown(name)} is published.")
    return sorted(dict.fromkeys(named)) or sorted(known)


def reindex(service: Service, names: Sequence[str], jobs: int) -> Iterator[Reindexed]:
    """Write the indexes of the modules *names*, *jobs* at a time; then those above them."""
    yield from together(jobs, (partial(_guarded, service, name) for name in names))
    try:
        yield Reindexed(ARCHIVE, 2, index.write_archive(service.store, service.transactions))
    except IndexWouldShrink as refusal:
        yield Reindexed(ARCHIVE, 2, refused=refusal.detail)


def _guarded(service: Service, module: str) -> Reindexed:
    try:
        return of(service, module)
    except (IndexWouldShrink, AlreadyStored) as refusal:
        return Reindexed(module, 0, refused=refusal.detail)


def of(service: Service, module: str) -> Reindexed:
    """Write what is told of each release, then the indexes of *module*.  (Raises: IndexWouldShrink.)"""
    there = {stored.key: stored for stored in service.store.listing(f"{paths.module_directory(module)}/")}
    told, differ = 0, []
    for release in pages(service.transactions, Scope(module)):
        told += 1
        key = paths.release_json_key(releases.tarball_name(release))
        if not is_so(service.store, there, key, documents.release_json(release)):
            refuse_older(service, release, key)
            differ.append(release)
    refuse_hidden(service, module, there)
    written = [
        paths.release_json_key(releases.tarball_name(release))
        for release in differ
        if beside.tell(service.store, service.transactions, releases.tarball_name(release))
    ]
    now, cooling = service.now(), service.signing.cooling
    found = finder(service.keeper())
    written += index.write_all(service.store, service.transactions, module, now, cooling, let_be_found=found)
    with service.transactions.read() as session:
        snapshot = [index.indexed(row) for row in releases.published(session, module)]
        others = [index.other(row) for row in imported.others(session, module)]
        ring = signing_keys.keyring(session, module, now, cooling).encode("ascii")
    return Reindexed(module, told + len(tree.module(module, snapshot, ring, others)), written)


def refuse_older(service: Service, release: Release, key: str) -> None:
    """Hold that the release.json under *key* does not tell more than the row does.  (Raises: IndexWouldShrink.)"""
    document = service.store.read(key)
    if document is not None and says_more(key, document.content, release):
        raise IndexWouldShrink(f"{key} tells of a signature that the database does not know")


def refuse_hidden(service: Service, module: str, there: Listing) -> None:
    """Hold, where there is no index that could shrink, or a broken one, that no release.json is there without a row.

    (Raises: IndexWouldShrink.)
    """
    listed = service.store.read(paths.cache_key(module))
    if listed is not None and cache_json.versions(module, listed.content):
        return
    with service.transactions.read() as session:
        unfinished = [releases.tarball_name(claim) for claim in claims.unpublished(session, module, service.now())]
        names = [*releases.published_names(session, [module]), *unfinished]
    known = {paths.release_json_key(name) for name in names}
    unknown = [key for key in there if key.endswith(paths.RELEASE_JSON) and key not in known]
    if unknown:
        raise IndexWouldShrink(
            f"{module} has no cache.json, or a broken one, and the database does not know {min(unknown)}"
        )
