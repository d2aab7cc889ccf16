"""What an import writes down of a module, in one commit: its releases, its other files, and that it was so."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from release_service import documents, paths
from release_service.archive import Inspection
from release_service.db import audit, imported, modules, releases
from release_service.db.audit import Act
from release_service.db.tables import ImportedFile, Module, Release
from release_service.identity import Uploader
from release_service.publish import Service
from release_service.version import Version

ACT = "import"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is in the store: `path` is below the module's directory; `ext` "" if it belongs to no release."""

    path: str
    ext: str
    size: int
    sha256: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class NewRelease:
    """A release with all its files, the first of which is its tarball."""

    version: Version
    files: Sequence[NewFile]
    inspection: Inspection | None


@dataclass(frozen=True, slots=True)
class Rows:
    """What is to be written down; nothing, if it is false."""

    releases: list[NewRelease] = field(default_factory=list)
    others: list[NewFile] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Say whether there is anything."""
        return bool(self.releases or self.others)

    def versions(self) -> set[str]:
        """Return the versions of the releases."""
        return {str(release.version) for release in self.releases}

    def files(self) -> list[NewFile]:
        """Return all files."""
        return [file for release in self.releases for file in release.files] + self.others


def write(service: Service, name: str, new: Rows, origin: str, by: Uploader, problems: Mapping[str, int]) -> None:
    """Write down *new* of the module *name*, which has no publishers by that: rights are not imported."""
    now = service.now()
    with service.transactions.begin() as session:
        module = modules.ensure(session, name, now)
        modules.lock(session, module)
        writing = _Writing(session, module, origin)
        for release in new.releases:
            writing.release(release)
        for file in new.others:
            writing.file(file, None)
        imported.begin(session, module.id, now)
        files = new.files()
        told = {
            "origin": origin,
            "releases": len(new.releases),
            "files": len(files),
            "bytes": sum(file.size for file in files),
            "files_sha256": _digest(files),
            "problems": dict(problems),
        }
        audit.record(session, Act(ACT, by, "", name), audit.ACCEPTED, "imported", now, **told)


class _Writing:
    """Writes rows of one module, beside those that are there."""

    def __init__(self, session: Session, module: Module, origin: str) -> None:
        self._session, self._module, self._origin = session, module, origin
        self._releases = {row.version: row for row in imported.releases_of(session, module.id)}
        self._files = {row.path: row for row in imported.of_module(session, module.id)}

    def release(self, new: NewRelease) -> None:
        row = self._releases.get(str(new.version))
        if row is None:
            row, tarball = self._new(new), new.files[0].path
        elif releases.is_imported(row):
            key = paths.tarball_key(releases.tarball_name(row))
            tarball = key.removeprefix(f"{paths.module_directory(self._module.name)}/")
        else:
            return  # uploaded a moment ago: ours stays, and the next run tells whether it is the same
        for file in new.files:
            if file.path != tarball:
                self.file(file, row)

    def file(self, new: NewFile, release: Release | None) -> None:
        """Write a file down; one that belonged to no release until now may come to belong to one."""
        row = self._files.get(new.path)
        if row is None:
            row = ImportedFile(
                module_id=self._module.id,
                release_id=None,
                path=new.path,
                ext="",
                size=new.size,
                sha256=new.sha256,
                modified_at=new.modified,
            )
            self._session.add(row)
        if release is not None:
            row.release_id, row.ext = release.id, new.ext

    def _new(self, new: NewRelease) -> Release:
        tarball = new.files[0]
        directory = tarball.path.rpartition("/")[0]
        if (stray := self._files.get(tarball.path)) is not None:
            self._session.delete(stray)
        row = Release(
            module_id=self._module.id,
            version=str(new.version),
            compression=tarball.ext.removeprefix("tar."),
            size=tarball.size,
            sha256=tarball.sha256,
            archive=_archive(new.inspection),
            proof={"kind": releases.IMPORT, "origin": self._origin},
            claimed_at=tarball.modified,
            published_at=tarball.modified,
            visible_at=tarball.modified,
            directory=None if directory == new.version.series else directory,
        )
        self._session.add(row)
        self._session.flush()
        releases.note_digest(self._session, tarball.sha256)
        if new.inspection is not None:
            texts = {**new.inspection.texts, releases.LISTING: new.inspection.listing}
            releases.add_texts(self._session, row, texts)
        return row


def _archive(inspection: Inspection | None) -> dict[str, Any]:
    """Return what release.json tells of a tarball's inside: mostly that nobody has looked."""
    return {"inspected": False, "warnings": []} if inspection is None else documents.archive(inspection)


def _digest(files: Sequence[NewFile]) -> str:
    """Return one digest of all files, as ``sha256sum`` would list them in the order of their paths."""
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256(lines.encode("ascii")).hexdigest()
