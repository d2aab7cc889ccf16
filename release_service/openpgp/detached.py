"""What a detached signature must be: exactly one packet, of version 4, over a binary document (security G3, G4).

The rules are in order; each takes the packet and raises `Malformed`.
"""

from datetime import datetime, timedelta

from release_service.errors import BadSignature, SignatureOutOfTime, WeakSignature
from release_service.openpgp import Signature, algorithms, armour, packets, signature, subpackets
from release_service.openpgp.malformed import Malformed, Weak
from release_service.openpgp.signature import SignaturePacket

MAX_BYTES = 16 * 1024
LEEWAY = timedelta(minutes=5)

_BINARY_DOCUMENT = 0x00
_KINDS = {0x01: "of a text, whose line ends may change", 0x02: "of nothing but itself"}
_CRITICAL = frozenset(
    {
        subpackets.CREATED,
        subpackets.EXPIRES_AFTER,
        subpackets.ISSUER,
        subpackets.POLICY,
        subpackets.KEY_SERVER,
        subpackets.SIGNER_USER_ID,
        subpackets.ISSUER_FINGERPRINT,
    }
)
# What nobody has signed may say who is meant, and no more.
_UNPROTECTED = frozenset({subpackets.ISSUER, subpackets.ISSUER_FINGERPRINT})
# A second signature, or a whole key, inside the first.
_CARRIERS = frozenset({subpackets.EMBEDDED_SIGNATURE, subpackets.KEY_BLOCK})


def read(data: bytes, *, now: datetime) -> Signature:
    """Return the detached signature that *data* is, armoured or binary; *now* has a zone.  (Raises: BadSignature.)"""
    if len(data) > MAX_BYTES:
        raise BadSignature("SIZE", f"It has more than {MAX_BYTES} bytes.")
    try:
        found = _signature(armour.read(data, armour.SIGNATURE))
    except Weak as weak:
        raise WeakSignature(weak.rule, weak.detail) from None
    except Malformed as malformed:
        raise BadSignature(malformed.rule, malformed.detail) from None
    if armour.size(found.packet, armour.SIGNATURE) > MAX_BYTES:
        raise BadSignature("SIZE", f"It has more than {MAX_BYTES} bytes as it would be published, in armour.")
    if found.created_at > now + LEEWAY:
        raise SignatureOutOfTime("FUTURE", f"It was made at {found.created_at:%F %T} UTC, which is in the future.")
    if found.expires_at is not None:
        # A release has one signature, for ever: nobody could verify it afterwards.
        raise SignatureOutOfTime(
            "EXPIRES",
            f"It expires at {found.expires_at:%F %T} UTC.",
            remedy="Sign again with: gpg --default-sig-expire none --armor --detach-sign TARBALL.",
        )
    return found


def armoured(found: Signature) -> str:
    """Return the text that is published as `<tarball>.asc`: our armour round the one packet."""
    return armour.write(found.packet, armour.SIGNATURE)


def _signature(data: bytes) -> Signature:
    found = signature.read(_only_packet(data).body)
    for rule in RULES:
        rule(found)
    issuer = _issuer(found)
    return Signature(
        issuer=issuer,
        created_at=found.created_at,
        expires_at=found.expires_at,
        digest=algorithms.digest_name(found.digest),
        algorithm=algorithms.signing_name(found.algorithm),
        packet=_rewritten(found),
    )


def _only_packet(data: bytes) -> packets.Packet:
    found = packets.read(data, most=8)
    for packet in found:
        if packet.tag in {packets.SECRET_KEY, packets.SECRET_SUBKEY}:
            raise Malformed("SECRET", "It holds a secret key: revoke that, for it has left your machine.")
        if packet.tag != packets.SIGNATURE:
            raise Malformed("PACKETS", f"It holds {packet.name}; a detached signature is one packet, and nothing else.")
    if len(found) != 1:
        raise Malformed("PACKETS", f"It holds {len(found)} signatures; exactly one is accepted.")
    return found[0]


def _is_of_a_binary_document(found: SignaturePacket) -> None:
    if found.kind != _BINARY_DOCUMENT:
        kind = _KINDS.get(found.kind, "of a key, or of something else")
        raise Malformed("TYPE", f"It is a signature {kind} (type 0x{found.kind:02x}), not of a binary file.")


def _is_strong(found: SignaturePacket) -> None:
    algorithms.digest_name(found.digest)
    algorithms.signing_name(found.algorithm)
    algorithms.signature_numbers(found.algorithm, found.numbers)


def _says_what_we_understand(found: SignaturePacket) -> None:
    subpackets.check_critical(found.hashed + found.unhashed, _CRITICAL)
    subpackets.check_texts(found.hashed)
    if any(subpacket.kind in _CARRIERS for subpacket in found.hashed):
        raise Malformed("SUBPACKET", "It carries another signature, or a key, inside.")


def _says_nothing_unprotected(found: SignaturePacket) -> None:
    for subpacket in found.unhashed:
        if subpacket.kind not in _UNPROTECTED or subpacket.critical:
            kind = subpacket.kind
            raise Malformed(
                "UNHASHED", f"A subpacket of the kind {kind} is in the area that the signature leaves open."
            )


def _issuer(found: SignaturePacket) -> str:
    """Return the one issuer that the protected area names, and that nothing contradicts."""
    issuer = subpackets.fingerprint(found.hashed)
    if issuer is None:
        raise Malformed("ISSUER", "It does not say, under its own protection, the fingerprint of the key that made it.")
    fingerprints, key_ids = found.issuers()
    if fingerprints != {issuer} or not key_ids <= {issuer[-16:]}:
        raise Malformed("ISSUER", f"It names {issuer} and another key as its issuer.")
    return issuer


def _rewritten(found: SignaturePacket) -> bytes:
    """Return the packet anew: unprotected it says the issuer's key id, as GnuPG has it, whatever it said before."""
    return packets.write(packets.Packet(packets.SIGNATURE, signature.rewritten(found)))


RULES = (_is_of_a_binary_document, _is_strong, _says_what_we_understand, _says_nothing_unprotected)
