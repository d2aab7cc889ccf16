"""The releases: tarballs by size and SHA-256, what stands beside them byte for byte; of quarantined ones nothing is."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from release_service import documents, paths
from release_service.db import Transactions, releases
from release_service.db.releases import Place
from release_service.db.tables import Release
from release_service.errors import NotFound, shown
from release_service.store import ReleaseStore
from release_service.verify.findings import (
    BEGINNING,
    LOOKS,
    Content,
    Expected,
    Finding,
    Kind,
    Scope,
    Verified,
    compare,
    is_promised,
    size,
    together,
)

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
    theirs = pages(transactions, scope, after)
    yield from together(jobs, (partial(_verify, transactions, store, release) for release in theirs))


def pages(transactions: Transactions, scope: Scope, after: Place = BEGINNING) -> Iterator[Release]:
    """Yield the published releases above *after* with all that `documents` needs; a page of them is in memory."""
    while True:
        with transactions.read() as session:
            page = releases.page(session, scope.module, scope.version, after, _PAGE)
        if not page:
            return
        yield from page
        after = _place(page[-1])


def _place(release: Release) -> Place:
    return release.module_id, release.version


def look_again(
    transactions: Transactions, store: ReleaseStore, release: Release, keys: Collection[str]
) -> Sequence[Finding]:
    """Verify of *release* what is under *keys*, or should be: the bytes themselves, and its row as it is by then."""
    return _verify(transactions, store, release, keys).findings


def _verify(
    transactions: Transactions, store: ReleaseStore, release: Release, keys: Collection[str] | None = None
) -> Verified:
    name = releases.tarball_name(release)
    tarball = paths.tarball_key(name)

    received = {tarball, *_imported(release)}

    def look(release: Release) -> list[Finding]:
        asked = [_only(keys, expected) for expected in alternatives]
        found = compare(store, asked, lambda key: Kind.WRONG_BYTES if key in received else Kind.WRONG_CONTENT)
        if release.quarantined_at is not None:
            return [replace(one, kind=Kind.QUARANTINED) if one.kind is Kind.FOREIGN else one for one in found]
        return found

    alternatives = [_expected(release)]
    findings = look(release)
    for _ in range(LOOKS - 1):
        if not findings:
            break
        # A signature may have come since its row was read; release.json tells of it when the promise is kept.
        with transactions.read() as session:
            now = releases.find(session, name) or release
            is_open = is_promised(session, name.module)
        alternatives = [_expected(now), *([_untold(now)] if is_open and documents.told_later(now) else [])]
        findings = [one for one in look(now) if not (is_open and _is_to_come(now, one))]
    objects = len([content for content in alternatives[0].values() if content])
    return Verified(objects, size(alternatives[0]), findings, _place(release), name.release)


def _is_to_come(release: Release, finding: Finding) -> bool:
    """Say whether a promise that is open mends it: a yank or quarantine, or the undoing of one, that is just made."""
    changes = release.yank_reason, release.quarantine_reason
    is_told = finding.key.endswith(paths.RELEASE_JSON) and any(reason is not None for reason in changes)
    return finding.kind is Kind.QUARANTINED or (is_told and finding.kind is Kind.WRONG_CONTENT)


def _untold(release: Release) -> Expected:
    """Return what may be there until release.json tells of the signature, and of the day of publication."""
    told = _expected(release)
    release.signature, release.published_at = None, None
    return {**told, **_expected(release)}


def _only(keys: Collection[str] | None, expected: Expected) -> Expected:
    return expected if keys is None else {key: content for key, content in expected.items() if key in keys}


def _expected(release: Release) -> Expected:
    """Return what should be there: of a quarantined release, what it was, and nothing that it had."""
    if release.quarantined_at is not None:
        told = paths.release_json_key(releases.tarball_name(release))
        return {**dict.fromkeys(documents.keys(release)), told: Content.of(documents.release_json(release))}
    tarball = paths.tarball_key(releases.tarball_name(release))
    expected: dict[str, Content | None] = {tarball: Content(release.size, release.sha256)}
    expected |= _imported(release)
    for step in documents.beside(release):
        expected |= {key: Content.of(document) for key, document in step.items()}
    return expected


def _imported(release: Release) -> Expected:
    """Return what an old tree has brought beside the tarball."""
    module = release.module.name
    return {paths.module_key(module, file.path): Content(file.size, file.sha256) for file in release.imported}
