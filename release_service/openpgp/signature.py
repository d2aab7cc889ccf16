"""Signature packets of version 4 (RFC 9580, section 5.2.3), of whatever type."""

from dataclasses import dataclass, field
from datetime import datetime

from release_service.openpgp import subpackets
from release_service.openpgp.malformed import Malformed
from release_service.openpgp.packets import Octets
from release_service.openpgp.subpackets import Subpacket

VERSION = 4
_OTHER_VERSIONS = {
    2: "2 (PGP 2)",
    3: "3 (RFC 4880, obsolete: PGP 2 and GnuPG with --force-v3-sigs)",
    5: "5 (LibrePGP: GnuPG 2.4 with a version 5 key)",
    6: "6 (RFC 9580, not known to the GnuPG that verifies)",
}


@dataclass(frozen=True, slots=True)
class SignaturePacket:
    """What one signature packet says; nothing in it is proven.

    `kind`: the type (0x00 a binary document, 0x13 a user id, ...); `signed_part`: its own octets that the digest
    covers; `left`: the first two octets of the digest; `numbers`: the algorithm's numbers, not read yet.
    """

    kind: int
    algorithm: int
    digest: int
    hashed: tuple[Subpacket, ...]
    unhashed: tuple[Subpacket, ...]
    signed_part: bytes = field(repr=False)
    left: bytes = field(repr=False)
    numbers: bytes = field(repr=False)

    @property
    def created_at(self) -> datetime:
        """When it was made, as its hashed area says.  (Raises: Malformed.)"""
        created_at = subpackets.time(self.hashed, subpackets.CREATED)
        if created_at is None:
            raise Malformed("TIME", "The signature does not say, under its own protection, when it was made.")
        return created_at

    @property
    def trailer(self) -> bytes:
        """What the digest covers behind the data (RFC 9580, section 5.2.4)."""
        return self.signed_part + b"\x04\xff" + len(self.signed_part).to_bytes(4, "big")

    @property
    def expires_at(self) -> datetime | None:
        """When it ends; None for never.  (Raises: Malformed.)"""
        return subpackets.after(self.created_at, self.hashed, subpackets.EXPIRES_AFTER)

    def issuers(self) -> tuple[set[str], set[str]]:
        """Return the fingerprints and the key ids that are named, in both areas.  (Raises: Malformed.)"""
        fingerprints = {subpackets.fingerprint(self.hashed), subpackets.fingerprint(self.unhashed)}
        key_ids = {subpackets.key_id(self.hashed), subpackets.key_id(self.unhashed)}
        return {name for name in fingerprints if name}, {name for name in key_ids if name}

    def is_by(self, fingerprint: str) -> bool:
        """Say whether it names the key *fingerprint* as its issuer.  (Raises: Malformed, where it names two.)"""
        fingerprints, key_ids = self.issuers()
        if len(fingerprints) > 1 or len(key_ids | {name[-16:] for name in fingerprints}) > 1:
            raise Malformed("ISSUER", "A signature names two issuers.")
        return fingerprint in fingerprints if fingerprints else key_ids == {fingerprint[-16:]}


def rewritten(found: SignaturePacket, *more: Subpacket) -> bytes:
    """Return the body anew: in the area that nobody has signed its issuer's key id, and *more*, whatever was there.

    (Raises: Malformed, where it names no issuer.)
    """
    fingerprints, key_ids = found.issuers()
    key_id = next((name[-16:] for name in (*fingerprints, *key_ids)), None)
    if key_id is None:
        raise Malformed("ISSUER", "A signature names no issuer.")
    said = (Subpacket(subpackets.ISSUER, critical=False, body=bytes.fromhex(key_id)), *more)
    open_area = b"".join(map(subpackets.write, said))
    return found.signed_part + len(open_area).to_bytes(2, "big") + open_area + found.left + found.numbers


def read(body: bytes) -> SignaturePacket:
    """Return the signature that a packet's *body* holds.  (Raises: Malformed.)"""
    octets = Octets(body, "The signature")
    version = octets.number(1)
    if version != VERSION:
        name = _OTHER_VERSIONS.get(version, str(version))
        raise Malformed("VERSION", f"The signature is of version {name}; version 4 is accepted.")
    kind, algorithm, digest = octets.number(1), octets.number(1), octets.number(1)
    hashed = octets.take(octets.number(2))
    signed_part = body[: octets.at]
    unhashed = octets.take(octets.number(2))
    return SignaturePacket(
        kind=kind,
        algorithm=algorithm,
        digest=digest,
        hashed=subpackets.read(hashed),
        unhashed=subpackets.read(unhashed),
        signed_part=signed_part,
        left=octets.take(2),
        numbers=octets.take(octets.left),
    )
