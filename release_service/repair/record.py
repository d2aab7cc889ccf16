"""release.json, read strictly: the facts that `documents.release_json` tells, and no others.

What is read is told again from the row that it makes, and must be the very same bytes: so nothing is lost, added or
guessed.  A further fact is a field here, and a line in `Record.row`.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from release_service import checksum, documents, paths
from release_service.db import releases
from release_service.db.tables import ImportedFile, Module, Release, ReleaseSignature
from release_service.db.tables.releases import ReleaseFile
from release_service.errors import Refused
from release_service.tarball import COMPRESSIONS, TarballName
from release_service.version import Version

_LETTERS = frozenset("0123456789abcdef")
_SHA256 = 64
# As imports take them; columns have no more room.
_PART = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9+._~-]*")
_COMPRESSION = re.compile(r"[A-Za-z0-9]{1,8}")
_EXT = re.compile(r"[!-~]{1,32}")
_CHANGES = "yanked", "unyanked", "quarantined"


class Mismatch(Exception):
    """A release.json is not what this service writes, or the objects beside it are not what it says."""


@dataclass(frozen=True, slots=True)
class File:
    """A file beside a tarball: how its name ends, its size in bytes and its SHA-256 as 64 hex letters."""

    ext: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that an old tree has brought with its tarball: `path` is below the module's directory."""

    ext: str
    path: str
    size: int
    sha256: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """Which certificate, and which key of it, has signed; when, and when the signature came."""

    fingerprint: str
    signing_fingerprint: str
    signed: datetime
    added: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """What a release.json says of a release; `published`: None where it was on the day that it was received.

    `standing`: when it was yanked, unyanked or quarantined, and why.
    """

    name: TarballName
    size: int
    sha256: str
    files: tuple[File, ...]
    imported: tuple[Brought, ...]
    archive: dict[str, Any]
    proof: dict[str, Any]
    received: datetime
    published: datetime | None
    signature: SignatureFacts | None
    standing: Mapping[str, tuple[datetime, str]]

    @classmethod
    def parse(cls, key: str, content: bytes) -> "Record":
        """Return what *content*, the object under *key*, says.  (Raises: Mismatch.)"""
        try:
            record = cls._of(json.loads(content))
        except (ValueError, LookupError, TypeError, AttributeError, Refused) as error:
            raise Mismatch(f"It is no release.json of this service ({type(error).__name__}).") from None
        if paths.release_json_key(record.name) != key:
            raise Mismatch(f"It is about {record.name}, and lies elsewhere.")
        return record

    @classmethod
    def _of(cls, said: dict[str, Any]) -> "Record":
        tarball, proof = said["tarball"], _object(said["proof"])
        is_old = proof.get("kind") == releases.IMPORT
        name = _name(said, is_old=is_old)
        if said["format"] != documents.FORMAT or str(name) != tarball["name"]:
            raise ValueError(tarball["name"])
        signature = said.get("signature")
        return cls(
            name=name,
            size=_size(tarball["size"]),
            sha256=_sha256(tarball["sha256"]),
            files=() if is_old else tuple(_file(name, file) for file in said["files"]),
            imported=tuple(_brought(file) for file in said["files"]) if is_old else (),
            archive=_object(said["archive"]),
            proof=proof,
            received=_moment(said["received"]),
            published=_moment(said["published"]) if "published" in said else None,
            signature=_signature(signature) if signature is not None else None,
            standing={what: _change(said[what]) for what in _CHANGES if what in said},
        )

    @property
    def is_imported(self) -> bool:
        """Say whether an old tree has brought it."""
        return self.proof.get("kind") == releases.IMPORT

    @property
    def is_quarantined(self) -> bool:
        """Say whether its release.json is all that there is of it."""
        return "quarantined" in self.standing

    @property
    def objects(self) -> dict[str, int | None]:
        """The keys of the release, each with its size, None where release.json does not say it."""
        if self.is_quarantined:
            return {paths.release_json_key(self.name): None}
        exts: dict[str, int | None] = {f"tar.{self.name.compression}": self.size}
        exts |= {file.ext: file.size for file in self.files}
        if not self.is_imported:
            exts["sha256sum"] = None
        if self.signature is not None:
            exts[paths.signature_ext(self.name)] = None
        found = {paths.release_key(self.name, ext): size for ext, size in exts.items()}
        found |= {paths.module_key(self.name.module, file.path): file.size for file in self.imported}
        return {**found, paths.release_json_key(self.name): None}

    def row(self, files: Mapping[str, ReleaseFile], signature: str | None) -> Release:
        """Return the row that was told of, in no session yet; *signature*: the text of the .asc."""
        return Release(
            module=Module(name=self.name.module, folded=self.name.module.lower(), created_at=self.received),
            version=self.name.version.text,
            compression=self.name.compression,
            size=self.size,
            sha256=self.sha256,
            archive=self.archive,
            proof=self.proof,
            claimed_at=self.received,
            published_at=self.published or self.received,
            visible_at=self.received if self.is_imported else None,
            directory=self.name.directory,
            imported=[_imported_row(file) for file in self.imported],
            files=[files[file.ext] for file in self.files],
            signature=self._signature_row(signature) if signature is not None else None,
            **self.changes,
        )

    @property
    def changes(self) -> dict[str, Any]:
        """What the row says of them, by the names of its columns."""
        yanked, unyanked, quarantined = (self.standing.get(what, (None, None)) for what in _CHANGES)
        return {
            "yanked_at": yanked[0],
            "unyanked_at": unyanked[0],
            "yank_reason": yanked[1] if yanked[1] is not None else unyanked[1],
            "quarantined_at": quarantined[0],
            "quarantine_reason": quarantined[1],
        }

    def _signature_row(self, text: str) -> ReleaseSignature | None:
        said = self.signature
        if said is None:
            return None
        return ReleaseSignature(
            text=text,
            fingerprint=said.fingerprint,
            signing_fingerprint=said.signing_fingerprint,
            signed_at=said.signed,
            added_at=said.added,
            published_at=said.added,
        )


