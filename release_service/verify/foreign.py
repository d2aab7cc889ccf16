"""Foreign files: what lies in the store, and neither a row (a claim is one) nor an index explains."""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date

from release_service import documents, paths
from release_service.db import Transactions, imported, releases
from release_service.db.tables import ImportedFile
from release_service.index import Indexed, tree
from release_service.index import write as index
from release_service.store import ReleaseStore
from release_service.tarball import TarballName
from release_service.verify.findings import BEGINNING, Finding, Kind, Scope, is_promised

_LISTED = 1000  # keys
# What stands behind the version in a file's name has at most so many dots: .release.json, .tar.xz.asc.
_MOST_DOTS = 3
# All keys that the service writes; others the database need not, and some it cannot, be asked for.
_OURS = re.compile(r"[A-Za-z0-9+._~/-]{1,600}")


def foreign(transactions: Transactions, store: ReleaseStore, scope: Scope) -> Iterator[Finding]:
    """Yield the objects that nothing explains: with --all of the whole store, else of what *scope* names."""
    listed = store.keys(_prefix(transactions, scope))
    # A page is listed before the database is asked: whoever publishes meanwhile has claimed before storing.
    while some := list(itertools.islice(listed, _LISTED)):
        yield from unexplained(transactions, store, some)


def unexplained(transactions: Transactions, store: ReleaseStore, keys: Sequence[str]) -> Iterator[Finding]:
    """Yield those of *keys*, at most a page, that the rows of this moment do not explain."""
    explained = _explained(transactions, [key for key in keys if _OURS.fullmatch(key)])
    for key in keys:
        if key not in explained and not _is_going(transactions, store, key):
            yield Finding(Kind.FOREIGN, key)


def _prefix(transactions: Transactions, scope: Scope) -> str:
    if scope.module is None:
        return ""
    if scope.version is None:
        return f"{paths.module_directory(scope.module)}/"
    with transactions.read() as session:
        (release,) = releases.page(session, scope.module, scope.version, BEGINNING, 1)
    return paths.release_key(releases.tarball_name(release), "")


def _explained(transactions: Transactions, keys: Collection[str]) -> set[str]:
    """Return the keys of all releases, and of all indexes, that could explain some of *keys*."""
    modules, versions, files = set(), set(), set()
    for key in keys:
        _sources, _, below = key.partition("/")
        module, _, path = below.partition("/")
        modules.add(module)
        files.add(path)
        rest = key.rpartition("/")[2].removeprefix(f"{module}-")
        versions |= {rest.rsplit(".", dots)[0] for dots in range(1, _MOST_DOTS + 1)}
    with transactions.read() as session:
        rows = releases.named(session, modules, versions)
        names = releases.published_names(session, modules)
        offered = set(releases.offered_names(session, modules))
        others = imported.others_of(session, modules)
        brought = imported.named(session, modules, files)
    explained = {key for row in rows for key in documents.keys(row)} | tree.archive(()).keys()
    explained |= {paths.module_key(module, path) for module, path in brought}
    for module, of_module in itertools.groupby(names, key=lambda name: name.module):
        explained |= _index_keys(module, of_module, offered, others.pop(module, []))
    for module, files_alone in others.items():
        explained |= _index_keys(module, (), (), files_alone)
    return explained | {key for key in keys if key not in explained and _is_index_of_files(transactions, key)}


def _is_index_of_files(transactions: Transactions, key: str) -> bool:
    """Say whether it is the index of a directory with files that an old tree lists under a release elsewhere."""
    match key.split("/"):
        case [_sources, module, *directory, paths.INDEX_HTML] if directory:
            with transactions.read() as session:
                return imported.has_below(session, module, f"{'/'.join(directory)}/")
        case _:
            return False


def _index_keys(
    module: str, names: Iterable[TarballName], offered: Collection[TarballName], others: Iterable[ImportedFile]
) -> set[str]:
    # Whether the module has a keyring, `indexes` says; and of the other releases only that they are not offered counts.
    snapshot = [Indexed(name, date.min, yanked=None if name in offered else "") for name in names]
    return set(tree.module(module, snapshot, b"a keyring", [index.other(row) for row in others]))


def _is_going(transactions: Transactions, store: ReleaseStore, key: str) -> bool:
    """Say whether it is the LATEST-IS of a version that is not the newest any more: gone by now, or to go."""
    match key.split("/"):
        case [_sources, module, _series, base] if base.startswith(paths.LATEST) and _OURS.fullmatch(key):
            pass
        case _:
            return False
    # First the rows, then the promises, then the object: whoever has kept a promise has removed it before.
    with transactions.read() as session:
        was_newest = key in {paths.latest_key(name) for name in releases.published_names(session, [module])}
        is_open = is_promised(session, module)
    return was_newest and (is_open or next(iter(store.keys(key)), None) != key)
