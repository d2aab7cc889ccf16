"""Write the indexes: each from the database's rows, under the condition that nobody else has.

The order is what keeps updates: first the document and its mark, then the snapshot of the rows,
then the conditional PUT.  The other order loses a release although every PUT is conditional.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from release_service import paths
from release_service.db import Transactions, imported, releases, signing_keys
from release_service.db.tables import ImportedFile, Release
from release_service.errors import IndexWouldShrink
from release_service.index import Indexed, Other, cache_json, pages
from release_service.store import ReleaseStore
from release_service.store.rewrite import rewrite
from release_service.tarball import TarballName
from release_service.version import Version

_RELEASE_JSON = "release.json"

Snapshot = Callable[[], Sequence[Indexed]]


def indexed(release: Release) -> Indexed:
    """Return what the indexes show of a published row."""
    name = releases.tarball_name(release)
    assert release.published_at is not None  # noqa: S101 - the query asks for it
    files: dict[str, int | None] = {f"tar.{name.compression}": release.size, _RELEASE_JSON: None}
    if not releases.is_imported(release):
        files["sha256sum"] = None
    files |= {file.ext: file.size for file in release.files} | {file.ext: file.size for file in release.imported}
    if release.signature is not None and release.signature.published_at is not None:
        files[paths.signature_ext(name)] = len(release.signature.text)
    return Indexed(name, release.published_at.date(), files, {file.ext: file.path for file in release.imported})


def other(row: ImportedFile) -> Other:
    """Return what the indexes show of a file that belongs to no release."""
    return Other(row.path, row.modified_at.date(), row.size)


def write_module(
    store: ReleaseStore, transactions: Transactions, name: TarballName, now: datetime, cooling: timedelta
) -> None:
    """Write the indexes that *name*'s release appears in: LATEST-IS, its series, its module, cache.json.

    Before them the module's keyring, as it is *now*: files first, indexes last.  A maintainer whom no administrator
    has named is in it when they have been one for *cooling*.

    Raises IndexWouldShrink before anything is written, if cache.json lists what the database
    does not know; StoreUnavailable, DatabaseUnavailable.
    """
    module, number = name.module, name.series

    def snapshot() -> list[Indexed]:
        with transactions.read() as session:
            return [indexed(row) for row in releases.published(session, module)]

    def others() -> list[Other]:
        with transactions.read() as session:
            return [other(row) for row in imported.others(session, module)]

    def page(directory: str, write: Callable[[Sequence[Indexed], Sequence[Other]], bytes]) -> None:
        rewrite(store, paths.index_key(directory), lambda _: write(snapshot(), others()))

    has_keyring, ring = _keyring(transactions, module, now, cooling)

    def build_cache(before: bytes | None) -> bytes:
        refuse_to_shrink(module, before, shown := snapshot())
        return cache_json.write(module, shown, others(), has_keyring=has_keyring())

    cache_key = paths.cache_key(module)
    listed = store.read(cache_key)
    build_cache(listed.content if listed else None)
    if has_keyring():
        rewrite(store, paths.keyring_key(module), lambda _: ring())
    with ThreadPoolExecutor(3) as together:
        steps = [
            together.submit(write_latest, store, module, number, snapshot),
            together.submit(page, paths.series_directory(module, number), partial(pages.series, module, number)),
            together.submit(
                page,
                paths.module_directory(module),
                lambda all_, more: pages.module(module, all_, more, has_keyring=has_keyring()),
            ),
        ]
    for step in steps:
        step.result()
    rewrite(store, cache_key, build_cache)
    if not has_keyring() and store.read(paths.keyring_key(module)) is not None:
        store.remove(paths.keyring_key(module))


def write_archive(store: ReleaseStore, transactions: Transactions) -> None:
    """Write the index of /sources/, and robots.txt where there is none."""

    def modules(_before: bytes | None) -> bytes:
        with transactions.read() as session:
            return pages.archive(releases.published_modules(session))

    if store.read(paths.ROBOTS) is None:
        rewrite(store, paths.ROBOTS, lambda _: pages.ROBOTS)
    rewrite(store, paths.index_key(paths.SOURCES), modules)


def _keyring(
    transactions: Transactions, module: str, now: datetime, cooling: timedelta
) -> tuple[Callable[[], bool], Callable[[], bytes]]:
    """Return what says whether *module* has a keyring, at the time of each call, and what says what is in it."""

    def has_keyring() -> bool:
        with transactions.read() as session:
            return bool(signing_keys.published(session, module, now, cooling))

    def ring() -> bytes:
        with transactions.read() as session:
            return signing_keys.keyring(session, module, now, cooling).encode("ascii")

    return has_keyring, ring


def refuse_to_shrink(module: str, before: bytes | None, snapshot: Sequence[Indexed]) -> None:
    """Raise IndexWouldShrink if a cache.json of *snapshot* would lack what the one *before* has."""
    known = {str(release.name.version) for release in snapshot}
    missing = set(cache_json.versions(module, before)) - known if before is not None else set()
    if missing:
        raise IndexWouldShrink(f"{module}: {', '.join(sorted(missing)[:10])} would vanish from cache.json")


def write_latest(store: ReleaseStore, module: str, number: str, snapshot: Snapshot) -> None:
    """Leave one LATEST-IS in the series, the highest: add it first, then remove the lower ones.

    Only lower ones are ever removed, and the listing is read anew after the own one was added,
    so that of two writers at once the one with the higher version prevails.
    """
    prefix = f"{paths.series_directory(module, number)}/{paths.LATEST}"
    mine = [release.name for release in snapshot() if release.name.series == number]
    latest = max(mine, key=lambda name: name.version)
    store.add(paths.latest_key(latest), pages.latest(latest))
    there = [Version(key.removeprefix(prefix)) for key in store.keys(prefix)]
    for version in sorted(there)[:-1]:
        store.remove(f"{prefix}{version}")
