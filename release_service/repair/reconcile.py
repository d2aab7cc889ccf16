"""Database, store and index: what does not agree, found cheaply; with a `Mender` it is mended.

The cheap pass reads the store's listing, a module's directory at a time, and believes of a tarball its size, of a small
file its size and the digest that S3 lists; where none is listed the file is read.  Whatever differs is looked at again
by `verify`, whole and with the rows as they are by then: the service may publish meanwhile.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from release_service import documents, paths
from release_service.db import claims, imported, releases, signing_keys
from release_service.db.tables import Release
from release_service.errors import NotFound, StoreUnavailable, shown
from release_service.index import Indexed, tree
from release_service.index import write as index
from release_service.publish import Service
from release_service.repair.listed import Listing, directories, is_so
from release_service.repair.mending import LOST, Mender
from release_service.repair.record import Mismatch, Record, says_more
from release_service.verify import Content, Finding, Kind, Scope
from release_service.verify.findings import Verified, together
from release_service.verify.foreign import unexplained
from release_service.verify.indexes import of as verify_indexes
from release_service.verify.objects import look_again, pages

_PAGE = 1000  # keys
_ADOPTED = "reconcile --fix adopts it"
_UNDER_WAY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A directory that was looked at: how many objects it has, what was found, and what waits to be written."""

    module: str
    objects: int
    differences: Sequence["Difference"] = ()
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that does not agree; `mended`, or `why` it is left as it is."""

    finding: Finding
    is_mended: bool = False
    why: str = ""


def reconcile(service: Service, modules: Sequence[str], mender: Mender | None, jobs: int) -> Iterator[Reconciled]:
    """Compare what is there of *modules*, of everything if none is named; *jobs* modules at a time.

    (Raises: NotFound, if neither database nor store has anything of a module that is named.)
    """
    for module in modules:
        _refuse_unknown(service, module)
    above = _Above()
    yield from together(jobs, _tasks(service, modules, mender, above))
    if not modules:
        yield _others(service, above.take())
        yield _archive(service, above.indexes, mender)


def _refuse_unknown(service: Service, module: str) -> None:
    """Hold that there is something to compare: of a name that was mistyped nothing would be found, either."""
    with service.transactions.read() as session:
        is_known = bool(releases.published_names(session, [module]))
    if not is_known and next(service.store.keys(f"{paths.module_directory(module)}/"), None) is None:
        raise NotFound(f"Neither database nor store knows {shown(module)}.")


def _tasks(
    service: Service, modules: Sequence[str], mender: Mender | None, above: "_Above"
) -> Iterator[partial[Reconciled]]:
    with service.transactions.read() as session:
        expected = dict.fromkeys(modules or releases.published_modules(session))
    for module, there in directories(service.store, modules):
        if module is not None:
            expected.pop(module, None)
            yield partial(_module, service, module, there, mender)
            continue
        above.add(there)
        if len(above.others) >= _PAGE:
            yield partial(_others, service, above.take())
    # Nothing at all is there of these.
    yield from (partial(_module, service, module, {}, mender) for module in expected)


class _Above:
    """What lies in no module's directory: the indexes of the archive, and what has no business there."""

    def __init__(self) -> None:
        self.indexes: Listing = {}
        self.others: list[str] = []

    def add(self, there: Listing) -> None:
        ours = tree.archive(()).keys()
        self.indexes |= {key: stored for key, stored in there.items() if key in ours}
        self.others += [key for key in there if key not in ours]

    def take(self) -> list[str]:
        others, self.others = self.others, []
        return others


def _others(service: Service, keys: list[str]) -> Reconciled:
    return Reconciled("", len(keys), list(_ghosts(service, keys)))


def _archive(service: Service, there: Listing, mender: Mender | None) -> Reconciled:
    with service.transactions.read() as session:
        modules = releases.published_modules(session)
    expected = {key: write() for key, write in tree.archive(modules).items()}
    expected.pop(paths.ROBOTS if paths.ROBOTS in there else "", None)  # it may be an operator's
    if not modules or all(is_so(service.store, there, key, content) for key, content in expected.items()):
        return Reconciled("", len(there))
    differences, pending = _indexes(service, None, mender)
    return Reconciled("", len(there), differences, pending)


def _module(service: Service, module: str, there: Listing, mender: Mender | None) -> Reconciled:
    left = dict(there)
    differences = [
        difference
        for release in pages(service.transactions, Scope(module))
        for difference in _release(service, release, there, left, mender)
    ]
    differences += _claims(service, module, left, mender)
    differences += _unrecorded(service, there, left, mender)
    if _index_differs(service, module, there, left):
        found, pending = _indexes(service, module, mender)
        differences += found
    else:
        pending = ""
    differences += _ghosts(service, list(left))
    return Reconciled(module, len(there), differences, pending)


def _release(
    service: Service, release: Release, there: Listing, left: Listing, mender: Mender | None
) -> Iterator[Difference]:
    name = releases.tarball_name(release)
    differ = _differing(service, release, there)
    for key in documents.keys(release):
        left.pop(key, None)
    found = look_again(service.transactions, service.store, release, differ) if differ else ()
    for finding in found:
        difference = _told(service, release, finding)
        if difference.finding.kind is Kind.UNRECORDED:
            left.pop(paths.release_key(name, paths.signature_ext(name)), None)
        if mender is not None:
            why = mender.file(name, finding, there)
            difference = replace(difference, is_mended=not why, why=why)
        yield difference


