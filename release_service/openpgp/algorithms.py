"""Which algorithms are strong enough, and known to the GnuPG of Debian 12 (RFC 9580, section 9)."""

from release_service.openpgp.malformed import Malformed, Weak
from release_service.openpgp.packets import Octets

RSA = 1
ECDSA = 19
EDDSA = 22
SIGNING = {RSA: "RSA", ECDSA: "ECDSA", EDDSA: "EdDSA"}
_OTHERS = {
    2: "RSA that only encrypts",
    3: "RSA that only signs",
    16: "ElGamal",
    17: "DSA",
    18: "ECDH",
    20: "ElGamal",
    25: "X25519",
    26: "X448",
}
_WEAK = {16, 17, 20}
# RFC 9580's own numbers; GnuPG writes the same keys as EdDSA.
_UNKNOWN_TO_GPG = {27: "Ed25519", 28: "Ed448"}

DIGESTS = {8: "SHA256", 9: "SHA384", 10: "SHA512"}
_WEAK_DIGESTS = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 11: "SHA-224"}

LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 16384
_MOST_ECDSA_BITS = 521
_MOST_EDDSA_BITS = 256
# A signature by a key of 2,048 bits is shorter than this once in 2**64 times.
_LEAST_RSA_SIGNATURE_BITS = LEAST_RSA_BITS - 64


def signing_name(algorithm: int) -> str:
    """Return the name of a public-key algorithm that may sign.  (Raises: Malformed.)"""
    if algorithm in SIGNING:
        return SIGNING[algorithm]
    if algorithm in _UNKNOWN_TO_GPG:
        name = _UNKNOWN_TO_GPG[algorithm]
        raise Malformed("ALGORITHM", f"{name} with the number {algorithm} is not known to the GnuPG that verifies.")
    name = _OTHERS.get(algorithm, "not known")
    if algorithm in _WEAK:
        raise Weak(f"The public-key algorithm {algorithm} ({name}) is too weak.")
    raise Malformed("ALGORITHM", f"The public-key algorithm {algorithm} ({name}) is not accepted.")


def digest_name(digest: int) -> str:
    """Return the name of a digest that is strong enough.  (Raises: Malformed.)"""
    if digest in DIGESTS:
        return DIGESTS[digest]
    if digest in _WEAK_DIGESTS:
        raise Weak(f"The digest {_WEAK_DIGESTS[digest]} is too weak.")
    raise Malformed("ALGORITHM", f"The digest algorithm {digest} is not accepted.")


def signature_numbers(algorithm: int, data: bytes) -> tuple[int, ...]:
    """Return the numbers that a signature by *algorithm* consists of.  (Raises: Malformed.)"""
    octets = Octets(data, "The signature")
    if algorithm == RSA:
        numbers: tuple[int, ...] = (octets.mpi(MOST_RSA_BITS),)
        if numbers[0].bit_length() < _LEAST_RSA_SIGNATURE_BITS:
            raise Weak(f"The RSA key has less than {LEAST_RSA_BITS} bits.")
    else:
        most = _MOST_ECDSA_BITS if algorithm == ECDSA else _MOST_EDDSA_BITS
        numbers = (octets.mpi(most), octets.mpi(most))
    octets.end()
    return numbers
