"""Revocations: an owner's word that a key, or a subkey, signs no more.  Whoever brings it, and whatever comes with it.

A revocation proves itself: it is the revoked key's own signature.  So nothing that would keep a certificate from being
registered keeps a revocation out: it has expired, is too large, or is of a time with other rules.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from release_service.errors import BadCertificate
from release_service.openpgp import Certificate, armour, binding, certificate, keys, packets, signature, subpackets
from release_service.openpgp.binding import Binder, Signed
from release_service.openpgp.malformed import Malformed
from release_service.openpgp.packets import Packet


@dataclass(frozen=True, slots=True)
class Revocation:
    """Says to revoke the key `fingerprint`, all of it; `packet` is what `revoke` takes.

    `is_proven`: the key came along, and has made it.
    """

    fingerprint: str
    packet: bytes
    is_proven: bool


def find(data: bytes, *, now: datetime) -> Revocation | None:
    """Return the revocation of a key in *data*: right behind that key and proven, or alone; None if there is none.

    Of one that comes alone, as gpg --gen-revoke writes it, nothing is proven: `revoke` looks at the signature.
    """
    with suppress(Malformed):
        first, *others = certificate.unpacked(data)
        if first.tag == packets.SIGNATURE and not others:
            issuer = subpackets.fingerprint(signature.read(first.body).hashed)
            return Revocation(issuer, packets.write(first), is_proven=False) if issuer else None
        if first.tag == packets.PUBLIC_KEY:
            behind = takewhile(lambda packet: packet.tag == packets.SIGNATURE, others)
            return _proven(Binder(keys.read(first.body), now), first, behind)
    return None


def revoke(known: bytes, revocation: bytes, *, now: datetime) -> Certificate:
    """Return the certificate with the packets *known* as its owner's *revocation*, one packet, leaves it.

    (Raises: BadCertificate.)
    """
    try:
        sent, (primary, *others) = certificate.unpacked(revocation), certificate.unpacked(known)
    except Malformed as malformed:
        raise BadCertificate(malformed.rule, malformed.detail) from None
    if [packet.tag for packet in sent] != [packets.SIGNATURE]:
        raise BadCertificate("REVOCATION", "It is not exactly one revocation.")
    found = certificate.read(b"".join(map(packets.write, (primary, *sent, *others))), now=now)
    if not found.revoked:
        raise BadCertificate("REVOCATION", f"It does not revoke the key {found.fingerprint}.")
    return found


def carried_over(known: str, newer: Certificate, fingerprints: Collection[str]) -> str:
    """Return the certificate *known*, in armour, with the revocations of its subkeys *fingerprints* from *newer*."""
    told = {_fingerprint(part): part.signatures for part in binding.parts(certificate.unpacked(newer.packets))}
    kept: list[Packet] = []
    for part in binding.parts(certificate.unpacked(known.encode("ascii"))):
        is_meant = part.packet.tag == packets.PUBLIC_SUBKEY and _fingerprint(part) in fingerprints
        new = filter(_revokes_a_subkey, told.get(_fingerprint(part), ())) if is_meant else ()
        kept += [part.packet, *new, *part.signatures]
    return armour.write(b"".join(map(packets.write, kept)), armour.PUBLIC_KEY)


def _proven(binder: Binder, primary: Packet, behind: Iterable[Packet]) -> Revocation | None:
    for packet in behind:
        with suppress(Malformed):  # one that is forged does not hide a good one
            found = binder.revocation(Signed(primary, (packet,)), binding.REVOKED_KEY, binder.primary.signed_form)
            if found is not None:
                return Revocation(binder.primary.fingerprint, packets.write(found.packet), is_proven=True)
    return None


def _fingerprint(part: Signed) -> str:
    """Return the key's fingerprint; of a user id something else."""
    is_key = part.packet.tag in {packets.PUBLIC_KEY, packets.PUBLIC_SUBKEY}
    return keys.read(part.packet.body).fingerprint if is_key else ""


def _revokes_a_subkey(packet: Packet) -> bool:
    return signature.read(packet.body).kind in binding.REVOKED_SUBKEY
