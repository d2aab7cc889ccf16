"""What a registered public key must be: one certificate, strong, whole, and nobody else's (security G2, G3, G6).

`read` is our own reading, and starts no program; `register` asks gpg too, and refuses what cannot be used now.  An
owner's revocation comes before all that: `revocation`.
"""

from collections.abc import Collection, Iterator, Sequence
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
    subpackets,
)
from release_service.openpgp.binding import MAY_SIGN, Binder, Own, Signed
from release_service.openpgp.detached import LEEWAY
from release_service.openpgp.keys import Key
from release_service.openpgp.malformed import Malformed, Outdated, Weak
from release_service.openpgp.packets import Packet

# Of the packets, so that what was read is read again: the armour that it is kept in is a third longer.
MAX_BYTES = 64 * 1024
_MAX_SENT_BYTES = 2 * MAX_BYTES
_MOST_PACKETS = 512
_MOST = {packets.USER_ID: 32, packets.USER_ATTRIBUTE: 4, packets.PUBLIC_SUBKEY: 32}
# Of what is kept and published of one certificate: 20 of them are read and written in every keyring.
MAX_KEPT_BYTES = 16 * 1024
_FOR_REVOCATIONS = 4 * 1024
_TOO_LARGE = (
    "Leave out the user ids that you do not need here: gpg --armor --export-options export-minimal "
    "--export-filter keep-uid=mbox=YOUR@ADDRESS --export FINGERPRINT; and revoke or delete subkeys that sign no more."
)
_NO_USER_ID = (
    "Export it from your own gpg (gpg --armor --export FINGERPRINT), or, if it is from keys.openpgp.org, "
    "verify your address there first: without that it gives keys away without user ids."
)
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


def register(data: bytes, *, now: datetime, known: Collection[str] = (), directory: Path | None = None) -> Certificate:
    """Return the certificate in *data*, if it may be registered: good by our reading and by gpg's, and usable *now*.

    One whose fingerprint is *known*, because it is registered, need not be usable: that it is so no more must be heard.
    (Raises: BadCertificate and its kinds; SignatureCheckUnavailable.)
    """
    found = read(data, now=now)
    is_known = found.fingerprint in known
    if found.revoked or not is_known:
        refuse_unusable(found, now)
    most = MAX_KEPT_BYTES + (_FOR_REVOCATIONS if is_known else 0)
    if len(found.packets) > most:
        size = f"What is needed to verify with it has {len(found.packets)} bytes"
        raise BadCertificate("SIZE", f"{size}; {most} are accepted.", remedy=_TOO_LARGE)
    listing.check(found, directory=directory)
    return found


def is_usable(found: Certificate, now: datetime) -> bool:
    """Say whether a part of *found* may sign now."""
    parts = () if found.revoked else found.signing
    return any(not key.revoked and (key.expires_at is None or key.expires_at > now) for key in parts)


def refuse_unusable(found: Certificate, now: datetime) -> None:
    """Hold that a part of *found* may sign now: it is not revoked or expired.  (Raises: CertificateNotUsable.)"""
    if found.revoked:
        raise CertificateNotUsable("REVOKED", f"The key {found.fingerprint} was revoked by its owner.")
    if found.expires_at is not None and found.expires_at <= now:
        raise CertificateNotUsable("EXPIRED", f"The key {found.fingerprint} has expired at {found.expires_at:%F}.")
    if not is_usable(found, now):
        raise CertificateNotUsable("NO_SIGNING_KEY", f"No part of the key {found.fingerprint} may sign now.")


def read(data: bytes, *, now: datetime) -> Certificate:
    """Return the certificate in *data*, armoured or binary, also one that has expired or was revoked.

    *now* has a zone.  (Raises: BadCertificate, WeakCertificate, SecretKeySent.)
    """
    try:
        return _certificate(_parts(unpacked(data)), now)
    except Weak as weak:
        raise WeakCertificate(weak.rule, weak.detail) from None
    except Malformed as malformed:
        kind = SecretKeySent if malformed.rule == "SECRET" else BadCertificate
        raise kind(malformed.rule, malformed.detail, remedy=malformed.remedy) from None


