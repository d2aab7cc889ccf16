"""Write the indexes: each from the database's rows, under the condition that nobody else has.

The order is what keeps updates: first the document and its mark, then the snapshot of the rows,
then the conditional PUT.  The other order loses a release although every PUT is conditional.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from release_service import paths
from release_service.db import Transactions, imported, releases, signing_keys
from release_service.db.tables import ImportedFile, Release
from release_service.errors import Changed, IndexWouldShrink, StoreUnavailable
from release_service.index import Indexed, Other, cache_json, directories, pages
from release_service.store import Document, ReleaseStore
from release_service.store.rewrite import rewrite
from release_service.tarball import TarballName

_RELEASE_JSON = "release.json"
_TRIES = 50
_AT_ONCE = 4

Found = Callable[[Iterable[Release]], None]


def indexed(release: Release) -> Indexed:
    """Return what the indexes show of a published row; a quarantined one is among them, so that it may vanish."""
    name = releases.tarball_name(release)
    assert release.published_at is not None  # noqa: S101 - the query asks for it
    files: dict[str, int | None] = {f"tar.{name.compression}": release.size, _RELEASE_JSON: None}
    if not releases.is_imported(release):
        files["sha256sum"] = None
    files |= {file.ext: file.size for file in release.files} | {file.ext: file.size for file in release.imported}
    if release.signature is not None and release.signature.published_at is not None:
        files[paths.signature_ext(name)] = len(release.signature.text)
    yanked = None if release.yanked_at is None else release.yank_reason or ""
    is_quarantined, places = release.quarantined_at is not None, {file.ext: file.path for file in release.imported}
    return Indexed(name, release.published_at.date(), files, yanked, is_quarantined, places)


def other(row: ImportedFile) -> Other:
    """Return what the indexes show of a file that belongs to no release."""
    return Other(row.path, row.modified_at.date(), row.size)


def write_module(
    store: ReleaseStore,
    transactions: Transactions,
    name: TarballName,
    now: datetime,
    cooling: timedelta,
    *,
    let_be_found: Found,
) -> None:
    """Write the indexes that *name*'s release appears in: LATEST-IS, its series, its module, cache.json.

    Before them the module's keyring, as it is *now*: files first, indexes last.  A maintainer whom no administrator
    has named is in it when they have been one for *cooling*.  Each release goes through *let_be_found* before it
    is named: another one may have been published at this moment.

    Raises IndexWouldShrink before anything is written, if cache.json lists what the database
    does not know; StoreUnavailable, DatabaseUnavailable.
    """
    _Writer(store, transactions, name.module, (now, cooling), let_be_found).write(name)


def write_all(
    store: ReleaseStore,
    transactions: Transactions,
    module: str,
    now: datetime,
    cooling: timedelta,
    *,
    let_be_found: Found,
) -> Sequence[str]:
    """Write the indexes of *module* with those of all its series; return the keys of what was not right before.

    (Raises: as `write_module`.)
    """
    return _Writer(store, transactions, module, (now, cooling), let_be_found).write()


def write_archive(store: ReleaseStore, transactions: Transactions) -> Sequence[str]:
    """Write the index of /sources/, and robots.txt where there is none; return the keys of what was not right before.

    Raises IndexWouldShrink if a module would vanish from the index that has versions in its own.
    """

    def build(before: bytes | None) -> bytes:
        with transactions.read() as session:
            modules = releases.published_modules(session)
        missing = [name for name in pages.listed(before or b"") if name not in modules and _has_versions(store, name)]
        if missing:
            raise IndexWouldShrink(f"{', '.join(missing[:10])} would vanish from the index of /sources/")
        return pages.archive(modules)

    written = []
    if store.read(paths.ROBOTS) is None and rewrite(store, paths.ROBOTS, lambda _: pages.ROBOTS):
        written.append(paths.ROBOTS)
    key = paths.index_key(paths.SOURCES)
    return [*written, key] if rewrite(store, key, build) else written


def _has_versions(store: ReleaseStore, module: str) -> bool:
    cache = store.read(paths.cache_key(module))
    return cache is not None and bool(cache_json.versions(module, cache.content))


@dataclass(frozen=True, slots=True)
class _Shown:
    """What one reading of the rows says that the indexes of a module show."""

    releases: list[Indexed]
    others: list[Other]
    has_keyring: bool

    def of(self, name: TarballName) -> list[Indexed]:
        return [release for release in self.releases if release.name.version == name.version]


class _Writer:
    """Writes the indexes of one module, and keeps the keys of those that were not right before."""

    def __init__(
        self,
        store: ReleaseStore,
        transactions: Transactions,
        module: str,
        at: tuple[datetime, timedelta],
        let_be_found: Found,
    ) -> None:
        self._store, self._transactions, self._module = store, transactions, module
        self._at, self._let_be_found = at, let_be_found
        self._written: list[str] = []

    def write(self, name: TarballName | None = None) -> Sequence[str]:
        """Write those of the module, and of the directories of *name*'s release (None: of all); return the keys."""
        cache_key = paths.cache_key(self._module)
        listed = self._store.read(cache_key)
        shown = self._shown()
        self._cache(shown, listed.content if listed else None)
        if shown.has_keyring:
            self._put(paths.keyring_key(self._module), lambda _: self._ring())
        if name is None:
            numbers = {release.name.series for release in shown.releases}
            below = directories(shown.releases, shown.others)
        else:
            numbers = {name.series}
            below = directories(shown.of(name), ())
        self._write_pages(["", *below], numbers)
        self._put(cache_key, lambda before: self._cache(self._shown(), before))
        if not self._has_keyring() and self._store.read(paths.keyring_key(self._module)) is not None:
            self._remove(paths.keyring_key(self._module))
        return self._written

    def _write_pages(self, below: Sequence[str], numbers: Iterable[str]) -> None:
        """Write the pages of these directories, all from one reading of the rows, which comes after that of the pages.

        Of a page that somebody else has written meanwhile the rows are read again.
        """
        keys = {directory: paths.index_key(paths.series_directory(self._module, directory)) for directory in below}
        with ThreadPoolExecutor(_AT_ONCE) as together:
            steps = [together.submit(self._latest, number) for number in sorted(numbers)]
            there = dict(zip(keys, together.map(self._store.read, keys.values()), strict=True))
            shown = self._shown()
            steps += [
                together.submit(self._page, directory, key, there[directory], shown) for directory, key in keys.items()
            ]
        for step in steps:
            step.result()

    def _page(self, directory: str, key: str, before: Document | None, shown: _Shown) -> None:
        content = self._html(directory, shown)
        if before is not None and before.content == content:
            return
        try:
            self._store.replace(key, content, expected=before)
        except Changed:
            self._put(key, lambda _: self._html(directory, self._shown()))
        else:
            self._written.append(key)

    def _html(self, directory: str, shown: _Shown) -> bytes:
        if directory:
            return pages.series(self._module, directory, shown.releases, shown.others)
        return pages.module(self._module, shown.releases, shown.others, has_keyring=shown.has_keyring)

    def _put(self, key: str, build: Callable[[bytes | None], bytes]) -> None:
        if rewrite(self._store, key, build):
            self._written.append(key)

    def _remove(self, key: str) -> None:
        self._store.remove(key)
        self._written.append(key)

    def _shown(self) -> _Shown:
        with self._transactions.read() as session:
            rows = releases.published(session, self._module)
            others = [other(row) for row in imported.others(session, self._module)]
            has_keyring = bool(signing_keys.published(session, self._module, *self._at))
        self._let_be_found(rows)
        return _Shown([indexed(row) for row in rows], others, has_keyring)

    def _has_keyring(self) -> bool:
        with self._transactions.read() as session:
            return bool(signing_keys.published(session, self._module, *self._at))

    def _ring(self) -> bytes:
        with self._transactions.read() as session:
            return signing_keys.keyring(session, self._module, *self._at).encode("ascii")

    def _cache(self, shown: _Shown, before: bytes | None) -> bytes:
        return _grown(self._module, before, shown.releases, shown.others, has_keyring=shown.has_keyring)

    def _latest(self, number: str) -> None:
        """Leave one LATEST-IS in the series, of the newest version that is offered; none, if none is.

        The newest is written before others are removed.  Several may write at once, and a yank makes the newest a
        lower one: so whoever has removed something looks again whether that was right.  What no row explains stays.
        """
        for _ in range(_TRIES):
            newest = self._newest(number)
            wanted = paths.latest_key(newest) if newest else None
            if newest is not None:
                self._put(paths.latest_key(newest), partial(_latest, newest))
            others = [key for key in self._explained(number) if key != wanted]
            if self._newest(number) != newest:
                continue
            for key in others:
                self._remove(key)
            if not others or self._newest(number) == newest:
                return
        raise StoreUnavailable(f"The newest version of {self._module} {number} changes faster than it can be written.")

    def _newest(self, number: str) -> TarballName | None:
        with self._transactions.read() as session:
            names = releases.offered_names(session, [self._module])
        return max(_of(number, names), key=lambda name: name.version, default=None)

    def _explained(self, number: str) -> list[str]:
        """Return the keys of the LATEST-IS that are there, and are of versions that were published here."""
        prefix = f"{paths.series_directory(self._module, number)}/{paths.LATEST}"
        there = set(self._store.keys(prefix))
        with self._transactions.read() as session:
            names = releases.published_names(session, [self._module])
        return [key for name in _of(number, names) if (key := paths.latest_key(name)) in there]


def _latest(name: TarballName, _before: bytes | None) -> bytes:
    return pages.latest(name)


def _of(number: str, names: Sequence[TarballName]) -> list[TarballName]:
    return [name for name in names if name.series == number]


def _grown(
    module: str, before: bytes | None, snapshot: Sequence[Indexed], others: Sequence[Other], *, has_keyring: bool
) -> bytes:
    """Return the new cache.json; raises IndexWouldShrink if it lacks what the old one has.

    What is yanked or quarantined may vanish, being among the rows of *snapshot* (invariant I9); nothing else may.
    """
    known = {str(release.name.version) for release in snapshot}
    missing = set(cache_json.versions(module, before)) - known if before is not None else set()
    if missing:
        raise IndexWouldShrink(f"{module}: {', '.join(sorted(missing)[:10])} would vanish from cache.json")
    return cache_json.write(module, snapshot, others, has_keyring=has_keyring)