def _imported_row(file: Brought) -> ImportedFile:
    """Return the row of a file that came along, which is of no module yet."""
    return ImportedFile(path=file.path, ext=file.ext, size=file.size, sha256=file.sha256, modified_at=file.modified)


def says_more(key: str, content: bytes, release: Release) -> bool:
    """Say whether *content*, under the key of *release*'s release.json, tells of a signature or a yank the row lacks.

    Then the row is the older of the two: a copy of the database was restored.
    """
    try:
        record = Record.parse(key, content)
    except Mismatch:
        return False
    is_signed = record.signature is not None and release.signature is None
    stands = set(record.standing) - set(documents.standing(release))
    # What was yanked, and offered again: the later of the two is told.
    is_changed = bool(stands) and _last(record.standing.values()) > _last(_standing_of(release))
    return record.sha256 == release.sha256 and (is_signed or is_changed)


def _standing_of(release: Release) -> list[tuple[datetime, str]]:
    return [_change(said) for said in documents.standing(release).values()]


def _last(changes: Collection[tuple[datetime, str]]) -> datetime:
    return max((at for at, _ in changes), default=datetime.min.replace(tzinfo=UTC))


def _change(said: dict[str, str]) -> tuple[datetime, str]:
    if not isinstance(said["reason"], str):
        raise TypeError(said)
    return _moment(said["at"]), said["reason"]


def _signature(said: dict[str, str]) -> SignatureFacts:
    moments = _moment(said["signed"]), _moment(said["added"])
    return SignatureFacts(said["fingerprint"], said["signing_fingerprint"], *moments)


def _name(said: dict[str, Any], *, is_old: bool) -> TarballName:
    """Return what the release is called; one of an old tree may lie elsewhere, or be compressed as nobody does now."""
    version, compression = Version.parse_imported(said["version"]), said["tarball"]["name"].rpartition(".tar.")[2]
    directory = None if said["series"] == version.series else said["series"]
    if is_old:
        if not _COMPRESSION.fullmatch(compression) or not (directory is None or _is_path(directory or "root")):
            raise ValueError(said["series"])
    elif compression not in COMPRESSIONS or directory is not None:
        raise ValueError(said["series"])
    return TarballName(said["module"], version, compression, directory)


def _is_path(said: str) -> bool:
    """Say whether *said* leads below the module's directory and nowhere else."""
    return all(_PART.fullmatch(part) for part in said.split("/"))


def _brought(said: dict[str, Any]) -> Brought:
    if not _is_path(said["path"]) or said["path"].rpartition("/")[2] != said["name"] or paths.is_mutable(said["path"]):
        raise ValueError(said["path"])
    if not _EXT.fullmatch(said["ext"]):
        raise ValueError(said["ext"])
    sizes = _size(said["size"]), _sha256(said["sha256"])
    return Brought(said["ext"], said["path"], *sizes, _moment(said["modified"]))


def _file(name: TarballName, said: dict[str, Any]) -> File:
    begin = f"{name.release}."
    if not said["name"].startswith(begin) or "/" in said["name"]:
        raise ValueError(said["name"])
    return File(said["name"].removeprefix(begin), _size(said["size"]), _sha256(said["sha256"]))


def _size(said: object) -> int:
    if type(said) is not int or said < 0:
        raise ValueError(said)
    return said


def _sha256(said: str) -> str:
    if len(said) != _SHA256 or not _LETTERS.issuperset(said):
        raise ValueError(said)
    return said


def _object(said: object) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise TypeError(said)
    return said


def _moment(said: str) -> datetime:
    return datetime.strptime(said, documents.MOMENT).replace(tzinfo=UTC)


def told_again(release: Release, content: bytes) -> None:
    """Hold that *release* tells exactly *content*.  (Raises: Mismatch.)"""
    if documents.release_json(release) != content:
        digest = checksum.digest(content)
        raise Mismatch(f"It (SHA-256 {digest}) tells what this service would not, or in other words.")
