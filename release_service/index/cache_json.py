"""cache.json, format 4: what uscan, Homebrew, Flathub, Anitya and the release team's tools read.

``[4, {module: {version: {ext: path}}}, {module: [versions]}, {directory: [other names]}]``; each rule
of CONTRACT.md 4 is there because a real client broke without it.
"""

import json
from collections.abc import Sequence

from release_service import paths
from release_service.index import Indexed, Other, parent

FORMAT = 4
# What element two lists, and whatever an old tree has listed; all else in a directory is named in element four.
LISTED = ("news", "changes", "tar.xz", "tar.gz", "tar.bz2", "tar.zst", "sha256sum")


def write(
    module: str, releases: Sequence[Indexed], unreleased: Sequence[Other] = (), *, has_keyring: bool = False
) -> bytes:
    """Return the text of *module*'s cache.json: of its *releases*, in the order of versions, those that are offered."""
    files: dict[str, dict[str, str]] = {}
    others: dict[str, list[str]] = {}
    newest: dict[str, str] = {}
    for release in filter(lambda release: release.is_offered, releases):
        name, series = release.name, release.name.series or "."
        exts = sorted(release.files, key=lambda ext: (ext not in LISTED, ext in LISTED and LISTED.index(ext), ext))
        listed = [ext for ext in exts if ext in LISTED or ext in release.places]
        files[str(name.version)] = {ext: release.path(ext) for ext in listed}
        others.setdefault(series, []).extend(f"{name.release}.{ext}" for ext in exts if ext not in listed)
        newest[series] = paths.latest_name(name.version)
    for series, latest in newest.items():
        others[series].insert(0, latest)
    for other in unreleased:
        others.setdefault(parent(other.path) or ".", []).append(other.path.rpartition("/")[2])
    keyring = [f"{module}{paths.KEYRING}"] if has_keyring else []
    others["."] = [paths.CACHE_JSON, *keyring, *others.pop(".", [])]
    document = [FORMAT, {module: files}, {module: list(files)}, others]
    return json.dumps(document, ensure_ascii=True).encode("ascii")


def versions(module: str, content: bytes) -> list[str]:
    """Return the versions that a cache.json lists for *module*: none, if it is broken, and so no reader's either."""
    try:
        listed = json.loads(content)[2].get(module, [])
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    return [str(version) for version in listed]
