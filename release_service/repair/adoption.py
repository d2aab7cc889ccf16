"""A release that only the bucket knows is taken into the database, if all that lies there agrees.

Its release.json says what should be there.  Every object that it names is read: the tarball, too, once, into a
private file, because NEWS, ChangeLog and the listing are in the database alone, and are found inside again.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from release_service import checksum, documents, paths
from release_service.archive.inspector import WholeFiles
from release_service.db import audit, releases, restored
from release_service.db.audit import Act
from release_service.db.tables import Release
from release_service.db.tables.releases import ReleaseFile
from release_service.errors import BadSignature, Refused, SigningKeyNotUsable, StoreUnavailable
from release_service.identity import Uploader
from release_service.openpgp import Certificate, detached
from release_service.openpgp.verify import Window, verify
from release_service.publish import Service
from release_service.receive import outages, private_file
from release_service.repair import rings
from release_service.repair.record import Mismatch, Record, told_again
from release_service.store import ReleaseStore, Stored

LISTING = "listing_sha256"
_GONE = zlib.compress(b"")
Ring = Sequence[tuple[bytes, Certificate]]


@dataclass(frozen=True, slots=True)
class Adopter:
    """What adopting needs: whose act it is, and who looks into the tarballs."""

    service: Service
    by: Uploader
    inspector: WholeFiles


@dataclass(frozen=True, slots=True)
class Adoptable:
    """A release whose objects agree: its row, in no session yet, its texts, and the keyring of its module."""

    record: Record
    document_sha256: str
    row: Release
    texts: Mapping[str, bytes] = field(repr=False)
    ring: Ring = field(repr=False)


def examine(adopter: Adopter, key: str, there: Mapping[str, Stored]) -> Adoptable:
    """Hold what lies in the store against the release.json under *key*; *there*: what is listed of the module.

    (Raises: Mismatch; Unavailable, if a part of ours does not answer.)
    """
    try:
        return _examine(adopter, key, there)
    except StoreUnavailable as outage:
        next(iter(adopter.service.store.keys(key)), None)  # a store that does not answer at all raises here
        raise Mismatch(f"Something cannot be read: {outage.detail}") from None


def _examine(adopter: Adopter, key: str, there: Mapping[str, Stored]) -> Adoptable:
    service = adopter.service
    document = _read(service.store, key)
    record = Record.parse(key, document)
    _is_there(record, there)
    if record.is_quarantined:
        return _examine_tombstone(record, document)
    row = record.row(_files(service.store, record), _signature_text(service.store, record))
    told_again(row, document)
    _came_along(service.store, record)
    sums = paths.release_key(record.name, "sha256sum")
    if not record.is_imported and _read(service.store, sums) != documents.beside(row)[-1][sums]:
        raise Mismatch(f"{sums} says something else.")
    ring = _ring(service, record)
    with private_file(service.staging) as tarball:
        _fetch(service.store, record, tarball)
        _is_signed(adopter, record, row, ring, tarball)
        texts = _texts(adopter, record, tarball)
    return Adoptable(record, checksum.digest(document), row, texts, ring)


def _examine_tombstone(record: Record, document: bytes) -> Adoptable:
    """Take a quarantined release at its word: of the files themselves nothing is left, and nothing is published."""
    files = {
        said.ext: ReleaseFile(ext=said.ext, sha256=said.sha256, size=said.size, deflated=_GONE) for said in record.files
    }
    row = record.row(files, "" if record.signature else None)
    told_again(row, document)
    return Adoptable(record, checksum.digest(document), row, {}, ())


def adopt(adopter: Adopter, found: Adoptable, act: str) -> None:
    """Write the rows of *found*, the keys of its module's keyring, and the audit row, in one commit.

    (Raises: Mismatch, if the database knows better.)
    """
    now, name = adopter.service.now(), found.record.name
    try:
        with adopter.service.transactions.begin() as session:
            restored.insert(session, found.row, found.texts)
            _keep_ring(session, found, adopter)
            told = Act(act, adopter.by, "", name.module, name.version.text, found.record.sha256)
            detail = {"release_json": found.document_sha256, "size": found.record.size, "proof": found.record.proof}
            audit.record(session, told, audit.ACCEPTED, "release_adopted", now, **detail)
    except Refused as refusal:
        raise Mismatch(f"{refusal.title}: {refusal.detail}") from None
    except IntegrityError:
        raise Mismatch("The database has just got something else in its place.") from None


def adopt_changes(adopter: Adopter, found: Adoptable, act: str) -> None:
    """Give the release that the database knows the signature, the yank or the quarantine that the bucket tells of.

    (Raises: Mismatch.)
    """
    now, name, signature = adopter.service.now(), found.record.name, found.row.signature
    with adopter.service.transactions.begin() as session:
        row = releases.held(session, name)
        if row.sha256 != found.record.sha256:
            raise Mismatch("The database knows other bytes.")
        told = Act(act, adopter.by, "", name.module, name.version.text, row.sha256)
        if signature is not None and row.signature is None:
            restored.sign(session, row, signature)
            _keep_ring(session, found, adopter)
            detail = {"release_json": found.document_sha256, "fingerprint": signature.fingerprint}
            audit.record(session, told, audit.ACCEPTED, "signature_adopted", now, **detail)
        if found.record.standing:
            for column, value in found.record.changes.items():
                setattr(row, column, value)
            detail = {"release_json": found.document_sha256, "standing": ", ".join(found.record.standing)}
            audit.record(session, told, audit.ACCEPTED, "standing_adopted", now, **detail)


def _keep_ring(session: Session, found: Adoptable, adopter: Adopter) -> None:
    name, now = found.record.name, adopter.service.now()
    if new := rings.register(session, name.module, found.ring, now):
        act = Act("reconcile", adopter.by, "", name.module)
        audit.record(session, act, audit.ACCEPTED, "keyring_adopted", now, fingerprints=new)


def _ring(service: Service, record: Record) -> Ring:
    """Return the module's keyring; a broken one, which nobody can use, only matters to what is signed."""
    try:
        return rings.read(service.store, record.name.module, service.now())
    except Mismatch:
        if record.signature is not None:
            raise
        return ()


