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
from release_service.db.signing_keys import Entitled
from release_service.db.tables import Release, ReleaseSignature, SigningKey
from release_service.errors import Refused, SignatureNotTrusted, SigningKeyNotUsable, SigningKeyWaits, StoreUnavailable
from release_service.openpgp import Certificate, Signature, certificate, detached
from release_service.openpgp.verify import Window
from release_service.openpgp.verify import verify as verify_with
from release_service.receive import outages, private_file
from release_service.store import ReleaseStore

log = structlog.get_logger()

_NEWCOMER = (
    "Its owner has become a maintainer too lately.  Wait until then, let another maintainer sign, "
    "or ask an administrator to confirm that its owner maintains the module."
)


@dataclass(frozen=True, slots=True)
class SigningRules:
    """What this instance asks for.

    A new key waits for `cooling` before it may sign, unless another maintainer consents; a new maintainer's
    waits as long, whoever consents.  A signature was made not longer than `longest_ago` before it is sent (threat G7).
    """

    cooling: timedelta = timedelta(hours=72)
    longest_ago: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Moment:
    """The rules, and when they are asked about (UTC)."""

    rules: SigningRules
    now: datetime


@dataclass(frozen=True, slots=True)
class Offered:
    """A detached signature that was sent, and the certificates that may sign: the one that it names is among them."""

    found: Signature
    trusted: Sequence[Certificate]


def read(transactions: Transactions, module: str, data: bytes, moment: Moment) -> Offered:
    """Read a detached signature, which proves nothing yet: all that can be refused without the tarball is refused.

    (Raises: BadSignature and SignatureNotTrusted, with their kinds.)
    """
    found = detached.read(data, now=moment.now)
    with transactions.read() as session:
        return Offered(found, _trusted(session, module, found.issuer, moment))


def verify(offered: Offered, tarball: int | Path, moment: Moment) -> Signed:
    """Return what is published of the signature, if it is of *tarball*, a descriptor or a path.

    (Raises: BadSignature and SignatureNotTrusted, with their kinds; SignatureCheckUnavailable.)
    """
    good = verify_with(offered.found, tarball, offered.trusted, Window(moment.now, moment.rules.longest_ago))
    return Signed(detached.armoured(offered.found), good.fingerprint, good.signing_fingerprint, good.signed_at)


def confirm(session: Session, module: str, signing_fingerprint: str, moment: Moment) -> None:
    """Ask again in the act's own transaction: the key may have been removed since.  (Raises: SignatureNotTrusted.)"""
    _trusted(session, module, signing_fingerprint, moment)


def settle(session: Session, store: ReleaseStore, release: Release, signed: Signed | None, moment: Moment) -> None:
    """Let *release* have the signature that was taken first, if its key may still sign; else *signed*, if one came.

    What was taken, not published, and made with a key that may sign no more is taken back.  (Raises:
    SignatureNotTrusted, if the key of *signed* may not sign.)
    """
    name = releases.tarball_name(release)
    if signed is not None:
        confirm(session, name.module, signed.signing_fingerprint, moment)
    taken = signatures.hold(session, release)
    if taken is not None and taken.published_at is None and not _holds(session, name.module, taken, moment):
        log.warning("signature_taken_back", tarball=str(name), fingerprint=taken.signing_fingerprint)
        # Who died may have stored it.  Files are stored while the row is held, too: nobody can between these two.
        store.remove(paths.release_key(name, paths.signature_ext(name)))
        signatures.take_back(session, taken, signed, moment.now)
    if signed is not None:
        signatures.add(session, release, signed, moment.now)


def publish(session: Session, store: ReleaseStore, release: Release, moment: Moment) -> ReleaseSignature | None:
    """Store the signature that was taken, and let readers be told of it; return it, None if there is nothing to do.

    The row is held while the file is stored, and its key is asked about again: what `settle` takes back cannot be
    stored by somebody who is late.  (Raises: SignatureNotTrusted; Quarantined.)
    """
    name = releases.tarball_name(release)
    releases.hold_reachable(session, release)
    taken = signatures.hold(session, release)
    if taken is None or taken.published_at is not None:
        return None
    confirm(session, name.module, taken.signing_fingerprint, moment)
    store.add(paths.release_key(name, paths.signature_ext(name)), taken.text.encode("ascii"))
    taken.published_at = moment.now
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


def _holds(session: Session, module: str, taken: ReleaseSignature, moment: Moment) -> bool:
    try:
        confirm(session, module, taken.signing_fingerprint, moment)
    except SignatureNotTrusted:
        return False
    return True


def _trusted(session: Session, module: str, issuer: str, moment: Moment) -> list[Certificate]:
    """Return the certificate of a maintainer of *module* with the key *issuer*, which may sign for it."""
    now = moment.now
    theirs = signing_keys.entitled(session, module, moment.rules.cooling)
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
