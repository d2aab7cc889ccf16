"""The signatures that hold a certificate together, each verified: over user ids, over subkeys, back from subkeys.

Of each sort the newest counts, as in GnuPG, and it must be strong; the others are not looked at, and not published.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from release_service.openpgp import algorithms, packets, signature, subpackets
from release_service.openpgp.detached import LEEWAY
from release_service.openpgp.keys import Key
from release_service.openpgp.malformed import Malformed
from release_service.openpgp.packets import Packet
from release_service.openpgp.signature import SignaturePacket
from release_service.openpgp.subpackets import Subpacket

USER_ID_KINDS = frozenset({0x10, 0x11, 0x12, 0x13})
SUBKEY = frozenset({0x18})
DIRECT = frozenset({0x1F})
REVOKED_KEY = frozenset({0x20})
REVOKED_SUBKEY = frozenset({0x28})
REVOKED_USER_ID = frozenset({0x30})
_BACK = 0x19

MAY_SIGN = 0x02

# Creation to features (RFC 9580, 5.2.3.7); not notations, which nobody here understands.
_CRITICAL = frozenset({2, 3, 4, 5, 7, 9, 11, 12, 16, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34})


@dataclass(frozen=True, slots=True)
class Signed:
    """A part of a certificate (a key, a user id), and the signature packets that follow it."""

    packet: Packet
    signatures: tuple[Packet, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """A signature of the certificate's own, verified."""

    said: SignaturePacket

    @property
    def packet(self) -> Packet:
        """The packet anew, as it is published: what nobody has signed in it is its issuer, and a subkey's consent."""
        back = subpackets.only(self.said.unhashed, subpackets.EMBEDDED_SIGNATURE) if self.said.kind in SUBKEY else None
        if back is None:
            return Packet(packets.SIGNATURE, signature.rewritten(self.said))
        consent = Subpacket(
            subpackets.EMBEDDED_SIGNATURE, critical=False, body=signature.rewritten(signature.read(back))
        )
        return Packet(packets.SIGNATURE, signature.rewritten(self.said, consent))

    @property
    def flags(self) -> int | None:
        """What the key is for; None where nothing is said.  (Raises: Malformed.)"""
        body = subpackets.only(self.said.hashed, subpackets.KEY_FLAGS)
        return None if body is None else int.from_bytes(body[:1], "big")

    def expiry_of(self, key: Key) -> datetime | None:
        """Return when *key* expires by this; None where nothing is said.  (Raises: Malformed.)"""
        return subpackets.after(key.created_at, self.said.hashed, subpackets.KEY_EXPIRES_AFTER)


@dataclass(frozen=True, slots=True)
class Binder:
    """Verifies the signatures of one primary key, at one time."""

    primary: Key
    now: datetime

    def newest(self, signatures: Sequence[Packet], kinds: Collection[int]) -> Own | None:
        """Return the newest that says to be the primary key's, not verified, or None.  (Raises: Malformed.)"""
        found = [own for packet in signatures if (own := self._claimed(packet)) and own.said.kind in kinds]
        return max(found, key=lambda own: own.said.created_at, default=None)

    def own(self, part: Signed, kinds: Collection[int], data: bytes) -> Own | None:
        """Return the newest of the primary key's signatures of *kinds* on *part*, over *data*, or None.

        (Raises: Malformed, where it is not the primary key's, is too weak, or says what we do not understand.)
        """
        newest = self.newest(part.signatures, kinds)
        if newest is None:
            return None
        algorithms.digest_name(newest.said.digest)
        self._check(newest, data)
        subpackets.check_critical(newest.said.hashed + newest.said.unhashed, _CRITICAL)
        subpackets.check_texts(newest.said.hashed + newest.said.unhashed)
        expires_at = newest.said.expires_at
        return newest if expires_at is None or expires_at > self.now else None

    def revocation(self, part: Signed, kinds: Collection[int], data: bytes) -> Own | None:
        """Return the newest revocation of *part*, over *data*, by the primary key, or None.  (Raises: Malformed.)"""
        newest = self.newest(part.signatures, kinds)
        if newest is not None:
            self._check(newest, data)
        return newest

    def check_back(self, bound: Own, subkey: Key) -> None:
        """Hold that *subkey* itself agrees to be bound: else anybody could adopt it (G2).  (Raises: Malformed.)"""
        both = bound.said.hashed + bound.said.unhashed
        body = subpackets.only(both, subpackets.EMBEDDED_SIGNATURE)
        if body is None:
            raise Malformed("BACK_SIGNATURE", f"The signing subkey {subkey.fingerprint} has no back-signature.")
        back = signature.read(body)
        if back.kind != _BACK or not back.is_by(subkey.fingerprint):
            raise Malformed("BACK_SIGNATURE", f"The back-signature of {subkey.fingerprint} is not its own.")
        algorithms.digest_name(back.digest)
        subpackets.check_critical(back.hashed + back.unhashed, _CRITICAL)
        if not subkey.has_signed(back, self.primary.signed_form + subkey.signed_form):
            raise Malformed("BACK_SIGNATURE", f"The back-signature of {subkey.fingerprint} is not its own.")

    def _claimed(self, packet: Packet) -> Own | None:
        """Return the signature in *packet*, if it says to be the primary key's.  (Raises: Malformed.)"""
        if packet.body[:1] != bytes([signature.VERSION]):
            return None  # of the time before GnuPG; whatever needs it finds nothing
        said = signature.read(packet.body)
        return Own(said) if said.is_by(self.primary.fingerprint) else None

    def _check(self, own: Own, data: bytes) -> None:
        if own.said.created_at > self.now + LEEWAY:
            raise Malformed("TIME", f"A signature in it is of {own.said.created_at:%F %T} UTC, which is in the future.")
        if not self.primary.has_signed(own.said, data):
            kind = f"0x{own.said.kind:02x}"
            raise Malformed("SELF_SIGNATURE", f"A signature of type {kind} says to be the key's own, and is not.")


def user_id_form(primary: Key, user_id: bytes) -> bytes:
    """Return what a signature over *user_id* covers."""
    return primary.signed_form + b"\xb4" + len(user_id).to_bytes(4, "big") + user_id


def parts(found: Sequence[Packet]) -> list[Signed]:
    """Return the parts of a certificate, each with the signatures behind it; the first packet is none."""
    grouped: list[tuple[Packet, list[Packet]]] = []
    for packet in found:
        if packet.tag != packets.SIGNATURE:
            grouped.append((packet, []))
        else:
            grouped[-1][1].append(packet)
    return [Signed(packet, tuple(signatures)) for packet, signatures in grouped]
