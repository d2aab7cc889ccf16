"""What is to be seen at one moment: by a reader of the store, by a reader of the CDN, and in the database's rows."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from crash.database import Database
from release_service import paths
from release_service.tarball import TarballName
from release_service.version import Version

View = Mapping[str, bytes | None]
EXTS = ("tar.xz", "tar.xz.asc", "news", "sha256sum", "release.json")


def urls_of(names: Iterable[TarballName]) -> list[str]:
    """Return every key that readers can know of, or guess, once *names* are releases."""
    found = {paths.ROBOTS, paths.index_key(paths.SOURCES)}
    for name in names:
        series = paths.series_directory(name.module, name.version.series)
        found |= {paths.release_key(name, ext) for ext in EXTS} | {paths.latest_key(name), paths.index_key(series)}
        found |= {paths.cache_key(name.module), paths.keyring_key(name.module)}
        found.add(paths.index_key(paths.module_directory(name.module)))
    return sorted(found)


class Reader:
    """Polls every URL, again and again; remembers the first bytes of each, and all that an index has ever named."""

    def __init__(self, name: str, read: Callable[[str], bytes | None]) -> None:
        self.name, self._read = name, read
        self.first: dict[str, bytes] = {}
        self.listed: dict[str, frozenset[str]] = {}

    def look(self, urls: Sequence[str]) -> dict[str, bytes | None]:
        return {key: self._read(key) for key in urls}


@dataclass(frozen=True, slots=True)
class Row:
    """A release's row."""

    id: int
    name: TarballName
    sha256: str
    kind: str
    was_verified: bool
    published_at: str | None
    visible_at: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """What is committed."""

    releases: Sequence[Row]
    tokens: Sequence[tuple[str, str, str, str]]
    audited: frozenset[tuple[str, str, str, str]]
    signatures: Sequence[tuple[int, str, str | None]]
    files: frozenset[tuple[int, str]]
    by_key: Mapping[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {paths.tarball_key(row.name): row for row in self.releases})

    @property
    def published(self) -> list[Row]:
        return [row for row in self.releases if row.published_at is not None]


def rows_of(database: Database) -> Rows:
    releases = database.rows(
        "SELECT r.id, m.name, r.version, r.compression, r.sha256, r.proof, r.archive, r.published_at, r.visible_at"
        " FROM releases r JOIN modules m ON m.id = r.module_id ORDER BY r.id"
    )
    return Rows(
        [_row(*columns) for columns in releases],
        database.rows("SELECT issuer, token_id, filename, sha256 FROM token_uses"),
        frozenset(
            database.rows(
                "SELECT module, version, sha256, code FROM audit WHERE verdict = 'accepted' AND subject != ''"
            )
        ),
        database.rows("SELECT release_id, text, published_at FROM release_signatures"),
        frozenset(database.rows("SELECT release_id, ext FROM release_files")),
    )


@lru_cache(4096)
def _row(  # noqa: PLR0913, PLR0917 - the columns
    id_: int,
    module: str,
    version: str,
    compression: str,
    sha256: str,
    proof: str,
    archive: str,
    published_at: str | None,
    visible_at: str | None,
) -> Row:
    name = TarballName(module, Version(version), compression)
    was_verified = "listing_sha256" in json.loads(archive)
    return Row(id_, name, sha256, json.loads(proof)["kind"], was_verified, published_at, visible_at)


@lru_cache(4096)
def parsed(cache: bytes) -> list[Any]:
    """Return what a cache.json says."""
    document: list[Any] = json.loads(cache)
    return document


def versions(view: View, module: str) -> frozenset[str]:
    """Return the versions that the index names."""
    cache = view.get(paths.cache_key(module))
    return frozenset(parsed(cache)[2][module]) if cache else frozenset()