def _differing(service: Service, release: Release, there: Listing) -> list[str]:
    """Return the keys of what is not listed as it should be."""
    name = releases.tarball_name(release)
    if release.quarantined_at is not None:
        told = paths.release_json_key(name)
        is_right = is_so(service.store, there, told, documents.release_json(release))
        return [*([] if is_right else [told]), *(key for key in documents.keys(release) - {told} if key in there)]
    expected = {key: content for step in documents.beside(release) for key, content in step.items()}
    differ = [key for key, content in expected.items() if not is_so(service.store, there, key, content)]
    received = {paths.tarball_key(name): release.size}
    received |= {paths.module_key(name.module, file.path): file.size for file in release.imported}
    return differ + [key for key, size in received.items() if not _has_size(there, key, size)]


def _has_size(there: Listing, key: str, size: int) -> bool:
    return key in there and there[key].size == size


def _told(service: Service, release: Release, finding: Finding) -> Difference:
    """Return the difference that *finding* is: a release.json may be newer than its row."""
    is_there = finding.kind is Kind.WRONG_CONTENT
    if is_there and finding.key == paths.release_json_key(releases.tarball_name(release)):
        document = service.store.read(finding.key)
        if document is not None and says_more(finding.key, document.content, release):
            return Difference(Finding(Kind.UNRECORDED, finding.key), why=_ADOPTED)
    return Difference(finding)


def _claims(service: Service, module: str, left: Listing, mender: Mender | None) -> Iterator[Difference]:
    """Name, or finish, the claims whose tarball is there; of the others only their client has the bytes."""
    with service.transactions.read() as session:
        unfinished = claims.unpublished(session, module, service.now() - _UNDER_WAY)
    for claim in unfinished:
        tarball = paths.tarball_key(releases.tarball_name(claim))
        if tarball in left and left[tarball].size == claim.size:
            why = mender.claim(claim) if mender else "a worker finishes it, or the same bytes sent again"
            found = Finding(Kind.UNFINISHED, tarball, Content(claim.size, claim.sha256))
            yield Difference(found, is_mended=mender is not None and not why, why=why)
        for key in documents.keys(claim):
            left.pop(key, None)


def _unrecorded(service: Service, there: Listing, left: Listing, mender: Mender | None) -> Iterator[Difference]:
    """Name, or adopt, the releases of which only the bucket tells."""
    for key in [key for key in left if key.endswith(paths.RELEASE_JSON)]:
        try:
            document = service.store.read(key)
            record = Record.parse(key, document.content if document else b"")
        except (Mismatch, StoreUnavailable):
            continue  # then it explains nothing; whether the store answers at all, the ghosts are asked for next
        with service.transactions.read() as session:
            if releases.find(session, record.name) is not None:
                continue  # claimed since it was listed, or a release of another name
        why = mender.release(key, there) if mender else _ADOPTED
        # What tells of it is no ghost, whether or not it could be adopted.
        indexed = Indexed(record.name, date.min, places={file.ext: file.path for file in record.imported})
        indexes = tree.module(record.name.module, [indexed], ring=b"a keyring")
        for its in (*record.objects, *indexes):
            left.pop(its, None)
        yield Difference(Finding(Kind.UNRECORDED, key), is_mended=not why, why=why)


def _index_differs(service: Service, module: str, there: Listing, left: Listing) -> bool:
    moment = service.moment()
    with service.transactions.read() as session:
        snapshot = [index.indexed(row) for row in releases.published(session, module)]
        ring = signing_keys.keyring(session, module, moment.now, moment.rules.cooling).encode("ascii")
        names = releases.published_names(session, [module])
        alone = imported.others(session, module)
    expected = tree.module(module, snapshot, ring, [index.other(row) for row in alone])
    has_old = any(paths.latest_key(name) in left for name in names if paths.latest_key(name) not in expected)
    has_ring = bool(snapshot) and not ring and paths.keyring_key(module) in left
    for key in [*expected, *([paths.keyring_key(module)] if has_ring else [])]:
        left.pop(key, None)
    sizes = {paths.module_key(module, row.path): row.size for row in alone}
    for key in sizes:
        left.pop(key, None)
    if not all(_has_size(there, key, size) for key, size in sizes.items()):
        return True
    return has_old or has_ring or not all(is_so(service.store, there, key, write()) for key, write in expected.items())


def _indexes(service: Service, module: str | None, mender: Mender | None) -> tuple[list[Difference], str]:
    def verified() -> Verified:
        return verify_indexes(service.transactions, service.store, module, service.moment())

    found = verified()
    if mender is None or not found.findings:
        return [Difference(finding) for finding in found.findings], found.pending
    why = mender.indexes(module, found.findings)
    still = {finding.key for finding in verified().findings}
    return [
        Difference(finding, is_mended=finding.key not in still, why=_why(finding, why) if finding.key in still else "")
        for finding in found.findings
    ], ""


def _why(finding: Finding, why: str) -> str:
    """Say why an index, or a file of an old tree that belongs to no release, is not mended."""
    return why if paths.is_mutable(finding.key) else LOST


def _ghosts(service: Service, keys: Iterable[str]) -> Iterator[Difference]:
    """Name what no row explains, and is still there; nothing of it is ever deleted here."""
    some = iter(keys)
    while page := list(itertools.islice(some, _PAGE)):
        for finding in unexplained(service.transactions, service.store, page):
            if next(iter(service.store.keys(finding.key)), None) == finding.key:
                yield Difference(finding)
