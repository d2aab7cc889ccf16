"""What is there of a module before an import: so that the same again does nothing, and ours is never touched."""

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from release_service import paths
from release_service.db import imported, modules, releases
from release_service.db.releases import is_imported
from release_service.importing.source import Stat


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that an earlier run has brought."""

    stat: Stat
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Known:
    """What rows say of a module: `files` by path and `versions` that were imported, and our `own` by version.

    `own`: path and SHA-256 of the tarball that was uploaded here.
    """

    files: dict[str, KnownFile] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    own: dict[str, tuple[str, str]] = field(default_factory=dict)
    is_finished: bool = True


def known(session: Session, name: str) -> Known:
    """Return what is there of the module *name*.  Raises CaseTwin if it is registered in other letters."""
    module = modules.find(session, name)
    if module is None:
        return Known()
    found = Known(is_finished=imported.is_finished(session, module.id))
    for row in imported.of_module(session, module.id):
        found.files[row.path] = KnownFile(Stat(row.size, row.modified_at), row.size, row.sha256)
    below = f"{paths.module_directory(name)}/"
    for release in imported.releases_of(session, module.id):
        path = paths.tarball_key(releases.tarball_name(release)).removeprefix(below)
        if is_imported(release):
            found.files[path] = KnownFile(Stat(release.size, release.published_at), release.size, release.sha256)
            found.versions.add(release.version)
        else:
            found.own[release.version] = path, release.sha256
    return found