def unpacked(data: bytes) -> list[Packet]:
    """Return the packets in *data*, armoured or binary: not too many, and not none.  (Raises: Malformed.)"""
    found = armour.read(data, armour.PUBLIC_KEY) if len(data) <= _MAX_SENT_BYTES else data
    if len(found) > MAX_BYTES:
        raise Malformed("SIZE", f"It has more than {MAX_BYTES} bytes.")
    return packets.read(found, _MOST_PACKETS)


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
    if revocation is not None:
        parts = [Signed(parts[0].packet, ()), *(part for part in parts[1:] if _is_whole(binder, part))]
    direct = binder.own(parts[0], binding.DIRECT, primary.signed_form)
    user_ids = _user_ids(binder, parts)
    if not user_ids and revocation is None:
        raise Malformed("USER_ID", "It has no user id that is not revoked.", remedy=_NO_USER_ID)
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


def _is_whole(binder: Binder, part: Signed) -> bool:
    """Say whether *part* of a key that is revoked can be kept: what cannot be must not keep the revocation out."""
    try:
        bound = [user_id.bound for user_id in _user_ids(binder, [part])]
        _expiry(binder.primary, None, bound)
        _may_sign(None, bound)
        list(_subkeys(binder, [part], None))
    except Malformed:
        return False
    return True


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


def _user_ids(binder: Binder, parts: Sequence[Signed]) -> list[_UserId]:
    """Return the user ids that are not revoked, without outdated ones where another is good.  (Raises: Malformed.)"""
    found: list[_UserId] = []
    outdated: Outdated | None = None
    for part in parts:
        if part.packet.tag != packets.USER_ID:
            continue
        data = binding.user_id_form(binder.primary, part.packet.body)
        revoked = binder.revocation(part, binding.REVOKED_USER_ID, data)
        if revoked is not None and not _renewed(binder, part, revoked, data):
            continue
        try:
            found.append(_user_id(binder, part, data))
        except Outdated as reason:
            outdated = outdated or reason
    if outdated is not None and not found:
        raise outdated
    return found


def _user_id(binder: Binder, part: Signed, data: bytes) -> _UserId:
    text = subpackets.check_text(part.packet.body, "A user id")
    bound = binder.own(part, binding.USER_ID_KINDS, data)
    if bound is None:
        is_signed = binder.newest(part.signatures, binding.USER_ID_KINDS) is not None
        reason = "USER_ID", f"The user id {shown(text, 60)} has no signature of the key that is good now."
        raise Outdated(*reason) if is_signed else Malformed(*reason)
    return _UserId(text, bound, (part.packet, bound.packet))


def _renewed(binder: Binder, part: Signed, revoked: Own, data: bytes) -> bool:
    """Say whether a revoked user id was signed again later."""
    newest = binder.newest(part.signatures, binding.USER_ID_KINDS)
    if newest is None or newest.said.created_at <= revoked.said.created_at:
        return False
    return binder.own(part, binding.USER_ID_KINDS, data) is not None


def _subkeys(binder: Binder, parts: Sequence[Signed], primary_expires_at: datetime | None) -> Iterator[_Subkey]:
    """Return the subkeys for signing; the others are left out, however they are bound: nothing here needs them."""
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
    newest = binder.newest(part.signatures, binding.SUBKEY)
    if newest is not None and not (newest.flags or 0) & MAY_SIGN:
        return None
    bound = binder.own(part, binding.SUBKEY, data)
    if bound is None:
        raise Malformed("BINDING", f"The subkey {key.fingerprint} is not bound to the key.")
    key.check()
    binder.check_back(bound, key)
    return bound
