"""What an old tree says of a module: which files are a release, which belong to none.  Pure.

Its cache.json is believed, as far as the files are there.  Without one the names say it, as the old
tool read them: ``<module>-[<older version>-]<version>.<ext>``, a release if it has a tarball.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from release_service import paths
from release_service.importing.problems import Kind, Problem
from release_service.version import Version

FORMAT = 4
_ELEMENTS = 4
_LONGEST_EXT = 32
# Which tarball of several is the release's: the first that is there.
_COMPRESSIONS = ("tar.xz", "tar.gz", "tar.bz2", "tar.zst")
_NAME = re.compile(r"([0-9][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*?)\.((?:tar\.|diff\.)?[a-z][a-z0-9]*)")
# What the tree has, and the service writes itself; some of it is found everywhere.
_INDEXES = {paths.CACHE_JSON, paths.INDEX_HTML, paths.ROBOTS}


@dataclass(frozen=True, slots=True)
class OldRelease:
    """A version with its files: {ext: path below the module's directory}; `tarballs` are those that can be its own."""

    version: Version
    files: Mapping[str, str]
    tarballs: list[str]


@dataclass(frozen=True, slots=True)
class OldModule:
    """What is to be imported: the releases in the order of versions, and the files of none."""

    name: str
    releases: list[OldRelease] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(module: str, there: Collection[str], cache_json: bytes | None) -> OldModule:
    """Return what *cache_json*, and the names of the files that are *there*, say of *module*."""
    found = OldModule(module)
    imported = [path for path in there if not _is_ours(found, path)]
    try:
        listed = _listed(module, cache_json)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        found.problems.append(Problem(Kind.BAD_CACHE_JSON, f"{module}/{paths.CACHE_JSON}"))
        listed = None
    if listed is None and cache_json is None:
        found.problems.append(Problem(Kind.NO_CACHE_JSON, f"{module}/{paths.CACHE_JSON}"))
    versions = listed.versions if listed else _by_names(module, imported)
    taken = _releases(found, versions, set(imported))
    found.others.extend(path for path in imported if path not in taken)
    if listed:
        _compare(found, listed, set(there))
    _look_at_latest(found, there)
    return found


@dataclass(frozen=True, slots=True)
class _Listed:
    versions: dict[str, dict[str, str]]
    order: list[str]
    others: list[str]


def _listed(module: str, content: bytes | None) -> _Listed | None:
    """Return what a cache.json says; any of several exceptions if it is none, None if there is none."""
    if content is None:
        return None
    document: Any = json.loads(content)
    if len(document) != _ELEMENTS or document[0] != FORMAT:
        raise ValueError
    _, files, versions, others = document
    listed = {str(version): {str(e): str(p) for e, p in exts.items()} for version, exts in files[module].items()}
    named = [name if where == "." else f"{where}/{name}" for where, names in others.items() for name in names]
    return _Listed(listed, [str(version) for version in versions[module]], named)


def _by_names(module: str, there: Collection[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for path in there:
        base = path.rpartition("/")[2]
        parts = _NAME.fullmatch(base.removeprefix(f"{module}-")) if base.startswith(f"{module}-") else None
        if parts is not None:
            version, ext = parts.groups()
            # A diff is named after both versions, and belongs to the newer.
            version = version.rpartition("-")[2] if ext.startswith("diff.") else version
            found.setdefault(version, {}).setdefault(ext, path)
    return {version: exts for version, exts in found.items() if any(ext.startswith("tar.") for ext in exts)}


def _releases(found: OldModule, versions: Mapping[str, Mapping[str, str]], there: set[str]) -> set[str]:
    """Add the releases that *versions* make of the files *there*; return the paths that are theirs."""
    taken: set[str] = set()
    for text, listed in versions.items():
        exts = dict(_there(found, listed, there, taken))
        try:
            version = Version.parse_imported(text)
        except ValueError:
            found.problems.append(Problem(Kind.BAD_VERSION, found.name, text))
            continue
        tarballs = sorted((ext for ext in exts if _is_tarball(found.name, text, ext, exts[ext])), key=_preferred)
        if not tarballs:
            found.problems.append(Problem(Kind.NO_TARBALL, found.name, text))
            continue
        found.releases.append(OldRelease(version, exts, tarballs))
        taken.update(exts.values())
    found.releases.sort(key=lambda release: release.version)
    return taken


def _there(found: OldModule, listed: Mapping[str, str], there: set[str], taken: set[str]) -> Iterator[tuple[str, str]]:
    for ext, path in listed.items():
        if path in taken:
            found.problems.append(Problem(Kind.LISTED_TWICE, f"{found.name}/{path}"))
        elif path not in there or len(ext) > _LONGEST_EXT:
            found.problems.append(Problem(Kind.NOT_THERE, f"{found.name}/{path}", "cache.json lists it"))
        else:
            yield ext, path


def _is_tarball(module: str, version: str, ext: str, path: str) -> bool:
    return (
        ext.startswith("tar.")
        and len(ext) <= len("tar.12345678")
        and path.rpartition("/")[2] == f"{module}-{version}.{ext}"
    )


def _preferred(ext: str) -> tuple[int, str]:
    return (_COMPRESSIONS.index(ext) if ext in _COMPRESSIONS else len(_COMPRESSIONS), ext)


def _is_ours(found: OldModule, path: str) -> bool:
    """Say whether the service writes *path* itself; what an old tree should not have under such a name is a problem."""
    base = path.rpartition("/")[2]
    if not paths.is_mutable(path):
        return False
    if base not in _INDEXES and not base.startswith(paths.LATEST):
        found.problems.append(Problem(Kind.RESERVED_NAME, f"{found.name}/{path}"))
    return True


def _compare(found: OldModule, listed: _Listed, there: set[str]) -> None:
    """Name what cache.json lists and is not there, and what is there and it does not list."""
    named = {path for exts in listed.versions.values() for path in exts.values()} | set(listed.others)
    found.problems.extend(
        Problem(Kind.NOT_LISTED, f"{found.name}/{path}") for path in found.others if path not in named
    )
    found.problems.extend(
        Problem(Kind.NOT_THERE, f"{found.name}/{path}", "cache.json names it")
        for path in listed.others
        if path not in there
    )
    ours = [str(release.version) for release in found.releases]
    theirs = [version for version in listed.order if version in set(ours)]
    if ours != theirs:
        first = next((a for a, b in zip(ours, theirs, strict=False) if a != b), "a version is missing there")
        found.problems.append(Problem(Kind.ORDER, f"{found.name}/{paths.CACHE_JSON}", f"from {first} on"))
    found.problems.extend(
        Problem(Kind.NOT_THERE, found.name, f"cache.json lists {version} without any file")
        for version in listed.order
        if version not in listed.versions
    )


def _look_at_latest(found: OldModule, there: Collection[str]) -> None:
    """Name each LATEST-IS that is not of the newest version of its directory: the old tool named the last installed."""
    newest: dict[str, str] = {}
    for release in found.releases:
        newest[release.files[release.tarballs[0]].rpartition("/")[0]] = str(release.version)
    for path in there:
        directory, _, base = path.rpartition("/")
        version = base.removeprefix(paths.LATEST)
        if base.startswith(paths.LATEST) and newest.get(directory) != version:
            right = newest.get(directory, "nothing")
            found.problems.append(Problem(Kind.WRONG_LATEST, f"{found.name}/{path}", f"it is {right}"))
