"""Which entries each HTML index has: of the archive, of a module, of a series; and what LATEST-IS says."""

from collections.abc import Iterable, Sequence
from datetime import date

from release_service import paths
from release_service.index import Indexed, Other, html, parent
from release_service.tarball import TarballName

ROBOTS = b"User-agent: *\nAllow: /\n"


def latest(name: TarballName) -> bytes:
    """Return what LATEST-IS says of the newest tarball of a series."""
    return f"{name}\n".encode("ascii")


def archive(modules: Iterable[str]) -> bytes:
    """Return the index of /sources/."""
    names = sorted(modules, key=lambda module: (module.lower(), module))
    entries = [html.Entry(f"{name}/") for name in names]
    return html.write("Sources", "The modules that GNOME releases.", entries, is_top=True)


def module(name: str, releases: Sequence[Indexed], others: Sequence[Other] = (), *, has_keyring: bool = False) -> bytes:
    """Return the index of a module: its series, the newest first, then cache.json, the keyring, and other files."""
    entries = [*_directories("", releases, others), html.Entry(paths.CACHE_JSON)]
    entries += [html.Entry(f"{name}{paths.KEYRING}")] if has_keyring else []
    entries += _files("", releases, others)
    return html.write(name, f"The series of {name}: one directory each.", entries)


def series(name: str, number: str, releases: Sequence[Indexed], others: Sequence[Other] = ()) -> bytes:
    """Return the index of a series: its files, the newest version first, the tarball before what belongs to it."""
    entries = [*_directories(number, releases, others), *_files(number, releases, others)]
    return html.write(f"{name} {number}", f"The releases of {name} {number}.", entries)


def _directories(above: str, releases: Sequence[Indexed], others: Iterable[Other]) -> list[html.Entry]:
    """Return the directories right below *above*: of releases, the newest first; then those of other files."""
    days: dict[str, date] = {}
    prefix = f"{above}/" if above else ""
    for release in reversed(releases):
        for directory in (release.name.series, *map(parent, release.places.values())):
            if directory.startswith(prefix) and directory != above:
                days.setdefault(directory.removeprefix(prefix).split("/")[0], release.day)
    for other in others:
        if (directory := parent(other.path)).startswith(prefix) and directory != above:
            days.setdefault(directory.removeprefix(prefix).split("/")[0], other.day)
    return [html.Entry(f"{name}/", day) for name, day in days.items()]


def _files(directory: str, releases: Sequence[Indexed], others: Iterable[Other]) -> list[html.Entry]:
    mine = [release for release in releases if release.name.series == directory]
    entries = [html.Entry(paths.latest_name(mine[-1].name.version), mine[-1].day)] if mine else []
    for release in reversed(releases):
        exts = sorted(release.files, key=lambda ext: (not ext.startswith("tar."), ext))
        here = [ext for ext in exts if parent(release.path(ext)) == directory]
        entries += [_file(release.path(ext), release.day, release.files[ext]) for ext in here]
    return entries + [_file(other.path, other.day, other.size) for other in others if parent(other.path) == directory]


def _file(path: str, day: date, size: int | None) -> html.Entry:
    return html.Entry(path.rpartition("/")[2], day, size)
