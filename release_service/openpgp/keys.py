"""Key packets of version 4 (RFC 9580, section 5.5.2), and whether one of them has made a signature.

gpg would be the natural judge of signatures between keys; but it shows a subkey whose back-signature is somebody
else's as usable, so these are verified here, with the library that verifies the tokens.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from release_service.openpgp import algorithms
from release_service.openpgp.malformed import Malformed, Weak
from release_service.openpgp.packets import Octets
from release_service.openpgp.signature import SignaturePacket

_VERSION = 4
_MOST_POINT_BITS = 2 * 528 + 8
_ED25519_OCTETS = 32
_PREFIXED = 0x40

_ED25519_CURVE = bytes.fromhex("2b06010401da470f01")
_CURVES: dict[bytes, type[ec.EllipticCurve]] = {
    bytes.fromhex("2a8648ce3d030107"): ec.SECP256R1,
    bytes.fromhex("2b81040022"): ec.SECP384R1,
    bytes.fromhex("2b81040023"): ec.SECP521R1,
}
# gpgv knows these, and sqv does not: not everybody could verify.
_BRAINPOOL = {
    bytes.fromhex("2b2403030208010107"): "brainpoolP256r1",
    bytes.fromhex("2b240303020801010b"): "brainpoolP384r1",
    bytes.fromhex("2b240303020801010d"): "brainpoolP512r1",
}
# SHA-1 only to learn that something was revoked long ago.
_HASHES: dict[int, tuple[str, hashes.HashAlgorithm]] = {
    2: ("sha1", hashes.SHA1()),  # noqa: S303 - see above
    8: ("sha256", hashes.SHA256()),
    9: ("sha384", hashes.SHA384()),
    10: ("sha512", hashes.SHA512()),
}

_Verifier = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key or a subkey: what its packet says."""

    algorithm: int
    created_at: datetime
    material: bytes = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """40 upper-case hex digits."""
        return hashlib.sha1(self.signed_form, usedforsecurity=False).hexdigest().upper()

    @property
    def signed_form(self) -> bytes:
        """How it goes into a digest."""
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body

    def check(self) -> None:
        """Hold that it is strong, and of an algorithm that signs and that we know.  (Raises: Malformed.)"""
        algorithms.signing_name(self.algorithm)
        _verifier(self)

    def has_signed(self, signature: SignaturePacket, data: bytes) -> bool:
        """Say whether it made *signature* over *data*.  (Raises: Malformed.)"""
        if signature.algorithm != self.algorithm or signature.digest not in _HASHES:
            return False
        name, algorithm = _HASHES[signature.digest]
        digest = hashlib.new(name, data + signature.trailer).digest()
        if digest[:2] != signature.left:
            return False
        numbers = algorithms.signature_numbers(self.algorithm, signature.numbers)
        try:
            _verify(_verifier(self), numbers, digest, algorithm)
        except InvalidSignature:
            return False
        return True


def read(body: bytes) -> Key:
    """Return the key that a packet's *body* holds.  (Raises: Malformed.)"""
    octets = Octets(body, "The key")
    version = octets.number(1)
    if version != _VERSION:
        raise Malformed("VERSION", f"The key is of version {version}; version 4 is accepted.")
    created_at = datetime.fromtimestamp(octets.number(4), UTC)
    return Key(octets.number(1), created_at, octets.take(octets.left), body)


def _verifier(key: Key) -> _Verifier:
    octets = Octets(key.material, "The key")
    try:
        found = _rsa(octets) if key.algorithm == algorithms.RSA else _on_a_curve(octets, key.algorithm)
    except ValueError:
        raise Malformed("KEY", "The key's numbers are no public key.") from None
    octets.end()
    return found


def _rsa(octets: Octets) -> rsa.RSAPublicKey:
    modulus, exponent = octets.mpi(algorithms.MOST_RSA_BITS), octets.mpi(32)
    if modulus.bit_length() < algorithms.LEAST_RSA_BITS:
        raise Weak(f"An RSA key has {modulus.bit_length()} bits; {algorithms.LEAST_RSA_BITS} are the least.")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _on_a_curve(octets: Octets, algorithm: int) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    curve = octets.take(octets.number(1))
    point = octets.mpi(_MOST_POINT_BITS)
    encoded = point.to_bytes((point.bit_length() + 7) // 8, "big")
    if algorithm == algorithms.ECDSA and curve in _CURVES:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve](), encoded)
    if algorithm == algorithms.EDDSA and curve == _ED25519_CURVE and encoded[0] == _PREFIXED:
        return ed25519.Ed25519PublicKey.from_public_bytes(encoded[1:])
    name = _BRAINPOOL.get(curve, curve.hex())
    raise Malformed("CURVE", f"The curve {name} is not accepted: not every program that verifies knows it.")


def _verify(key: _Verifier, numbers: tuple[int, ...], digest: bytes, algorithm: hashes.HashAlgorithm) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        if numbers[0].bit_length() > key.key_size:
            raise InvalidSignature
        signature = numbers[0].to_bytes((key.key_size + 7) // 8, "big")
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(encode_dss_signature(*numbers), digest, ec.ECDSA(Prehashed(algorithm)))
    else:
        key.verify(b"".join(number.to_bytes(_ED25519_OCTETS, "big") for number in numbers), digest)