def _is_there(record: Record, there: Mapping[str, Stored]) -> None:
    for key, size in record.objects.items():
        if key not in there:
            raise Mismatch(f"{key} is missing.")
        if size is not None and there[key].size != size:
            raise Mismatch(f"{key} has {there[key].size} bytes, and should have {size}.")


def _files(store: ReleaseStore, record: Record) -> dict[str, ReleaseFile]:
    files = {}
    for said in record.files:
        key = paths.release_key(record.name, said.ext)
        files[said.ext] = releases.file_row(said.ext, _read(store, key))
        if files[said.ext].sha256 != said.sha256:
            raise Mismatch(f"{key} has SHA-256 {files[said.ext].sha256}, and should have {said.sha256}.")
    return files


def _came_along(store: ReleaseStore, record: Record) -> None:
    """Hold what an old tree has brought with the tarball against its digests."""
    for said in record.imported:
        key = paths.module_key(record.name.module, said.path)
        if store.digest(key) != (said.size, said.sha256):
            raise Mismatch(f"{key} does not have SHA-256 {said.sha256}.")


def _signature_text(store: ReleaseStore, record: Record) -> str | None:
    if record.signature is None:
        return None
    key = paths.release_key(record.name, paths.signature_ext(record.name))
    return _read(store, key).decode("ascii", "replace")


def _read(store: ReleaseStore, key: str) -> bytes:
    document = store.read(key)
    if document is None:
        raise Mismatch(f"{key} is missing.")
    return document.content


def _fetch(store: ReleaseStore, record: Record, tarball: BinaryIO) -> None:
    """Copy the tarball, and hold it against its digest."""
    digest, key = hashlib.sha256(), paths.tarball_key(record.name)
    for piece in store.pieces(key):
        digest.update(piece)
        left = memoryview(piece)
        while left:
            with outages():
                left = left[tarball.write(left) :]
    if digest.hexdigest() != record.sha256:
        raise Mismatch(f"{key} has SHA-256 {digest.hexdigest()}, and should have {record.sha256}.")


def _is_signed(
    adopter: Adopter,
    record: Record,
    row: Release,
    ring: Ring,
    tarball: BinaryIO,
) -> None:
    """Hold the signature against the module's published keyring.

    gpgv and sqv judge by today: a key that was extended, has expired or was revoked since was good then; of its
    signature only the form and the names are held against what release.json says.
    """
    if row.signature is None or record.signature is None:
        return
    said, now = record.signature, adopter.service.now()
    try:
        found = detached.read(row.signature.text.encode("ascii", "replace"), now=now)
        if detached.armoured(found) != row.signature.text:
            raise Mismatch("The signature is not in the form that this service writes.")
        names = found.issuer, found.created_at.replace(microsecond=0)
        if names != (said.signing_fingerprint, said.signed):
            raise Mismatch("The signature is not the one that release.json tells of.")
        trusted = [one for _, one in ring if one.fingerprint == said.fingerprint]
        verify(found, tarball.fileno(), trusted, Window(now), directory=adopter.service.staging)
    except SigningKeyNotUsable:
        pass
    except Refused as refusal:
        if isinstance(refusal, BadSignature) and refusal.rule == "OPINIONS":
            return
        raise Mismatch(f"The signature does not hold: {refusal.title}. {refusal.detail}") from None


def _texts(adopter: Adopter, record: Record, tarball: BinaryIO) -> dict[str, bytes]:
    """Return NEWS, ChangeLog and the listing, which must have the digest that release.json says (docs/decisions/0014).

    What was never inspected has none.
    """
    if LISTING not in record.archive:
        return {}
    try:
        found = adopter.inspector.inspect(record.name, tarball.fileno())
    except Refused as refusal:
        raise Mismatch(f"{record.name} is not accepted any more: {refusal.detail}") from None
    if {**record.archive, "warnings": []} != {**documents.archive(found), "warnings": []}:
        raise Mismatch(f"{record.name} does not hold what release.json says.")
    return {**found.texts, releases.LISTING: found.listing}
