"""Which entries each HTML index has: of the archive, of a module, of a series; and what LATEST-IS says."""

import re
from collections.abc import Iterable, Sequence

from release_service import paths
from release_service.index import Indexed, html
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


def module(name: str, releases: Sequence[Indexed], *, has_keyring: bool = False) -> bytes:
    """Return the index of a module: its series, the newest first, then cache.json and the keyring."""
    listed = [release for release in releases if not release.is_quarantined]
    newest = {release.name.version.series: release for release in listed}
    in_order = sorted(newest.items(), key=lambda item: item[1].name.version, reverse=True)
    entries = [
        html.Entry(f"{series}/", release.day, notes=_notes(one for one in listed if one.name.version.series == series))
        for series, release in in_order
    ]
    entries.append(html.Entry(paths.CACHE_JSON))
    entries += [html.Entry(f"{name}{paths.KEYRING}")] if has_keyring else []
    return html.write(name, f"The series of {name}: one directory each.", entries)


def series(name: str, number: str, releases: Sequence[Indexed]) -> bytes:
    """Return the index of a series: its files, the newest version first, the tarball before what belongs to it."""
    mine = [one for one in releases if one.name.version.series == number and not one.is_quarantined]
    offered = [release for release in mine if release.is_offered]
    entries = [html.Entry(paths.latest_name(offered[-1].name.version), offered[-1].day)] if offered else []
    for release in reversed(mine):
        tarball, *others = sorted(release.files, key=lambda ext: (not ext.startswith("tar."), ext))
        notes = {tarball: _notes([release])}
        entries += [
            html.Entry(f"{release.name.release}.{ext}", release.day, release.files[ext], notes.get(ext, ()))
            for ext in (tarball, *others)
        ]
    return html.write(f"{name} {number}", f"The releases of {name} {number}.", entries)


def _notes(releases: Iterable[Indexed]) -> list[str]:
    return [f"{one.name.version} was yanked: {one.yanked}" for one in releases if one.yanked is not None]
