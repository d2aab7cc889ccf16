"""The releases: tarballs by size and SHA-256, what stands beside them byte for byte."""

from collections.abc import Iterator
from functools import partial

from release_service import documents, paths
from release_service.db import Transactions, follow_ups, releases
from release_service.db.releases import Place
from release_service.db.tables import Release
from release_service.errors import NotFound, shown
from release_service.store import ReleaseStore
from release_service.verify.findings import LOOKS, Content, Expected, Kind, Scope, Verified, compare, size, together

_PAGE = 100  # releases with their texts


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
    pages = _pages(transactions, scope, after)
    yield from together(jobs, (partial(_verify, transactions, store, release) for release in pages))


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


def _verify(transactions: Transactions, store: ReleaseStore, release: Release) -> Verified:
    name = releases.tarball_name(release)
    tarball = paths.tarball_key(name)

    received = {tarball, *_imported(release)}

    def kind(key: str) -> Kind:
        return Kind.WRONG_BYTES if key in received else Kind.WRONG_CONTENT

    alternatives = [_expected(release)]
    findings = compare(store, alternatives, kind)
    for _ in range(LOOKS - 1):
        if not findings:
            break
        # A signature may have come since its row was read; release.json tells of it when the promise is kept.
        with transactions.read() as session:
            now = releases.find(session, name) or release
            is_promised = follow_ups.is_open(session, follow_ups.INDEX, name.module)
        alternatives = [_expected(now), *([_untold(now)] if is_promised and now.signature else [])]
        findings = compare(store, alternatives, kind)
    return Verified(len(alternatives[0]), size(alternatives[0]), findings, _place(release), name.release)


def _untold(release: Release) -> Expected:
    """Return what may be there until release.json tells of the signature."""
    signed = _expected(release)
    release.signature = None
    return {**signed, **_expected(release)}


def _expected(release: Release) -> Expected:
    expected: dict[str, Content | None] = {
        paths.tarball_key(releases.tarball_name(release)): Content(release.size, release.sha256)
    }
    expected |= _imported(release)
    for step in documents.beside(release):
        expected |= {key: Content.of(document) for key, document in step.items()}
    return expected


def _imported(release: Release) -> Expected:
    """Return what an old tree has brought beside the tarball."""
    module = release.module.name
    return {paths.module_key(module, file.path): Content(file.size, file.sha256) for file in release.imported}
