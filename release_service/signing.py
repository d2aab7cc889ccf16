"""Who may sign for a module, and when: a signature is held against the keys of the module's maintainers."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from release_service.db import Transactions, signing_keys
from release_service.db.signatures import Signed
from release_service.db.signing_keys import Entitled
from release_service.db.tables import SigningKey
from release_service.errors import Refused, SignatureNotTrusted, SigningKeyNotUsable, SigningKeyWaits, StoreUnavailable
from release_service.openpgp import Certificate, certificate, detached
from release_service.openpgp.verify import Window
from release_service.openpgp.verify import verify as verify_with
from release_service.store import ReleaseStore

log = structlog.get_logger()

_NEWCOMER = (
    "Its owner has become a maintainer too lately.  Wait until then, let another maintainer sign, "
    "or ask an administrator to confirm that its owner maintains the module."
)


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
        trusted = _trusted(session, rules, offered.module, found.issuer, now)
    good = verify_with(found, offered.tarball, trusted, Window(now, rules.longest_ago))
    return Signed(detached.armoured(found), good.fingerprint, good.signing_fingerprint, good.signed_at)


def confirm(session: Session, rules: SigningRules, module: str, signed: Signed, now: datetime) -> None:
    """Ask again in the claim's transaction: the key may have been removed since.  (Raises: SignatureNotTrusted.)"""
    _trusted(session, rules, module, signed.signing_fingerprint, now)


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


def _trusted(session: Session, rules: SigningRules, module: str, issuer: str, now: datetime) -> list[Certificate]:
    """Return the certificate of a maintainer of *module* with the key *issuer*, which may sign for it."""
    theirs = signing_keys.entitled(session, module, rules.cooling)
    meant = [one for one in theirs if one.state(now) == signing_keys.USABLE and issuer in one.key.signing_fingerprints]
    is_revoked = any(
        signing_keys.is_revoked(session, one.key.fingerprint, issuer) for one in theirs if _names(one, issuer)
    )
    found = [] if is_revoked else [read for one in meant if (read := _readable(one.key, now))]
    if not found:
        raise _refusal(theirs, module, issuer, now)
    return found[:1]


def _names(one: Entitled, issuer: str) -> bool:
    """Say whether *issuer* is the key, or a part of it that signs or has signed."""
    return issuer in {one.key.fingerprint, *one.key.signing_fingerprints, *one.key.revoked_fingerprints}


def _refusal(theirs: Sequence[Entitled], module: str, issuer: str, now: datetime) -> Refused:
    named = sorted((one for one in theirs if _names(one, issuer)), key=lambda one: one.may_sign_from)
    for one in named:
        if one.state(now) == signing_keys.WAITING:
            return SigningKeyWaits(
                f"The key {one.key.fingerprint} may sign for {module} from {one.may_sign_from:%F %R} UTC on.",
                remedy=_NEWCOMER if one.is_newcomers else None,
            )
    if named:
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
