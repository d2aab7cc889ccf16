"""The keyrings of the tree: their keys are registered again as what verifies, and signs nothing.

Whose a key is, and who maintains what, is not in the bucket.  So the keys of a module's keyring get an owner who is
nobody, and were removed before they could sign: they stay in the keyring, their revocations are known, and
their owners register them anew.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from release_service import paths
from release_service.db import persons, signing_keys
from release_service.db.tables import SigningKey
from release_service.errors import Refused
from release_service.openpgp import Certificate, armour, certificate, packets
from release_service.openpgp.malformed import Malformed
from release_service.repair.record import Mismatch
from release_service.store import ReleaseStore

_MOST_PACKETS = 50_000


def read(store: ReleaseStore, module: str, now: datetime) -> Sequence[tuple[bytes, Certificate]]:
    """Return the certificates in *module*'s published keyring, each with its packets as they are there.

    (Raises: Mismatch, if it cannot be read; StoreUnavailable.)
    """
    document = store.read(paths.keyring_key(module))
    if document is None:
        return []
    try:
        found = packets.read(armour.read(document.content, armour.PUBLIC_KEY), _MOST_PACKETS)
        parts: list[bytes] = []
        for packet in found:
            parts += [b""] if packet.tag == packets.PUBLIC_KEY or not parts else []
            parts[-1] += packets.write(packet)
        return [(part, certificate.read(part, now=now)) for part in parts]
    except (Malformed, Refused) as error:
        raise Mismatch(f"{paths.keyring_key(module)} is no keyring ({type(error).__name__}).") from None


def register(session: Session, module: str, ring: Sequence[tuple[bytes, Certificate]], now: datetime) -> list[str]:
    """Register those of *ring* that no person has, for *module*; return their fingerprints."""
    new = [(part, one) for part, one in ring if not _is_known(session, module, one.fingerprint)]
    if new:
        nobody = persons.ensure(session, *signing_keys.nobody(module), "")
        session.add_all(_row(nobody.id, part, one, now) for part, one in new)
    return [one.fingerprint for _, one in new]


def _is_known(session: Session, module: str, fingerprint: str) -> bool:
    """Say whether a real person has registered the key, or it was kept for *module* before."""
    owners = {(key.person.issuer, key.person.subject) for key in signing_keys.registered(session, fingerprint)}
    return any(issuer for issuer, _ in owners) or signing_keys.nobody(module) in owners


def _row(person_id: int, part: bytes, found: Certificate, now: datetime) -> SigningKey:
    ends = [key.expires_at for key in found.signing if not key.revoked]
    return SigningKey(
        person_id=person_id,
        fingerprint=found.fingerprint,
        certificate=armour.write(part, armour.PUBLIC_KEY),
        signing_fingerprints=list(found.signing_fingerprints),
        revoked_fingerprints=sorted(key.fingerprint for key in found.signing if key.revoked),
        user_id=(found.user_ids or ("",))[0][:255],
        added_at=now,
        may_sign_from=now,
        expires_at=None if None in ends else max((end for end in ends if end), default=now),
        removed_at=now,
        revoked_at=now if found.revoked else None,
    )
