"""Which entries each HTML index has: of the archive, of a module, of a series; and what LATEST-IS says."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from release_service import paths
from release_service.index import Indexed, Other, html, parent
from release_service.tarball import TarballName

_DIRECTORY = re.compile(rb'<td class="link"><a href="([A-Za-z0-9][A-Za-z0-9+._-]*)/"')
ROBOTS = b"User-agent: *\nAllow: /\n"


def latest(name: TarballName) -> bytes:
    """Return what LATEST-IS says of the newest tarball of a series."""
    return f"{name}\n".encode("ascii")


def archive(modules: Iterable[str]) -> bytes:
    """Return the index of /sources/."""
    names = sorted(modules, key=lambda module: (module.lower(), module))
    entries = [html.Entry(f"{name}/") for name in names]
    return html.write("Sources", "The modules that GNOME releases.", entries, is_top=True)


def listed(page: bytes) -> list[str]:
    """Return the modules that the index of /sources/ lists; none, if it is broken."""
    return [href.decode("ascii") for href in _DIRECTORY.findall(page)]


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


def _directories(above: str, releases: Iterable[Indexed], others: Iterable[Other]) -> list[html.Entry]:
    """Return the directories right below *above*: of releases, the newest first; then those of other files.

    Those below which only quarantined releases were are not listed.
    """
    prefix = f"{above}/" if above else ""
    days: dict[str, date] = {}
    notes: dict[str, list[Indexed]] = {}
    for release in reversed([release for release in releases if not release.is_quarantined]):
        for directory in release.directories():
            if below := _below(prefix, directory):
                days.setdefault(below, release.day)
        if below := _below(prefix, release.name.series):
            notes.setdefault(below, []).insert(0, release)
    for other in others:
        if below := _below(prefix, parent(other.path)):
            days.setdefault(below, other.day)
    return [html.Entry(f"{name}/", day, notes=_notes(notes.get(name, ()))) for name, day in days.items()]


def _below(prefix: str, directory: str) -> str:
    """Return the first part of *directory* after *prefix*, "" if it is not below that."""
    return directory.removeprefix(prefix).split("/")[0] if directory.startswith(prefix) else ""


def _files(directory: str, releases: Iterable[Indexed], others: Iterable[Other]) -> list[html.Entry]:
    there = [release for release in releases if not release.is_quarantined]
    offered = [release for release in there if release.is_offered and release.name.series == directory]
    entries = [html.Entry(paths.latest_name(offered[-1].name.version), offered[-1].day)] if offered else []
    for release in reversed(there):
        notes = {f"tar.{release.name.compression}": _notes([release])}
        exts = sorted(release.files, key=lambda ext: (not ext.startswith("tar."), ext))
        entries += [
            _file(release.path(ext), release.day, release.files[ext], notes.get(ext, ()))
            for ext in exts
            if parent(release.path(ext)) == directory
        ]
    return entries + [_file(other.path, other.day, other.size) for other in others if parent(other.path) == directory]


def _file(path: str, day: date, size: int | None, notes: Sequence[str] = ()) -> html.Entry:
    return html.Entry(path.rpartition("/")[2], day, size, notes)


def _notes(releases: Iterable[Indexed]) -> list[str]:
    return [f"{one.name.version} was yanked: {one.yanked}" for one in releases if one.yanked is not None]
