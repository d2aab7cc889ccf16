"""Who may sign for a module, and when: a signature is held against the keys of the module's maintainers."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from release_service.db import Transactions, signing_keys
from release_service.db.signatures import Signed
from release_service.db.tables import SigningKey
from release_service.errors import Refused, SignatureNotTrusted, SigningKeyNotUsable, SigningKeyWaits, StoreUnavailable
from release_service.openpgp import Certificate, certificate, detached
from release_service.openpgp.verify import Window
from release_service.openpgp.verify import verify as verify_with
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
    """A detached signature as it was sent, and the tarball (a descriptor or a path) of *module* that it is of."""

    module: str
    data: bytes
    tarball: int | Path


def verify(transactions: Transactions, rules: SigningRules, offered: Offered, now: datetime) -> Signed:
    """Return what is published of the signature, if a key that may sign for the module has made it.

    (Raises: BadSignature and SignatureNotTrusted, with their kinds; SignatureCheckUnavailable.)
    """
    found = detached.read(offered.data, now=now)
    with transactions.read() as session:
        trusted = _trusted(session, offered.module, found.issuer, now)
    good = verify_with(found, offered.tarball, trusted, Window(now, rules.longest_ago))
    return Signed(detached.armoured(found), good.fingerprint, good.signing_fingerprint, good.signed_at)


def confirm(session: Session, module: str, signed: Signed, now: datetime) -> None:
    """Ask again in the claim's transaction: the key may have been removed since.  (Raises: SignatureNotTrusted.)"""
    _trusted(session, module, signed.signing_fingerprint, now)


@contextmanager
def stored(store: ReleaseStore, key: str, sha256: str) -> Iterator[int]:
    """Give a descriptor of the stored tarball, in a private file; it is held against what was received once."""
    with tempfile.TemporaryFile() as file:
        digest = hashlib.sha256()
        for piece in store.pieces(key):
            digest.update(piece)
            file.write(piece)
        file.flush()
        if digest.hexdigest() != sha256:
            log.error("stored_bytes_differ", key=key, sha256=digest.hexdigest(), expected=sha256)
            raise StoreUnavailable(f"{key} does not hold the bytes that were published.")
        yield file.fileno()


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
