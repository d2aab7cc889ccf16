"""What a registered public key must be: one certificate, strong, whole, and nobody else's (security G2, G3, G6).

`read` is our own reading, and starts no program; `register` asks gpg too, and refuses what cannot be used now;
`revoke` takes what an owner has revoked a registered key with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from release_service.errors import BadCertificate, CertificateNotUsable, SecretKeySent, WeakCertificate, shown
from release_service.openpgp import (
    Certificate,
    SigningKey,
    armour,
    binding,
    keys,
    listing,
    packets,
    signature,
    subpackets,
)
from release_service.openpgp.binding import MAY_SIGN, Binder, Own, Signed
from release_service.openpgp.detached import LEEWAY
from release_service.openpgp.keys import Key
from release_service.openpgp.malformed import Malformed, Weak
from release_service.openpgp.packets import Packet

MAX_BYTES = 64 * 1024
# As much stays free for the owner's revocation, which must never be too much.
_REVOCATION_BYTES = 16 * 1024
_MOST_PACKETS = 512
_MOST = {packets.USER_ID: 32, packets.USER_ATTRIBUTE: 4, packets.PUBLIC_SUBKEY: 32}
_SECRET = frozenset({packets.SECRET_KEY, packets.SECRET_SUBKEY})


@dataclass(frozen=True, slots=True)
class _UserId:
    text: str
    bound: Own
    kept: tuple[Packet, ...]


@dataclass(frozen=True, slots=True)
class _Subkey:
    key: SigningKey
    kept: tuple[Packet, ...]


def register(data: bytes, *, now: datetime, directory: Path | None = None) -> Certificate:
    """Return the certificate in *data*, if it may be registered: good by our reading and by gpg's, and usable *now*.

    (Raises: BadCertificate and its kinds; SignatureCheckUnavailable.)
    """
    found = read(data, now=now)
    _hold_size(found, MAX_BYTES - _REVOCATION_BYTES)
    if found.revoked:
        raise CertificateNotUsable("REVOKED", f"The key {found.fingerprint} was revoked by its owner.")
    if found.expires_at is not None and found.expires_at <= now:
        raise CertificateNotUsable("EXPIRED", f"The key {found.fingerprint} has expired at {found.expires_at:%F}.")
    if not any(not key.revoked and (key.expires_at is None or key.expires_at > now) for key in found.signing):
        raise CertificateNotUsable("NO_SIGNING_KEY", f"No part of the key {found.fingerprint} may sign now.")
    listing.check(found, directory=directory)
    return found


def revoked_by(data: bytes) -> str | None:
    """Return the fingerprint that a revocation without its key says it is by; None if *data* is anything else.

    Nothing is proven by that: `revoke` looks at the signature.
    """
    try:
        (sent,) = packets.read(armour.read(data, armour.PUBLIC_KEY), _MOST_PACKETS)
        if sent.tag != packets.SIGNATURE:
            return None
        return subpackets.fingerprint(signature.read(sent.body).hashed)
    except (Malformed, ValueError):
        return None


def revoke(known: Certificate, revocation: bytes, *, now: datetime) -> Certificate:
    """Return *known* as its owner's *revocation* leaves it: the one packet that gpg --gen-revoke writes.

    (Raises: BadCertificate.)
    """
    if len(revocation) > MAX_BYTES:
        raise BadCertificate("SIZE", f"It has more than {MAX_BYTES} bytes.")
    try:
        sent = packets.read(armour.read(revocation, armour.PUBLIC_KEY), _MOST_PACKETS)
        primary, *others = packets.read(known.packets, _MOST_PACKETS)
    except Malformed as malformed:
        raise BadCertificate(malformed.rule, malformed.detail) from None
    if [packet.tag for packet in sent] != [packets.SIGNATURE]:
        raise BadCertificate("REVOCATION", "It is not exactly one revocation.")
    found = read(b"".join(packets.write(packet) for packet in (primary, *sent, *others)), now=now)
    if not found.revoked:
        raise BadCertificate("REVOCATION", f"It does not revoke the key {known.fingerprint}.")
    return found


def read(data: bytes, *, now: datetime) -> Certificate:
    """Return the certificate in *data*, armoured or binary, also one that has expired or was revoked.

    *now* has a zone.  (Raises: BadCertificate, WeakCertificate, SecretKeySent.)
    """
    if len(data) > MAX_BYTES:
        raise BadCertificate("SIZE", f"It has more than {MAX_BYTES} bytes.")
    try:
        found = _certificate(_parts(packets.read(armour.read(data, armour.PUBLIC_KEY), _MOST_PACKETS)), now)
    except Weak as weak:
        raise WeakCertificate(weak.rule, weak.detail) from None
    except Malformed as malformed:
        kind = SecretKeySent if malformed.rule == "SECRET" else BadCertificate
        raise kind(malformed.rule, malformed.detail) from None
    _hold_size(found, MAX_BYTES)
    return found


def _hold_size(found: Certificate, most: int) -> None:
    """Hold that what is kept of it can be read again: it is kept in armour.  (Raises: BadCertificate.)"""
    size = armour.size(found.packets, armour.PUBLIC_KEY)
    if size > most:
        raise BadCertificate("SIZE", f"What would be kept of it, in armour, has {size} bytes; {most} are accepted.")


def _parts(found: Sequence[Packet]) -> list[Signed]:
    """Return the parts, the primary key first, each of a kind that belongs here.  (Raises: Malformed.)"""
    if secret := next((packet for packet in found if packet.tag in _SECRET), None):
        raise Malformed("SECRET", f"It holds {secret.name}.")
    if found[0].tag != packets.PUBLIC_KEY:
        raise Malformed("PACKETS", f"It begins with {found[0].name}, not with a public key.")
    for packet in found[1:]:
        if packet.tag == packets.PUBLIC_KEY:
            raise Malformed("SEVERAL", "It holds more than one public key; send one at a time.")
        if packet.tag != packets.SIGNATURE and packet.tag not in _MOST:
            raise Malformed("PACKETS", f"It holds {packet.name}, which does not belong into a public key.")
    for tag, most in _MOST.items():
        if sum(packet.tag == tag for packet in found) > most:
            raise Malformed("SIZE", f"It has more than {most} packets like {packets.NAMES[tag]}.")
    return binding.parts(found)


def _certificate(parts: Sequence[Signed], now: datetime) -> Certificate:
    primary = keys.read(parts[0].packet.body)
    primary.check()
    if primary.created_at > now + LEEWAY:
        raise Malformed("TIME", f"The key was made at {primary.created_at:%F %T} UTC, which is in the future.")
    binder = Binder(primary, now)
    revocation = _revocation(binder, parts[0])
    direct = binder.own(parts[0], binding.DIRECT, primary.signed_form)
    user_ids = list(_user_ids(binder, parts))
    if not user_ids:
        raise Malformed("USER_ID", "It has no user id that is not revoked.")
    bound = [user_id.bound for user_id in user_ids]
    expires_at = _expiry(primary, direct, bound)
    subkeys = list(_subkeys(binder, parts, expires_at))
    signing = [SigningKey(primary.fingerprint, primary.created_at, expires_at)] if _may_sign(direct, bound) else []
    first = [parts[0].packet, *(own.packet for own in (revocation, direct) if own)]
    rest = [packet for kept in [part.kept for part in user_ids] + [part.kept for part in subkeys] for packet in kept]
    return Certificate(
        fingerprint=primary.fingerprint,
        user_ids=tuple(shown(user_id.text) for user_id in user_ids),
        created_at=primary.created_at,
        expires_at=expires_at,
        revoked=revocation is not None,
        signing=(*signing, *(subkey.key for subkey in subkeys)),
        packets=b"".join(packets.write(packet) for packet in (*first, *rest)),
    )


def _revocation(binder: Binder, part: Signed) -> Own | None:
    found = binder.revocation(part, binding.REVOKED_KEY, binder.primary.signed_form)
    if found is None and any(packet.body[1:2] == b"\x20" for packet in part.signatures):
        raise Malformed("REVOCATION", "It holds a revocation by another key, which cannot be judged here.")
    return found


def _expiry(primary: Key, direct: Own | None, bound: Sequence[Own]) -> datetime | None:
    """Return when the certificate expires: by the direct signature, else by the newest user id that says so (GnuPG)."""
    newest_first = sorted(bound, key=lambda own: own.said.created_at, reverse=True)
    said = (own.expiry_of(primary) for own in (direct, *newest_first) if own)
    return next((expires_at for expires_at in said if expires_at), None)


def _may_sign(direct: Own | None, bound: Sequence[Own]) -> bool:
    """Say whether the primary key may sign: by the same signatures; where none says anything, it may not (sqv)."""
    newest_first = sorted(bound, key=lambda own: own.said.created_at, reverse=True)
    said = (own.flags for own in (direct, *newest_first) if own)
    return bool(next((flags for flags in said if flags is not None), 0) & MAY_SIGN)


def _user_ids(binder: Binder, parts: Sequence[Signed]) -> Iterator[_UserId]:
    for part in parts:
        if part.packet.tag != packets.USER_ID:
            continue
        data = binding.user_id_form(binder.primary, part.packet.body)
        revoked = binder.revocation(part, binding.REVOKED_USER_ID, data)
        if revoked is not None and not _renewed(binder, part, revoked, data):
            continue
        text = subpackets.check_text(part.packet.body, "A user id")
        bound = binder.own(part, binding.USER_ID_KINDS, data)
        if bound is None:
            raise Malformed("USER_ID", f"The user id {shown(text, 60)} has no signature of the key that is good now.")
        yield _UserId(text, bound, (part.packet, bound.packet))


def _renewed(binder: Binder, part: Signed, revoked: Own, data: bytes) -> bool:
    """Say whether a revoked user id was signed again later."""
    newest = binder.newest(part.signatures, binding.USER_ID_KINDS)
    if newest is None or newest.said.created_at <= revoked.said.created_at:
        return False
    return binder.own(part, binding.USER_ID_KINDS, data) is not None


def _subkeys(binder: Binder, parts: Sequence[Signed], primary_expires_at: datetime | None) -> Iterator[_Subkey]:
    """Return the subkeys for signing; the others are judged, too, and left out: nothing here needs them."""
    for part in parts:
        if part.packet.tag != packets.PUBLIC_SUBKEY:
            continue
        key = keys.read(part.packet.body)
        data = binder.primary.signed_form + key.signed_form
        revocation = binder.revocation(part, binding.REVOKED_SUBKEY, data)
        try:
            bound = _bound_for_signing(binder, part, key, data)
        except Malformed:
            if revocation is None:
                raise
            continue  # revoked, and of a time with other rules: nothing to publish
        if bound is None:
            continue
        ends = [end for end in (bound.expiry_of(key), primary_expires_at) if end]
        signing = SigningKey(key.fingerprint, key.created_at, min(ends, default=None), revocation is not None)
        kept = [part.packet, *([revocation.packet] if revocation else []), bound.packet]
        yield _Subkey(signing, tuple(kept))


def _bound_for_signing(binder: Binder, part: Signed, key: Key, data: bytes) -> Own | None:
    """Return the signature that binds *key* for signing, or None for a subkey for something else."""
    bound = binder.own(part, binding.SUBKEY, data)
    if bound is None:
        raise Malformed("BINDING", f"The subkey {key.fingerprint} is not bound to the key.")
    if not (bound.flags or 0) & MAY_SIGN:
        return None
    key.check()
    binder.check_back(bound, key)
    return bound
