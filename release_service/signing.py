"""Who may sign for a module, and when: a signature is held against the keys of the module's maintainers."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import structlog
from sqlalchemy.orm import Session

from release_service import paths
from release_service.db import Transactions, releases, signatures, signing_keys
from release_service.db.signatures import Signed
from release_service.db.tables import Release, ReleaseSignature, SigningKey
from release_service.errors import Refused, SignatureNotTrusted, SigningKeyNotUsable, SigningKeyWaits, StoreUnavailable
from release_service.openpgp import Certificate, Signature, certificate, detached
from release_service.openpgp.verify import Window
from release_service.openpgp.verify import verify as verify_with
from release_service.receive import outages, private_file
from release_service.store import ReleaseStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SigningRules:
    """What this instance asks for.

    A new key waits for `cooling` before it may sign, unless another maintainer consents; a
    signature was made not longer than `longest_ago` before it is sent (threat G7).
    """

    cooling: timedelta = timedelta(hours=72)
    longest_ago: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Offered:
    """A detached signature that was sent, and the certificates that may sign: the one that it names is among them."""

    found: Signature
    trusted: Sequence[Certificate]


def read(transactions: Transactions, module: str, data: bytes, now: datetime) -> Offered:
    """Read a detached signature, which proves nothing yet: all that can be refused without the tarball is refused.

    (Raises: BadSignature and SignatureNotTrusted, with their kinds.)
    """
    found = detached.read(data, now=now)
    with transactions.read() as session:
        return Offered(found, _trusted(session, module, found.issuer, now))


def verify(offered: Offered, tarball: int | Path, rules: SigningRules, now: datetime) -> Signed:
    """Return what is published of the signature, if it is of *tarball*, a descriptor or a path.

    (Raises: BadSignature and SignatureNotTrusted, with their kinds; SignatureCheckUnavailable.)
    """
    good = verify_with(offered.found, tarball, offered.trusted, Window(now, rules.longest_ago))
    return Signed(detached.armoured(offered.found), good.fingerprint, good.signing_fingerprint, good.signed_at)


def confirm(session: Session, module: str, signing_fingerprint: str, now: datetime) -> None:
    """Ask again in the act's own transaction: the key may have been removed since.  (Raises: SignatureNotTrusted.)"""
    _trusted(session, module, signing_fingerprint, now)


def settle(session: Session, store: ReleaseStore, release: Release, signed: Signed | None, now: datetime) -> None:
    """Let *release* have the signature that was taken first, if its key may still sign; else *signed*, if one came.

    What was taken, not published, and made with a key that may sign no more is taken back.  (Raises:
    SignatureNotTrusted, if the key of *signed* may not sign.)
    """
    name = releases.tarball_name(release)
    if signed is not None:
        confirm(session, name.module, signed.signing_fingerprint, now)
    taken = signatures.hold(session, release)
    if taken is not None and taken.published_at is None and not _holds(session, name.module, taken, now):
        log.warning("signature_taken_back", tarball=str(name), fingerprint=taken.signing_fingerprint)
        # Who died may have stored it.  Files are stored while the row is held, too: nobody can between these two.
        store.remove(paths.release_key(name, paths.signature_ext(name)))
        signatures.take_back(session, taken, signed, now)
    if signed is not None:
        signatures.add(session, release, signed, now)


def publish(session: Session, store: ReleaseStore, release: Release, now: datetime) -> ReleaseSignature | None:
    """Store the signature that was taken, and let readers be told of it; return it, None if there is nothing to do.

    The row is held while the file is stored, and its key is asked about again: what `settle` takes back cannot be
    stored by somebody who is late.  (Raises: SignatureNotTrusted.)
    """
    name = releases.tarball_name(release)
    taken = signatures.hold(session, release)
    if taken is None or taken.published_at is not None:
        return None
    confirm(session, name.module, taken.signing_fingerprint, now)
    store.add(paths.release_key(name, paths.signature_ext(name)), taken.text.encode("ascii"))
    taken.published_at = now
    session.flush()
    return taken


@contextmanager
def stored(store: ReleaseStore, key: str, sha256: str, staging: Path) -> Iterator[int]:
    """Give a descriptor of the stored tarball, in a nameless file in *staging*, held against what was received once."""
    with private_file(staging) as file:
        digest = _copy(store, key, file)
        if digest != sha256:
            log.error("stored_bytes_differ", key=key, sha256=digest, expected=sha256)
            raise StoreUnavailable(f"{key} does not hold the bytes that were published.")
        yield file.fileno()


def _copy(store: ReleaseStore, key: str, file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for piece in store.pieces(key):
        digest.update(piece)
        left = memoryview(piece)
        while left:
            with outages():
                left = left[file.write(left) :]
    return digest.hexdigest()


def _holds(session: Session, module: str, taken: ReleaseSignature, now: datetime) -> bool:
    try:
        confirm(session, module, taken.signing_fingerprint, now)
    except SignatureNotTrusted:
        return False
    return True


def _trusted(session: Session, module: str, issuer: str, now: datetime) -> list[Certificate]:
    """Return the certificates that may sign for *module*, *issuer* among them."""
    keys = signing_keys.of_unblocked(session, module)
    usable = [key for key in keys if signing_keys.state(key, now) == signing_keys.USABLE]
    is_revoked = any(issuer in key.revoked_fingerprints for key in keys)
    if is_revoked or not any(issuer in key.signing_fingerprints for key in usable):
        raise _refusal(keys, module, issuer, now)
    found = {key.fingerprint: read for key in usable if (read := _readable(key, now))}
    return list(found.values())


def _refusal(keys: list[SigningKey], module: str, issuer: str, now: datetime) -> Refused:
    for key in keys:
        if issuer in {key.fingerprint, *key.signing_fingerprints, *key.revoked_fingerprints}:
            if signing_keys.state(key, now) == signing_keys.WAITING:
                return SigningKeyWaits(f"The key {key.fingerprint} may sign from {key.may_sign_from:%F %R} UTC on.")
            return SigningKeyNotUsable(f"The key {issuer} has expired, or was revoked.")
    return SignatureNotTrusted(
        f"It says that the key {issuer} made it, which is no registered key of a maintainer of {module}."
    )


def _readable(key: SigningKey, now: datetime) -> Certificate | None:
    """Return the certificate, None if it has become unreadable: one that ages must not keep the others from signing."""
    try:
        return certificate.read(key.certificate.encode("ascii"), now=now)
    except Refused:
        return None
