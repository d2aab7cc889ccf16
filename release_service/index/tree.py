"""All documents of the indexes: what stands in the store once `write` is done, and nobody has written since."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from release_service import paths
from release_service.index import Indexed, Other, cache_json, directories, pages

# By its key, what makes a document: many are only asked for their names.
Documents = dict[str, Callable[[], bytes]]


def module(name: str, releases: Sequence[Indexed], ring: bytes, others: Sequence[Other] = ()) -> Documents:
    """Return those of a module that has published *releases*, in the order of versions; *ring*: its keyring.

    A series all of which is yanked has no newest version; one all of which is quarantined has an empty page.
    """
    if not releases and not others:
        return {}
    has_keyring = bool(ring)
    documents: Documents = {
        paths.cache_key(name): partial(cache_json.write, name, releases, others, has_keyring=has_keyring),
        paths.index_key(paths.module_directory(name)): partial(
            pages.module, name, releases, others, has_keyring=has_keyring
        ),
    }
    if has_keyring:
        documents[paths.keyring_key(name)] = partial(bytes, ring)
    for series in directories(releases, others):
        key = paths.index_key(paths.series_directory(name, series))
        documents[key] = partial(pages.series, name, series, releases, others)
    newest = {release.name.series: release.name for release in releases if release.is_offered}
    for latest in newest.values():
        documents[paths.latest_key(latest)] = partial(pages.latest, latest)
    return documents


def archive(modules: Iterable[str]) -> Documents:
    """Return those above all *modules* that have published."""
    return {paths.ROBOTS: lambda: pages.ROBOTS, paths.index_key(paths.SOURCES): partial(pages.archive, modules)}
