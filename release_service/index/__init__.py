"""The indexes that readers and distributions follow: what they say is pure, writing them is `write`.

Files first, indexes last: no reader sees a version whose files are not all there (CONTRACT.md 4).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from release_service.tarball import TarballName


@dataclass(frozen=True, slots=True)
class Indexed:
    """A published release, as the indexes show it.

    `files`: {ext: size in bytes, or None where nobody asks}, the tarball among them; `day`: UTC.  `yanked` is why, if
    it is; of one that `is_quarantined` no index tells.
    `places`: {ext: path below the module's directory} of those that an old tree has brought.
    """

    name: TarballName
    day: date
    files: dict[str, int | None] = field(default_factory=dict)
    yanked: str | None = None
    is_quarantined: bool = False
    places: dict[str, str] = field(default_factory=dict)

    @property
    def is_offered(self) -> bool:
        """Whether programs are told of it: they take the newest of these."""
        return self.yanked is None and not self.is_quarantined

    def path(self, ext: str) -> str:
        """Return the path of a file below the module's directory."""
        base = f"{self.name.release}.{ext}"
        return self.places.get(ext) or (f"{self.name.series}/{base}" if self.name.series else base)

    def directories(self) -> list[str]:
        """Return the directories below the module's that have a file of it."""
        return [self.name.series, *map(parent, self.places.values())]


@dataclass(frozen=True, slots=True)
class Other:
    """A file of an old tree that belongs to no release: `path` is below the module's directory; `size` in bytes."""

    path: str
    day: date
    size: int


def parent(path: str) -> str:
    """Return the directory of *path*, "" for the module's own."""
    return path.rpartition("/")[0]


def directories(releases: Iterable[Indexed], others: Iterable[Other]) -> list[str]:
    """Return all directories below the module's that have an index."""
    found: dict[str, None] = {}
    for directory in (
        *(directory for release in releases for directory in release.directories()),
        *(parent(other.path) for other in others),
    ):
        above = directory.split("/") if directory else []
        found |= {"/".join(above[: depth + 1]): None for depth in range(len(above))}
    return list(found)
