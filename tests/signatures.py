"""OpenPGP for the tests: keys and signatures as gpg makes them, and, from parts, as nobody should make them.

Parts are signed with the real algorithms: a hostile signature differs from a good one in what makes it hostile only.
"""

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from components import needs

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)
BORN = NOW - 2 * YEAR
SIGNED = NOW - timedelta(hours=1)
TARBALL = b"the bytes of a tarball\r\n" * 99
USER_ID = b"Ada <ada@example.org>"

CREATED, EXPIRES, KEY_EXPIRES, ISSUER, NOTATION, FLAGS, EMBEDDED, FINGERPRINT = 2, 3, 9, 16, 20, 27, 32, 33
SHA1, SHA256, SHA384, SHA512 = 2, 8, 9, 10
SIGNATURE, SECRET_KEY, PUBLIC_KEY, LITERAL, USER_ID_TAG, SUBKEY = 2, 5, 6, 11, 13, 14

_DIGESTS = {
    SHA1: ("sha1", hashes.SHA1()),  # noqa: S303 - to be refused
    SHA256: ("sha256", hashes.SHA256()),
    SHA384: ("sha384", hashes.SHA384()),
    SHA512: ("sha512", hashes.SHA512()),
}
_P256 = bytes.fromhex("2a8648ce3d030107")
_ED25519 = bytes.fromhex("2b06010401da470f01")

Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def seconds(moment: datetime) -> bytes:
    """Return *moment* as packets have it."""
    return int(moment.timestamp()).to_bytes(4, "big")


def mpi(number: int) -> bytes:
    """Return a multi-precision integer."""
    return number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")


def framed(body: bytes, tag: int = SIGNATURE, how: str = "old") -> bytes:
    """Return a packet, its length written in one of the ways that there are."""
    size, old, new = len(body), 0x80 | (tag & 15) << 2, 0xC0 | tag
    if how == "partial":
        return bytes([new, 0xE5]) + body[:32] + bytes([size - 32]) + body[32:]
    if how == "new":
        return bytes([new]) + (bytes([size]) if size < 192 else (size - 192 + (192 << 8)).to_bytes(2, "big")) + body
    if how == "new, five octets":
        return bytes([new, 255]) + size.to_bytes(4, "big") + body
    kind = {"old": int(size > 255), "old, two octets": 1, "old, four octets": 2, "indeterminate": 3}[how]
    return bytes([old | kind]) + (b"" if how == "indeterminate" else size.to_bytes(1 << kind, "big")) + body


def sub(kind: int, body: bytes = b"", *, critical: bool = False) -> bytes:
    """Return a subpacket."""
    size = len(body) + 1
    length = bytes([size]) if size < 192 else b"\xff" + size.to_bytes(4, "big")
    return length + bytes([kind | critical << 7]) + body


def notation(name: bytes, value: bytes, flags: int = 0x80000000) -> bytes:
    """Return the body of a notation."""
    return flags.to_bytes(4, "big") + len(name).to_bytes(2, "big") + len(value).to_bytes(2, "big") + name + value


@dataclass(frozen=True)
class ForgedKey:
    """A key of our own making, that signs whatever it is asked to."""

    private: Private
    created_at: datetime = BORN
    version: int = 4

    @property
    def algorithm(self) -> int:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return 1
        return 22 if isinstance(self.private, ed25519.Ed25519PrivateKey) else 19

    @cached_property
    def body(self) -> bytes:
        """Its packet's body."""
        head = bytes([self.version]) + seconds(self.created_at) + bytes([self.algorithm])
        if isinstance(self.private, rsa.RSAPrivateKey):
            numbers = self.private.public_key().public_numbers()
            return head + mpi(numbers.n) + mpi(numbers.e)
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            point = b"\x40" + self.private.public_key().public_bytes_raw()
            return head + bytes([len(_ED25519)]) + _ED25519 + mpi(int.from_bytes(point, "big"))
        place = self.private.public_key().public_numbers()
        octets = (self.private.key_size + 7) // 8
        point = b"\x04" + place.x.to_bytes(octets, "big") + place.y.to_bytes(octets, "big")
        return head + bytes([len(_P256)]) + _P256 + mpi(int.from_bytes(point, "big"))

    @property
    def signed_form(self) -> bytes:
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha1(self.signed_form, usedforsecurity=False).digest()

    @property
    def names_itself(self) -> bytes:
        """The subpacket with its fingerprint."""
        return sub(FINGERPRINT, b"\x04" + self.fingerprint)

    def sign(
        self,
        data: bytes,
        *more: bytes,
        kind: int = 0,
        digest: int = SHA512,
        hashed: Sequence[bytes] | None = None,
        unhashed: Sequence[bytes] | None = None,
    ) -> bytes:
        """Return the body of a signature over *data*, *more* subpackets after the usual ones."""
        usual = [self.names_itself, sub(CREATED, seconds(SIGNED))] if hashed is None else hashed
        protected = b"".join([*usual, *more])
        open_ = b"".join([sub(ISSUER, self.fingerprint[-8:])] if unhashed is None else unhashed)
        part = bytes([4, kind, self.algorithm, digest]) + len(protected).to_bytes(2, "big") + protected
        name, algorithm = _DIGESTS.get(digest, _DIGESTS[SHA1])
        result = hashlib.new(name, data + part + b"\x04\xff" + len(part).to_bytes(4, "big")).digest()
        return part + len(open_).to_bytes(2, "big") + open_ + result[:2] + self._numbers(result, algorithm)

    def _numbers(self, digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return mpi(int.from_bytes(self.private.sign(digest, padding.PKCS1v15(), Prehashed(algorithm)), "big"))
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            raw = self.private.sign(digest)
            return mpi(int.from_bytes(raw[:32], "big")) + mpi(int.from_bytes(raw[32:], "big"))
        r, s = decode_dss_signature(self.private.sign(digest, ec.ECDSA(Prehashed(algorithm))))
        return mpi(r) + mpi(s)

    def certify(
        self,
        *more: bytes,
        user_id: bytes = USER_ID,
        born: datetime = BORN,
        digest: int = SHA512,
        flags: bytes | None = b"\x03",
    ) -> bytes:
        """Return a user id and this key's signature over it, *more* subpackets in it."""
        data = self.signed_form + b"\xb4" + len(user_id).to_bytes(4, "big") + user_id
        said = [self.names_itself, sub(CREATED, seconds(born)), *([sub(FLAGS, flags)] if flags else []), *more]
        return framed(user_id, USER_ID_TAG) + framed(self.sign(data, kind=0x13, hashed=said, digest=digest))

    def bind(
        self,
        subkey: "ForgedKey",
        *more: bytes,
        back: bytes | None = None,
        digest: int = SHA512,
        flags: bytes | None = b"\x02",
    ) -> bytes:
        """Return *subkey* bound to this key for signing; *back* replaces the back-signature that it should have."""
        data = self.signed_form + subkey.signed_form
        said = [self.names_itself, sub(CREATED, seconds(BORN)), *([sub(FLAGS, flags)] if flags else []), *more]
        said.append(subkey.back(self) if back is None else back)
        return framed(subkey.body, SUBKEY) + framed(self.sign(data, kind=0x18, hashed=said, digest=digest))

    def back(self, primary: "ForgedKey", *, kind: int = 0x19, digest: int = SHA512) -> bytes:
        """Return the subpacket with this subkey's consent to be bound to *primary*."""
        return sub(EMBEDDED, self.sign(primary.signed_form + self.signed_form, kind=kind, digest=digest))

    def revoke(self, *, kind: int = 0x20, data: bytes | None = None, digest: int = SHA512) -> bytes:
        """Return this key's revocation, of itself or of *data*."""
        reason = sub(29, b"\x01not used any more")
        return framed(self.sign(self.signed_form if data is None else data, reason, kind=kind, digest=digest))

    def certificate(self, *after_user_id: bytes, certification: bytes | None = None, direct: bytes = b"") -> bytes:
        """Return the certificate: key, *direct* signatures, user id, and what comes *after* it."""
        named = self.certify() if certification is None else certification
        return framed(self.body, PUBLIC_KEY) + direct + named + b"".join(after_user_id)


@cache
def forged(name: str = "ada", kind: str = "ed25519") -> ForgedKey:
    """Return the forged key of that name, the same one all session long."""
    del name
    if kind.startswith("rsa"):
        return ForgedKey(rsa.generate_private_key(65537, int(kind[3:])))
    return ForgedKey(
        ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    )


class Gpg:
    """A real gpg with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str | Path, data: bytes = b"", at: datetime | None = None) -> bytes:
        """Run gpg, its clock at *at*; return what it prints."""
        clock = ["--faked-system-time", f"{at:%Y%m%dT%H%M%S}!"] if at else []
        usual: list[str | Path] = [
            needs("gpg", "gpg"),
            "--homedir",
            self.home,
            "--batch",
            "--quiet",
            "--no-tty",
            "--passphrase",
            "",
        ]
        command = [*usual, "--pinentry-mode", "loopback", *clock, *arguments]
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout

    def new_key(self, name: str, kind: str = "ed25519", *, usage: str = "sign", ends: str = "2y") -> str:
        """Make a key, a month old; return its fingerprint."""
        born = NOW - timedelta(days=30)
        self("--quick-generate-key", f"{name} <{name}@example.org>", kind, usage, ends, at=born)
        return self.fingerprints(f"<{name}@example.org>")[0]

    def fingerprints(self, key: str) -> list[str]:
        """Return the fingerprints of *key* and its subkeys."""
        rows = self("--list-keys", "--with-colons", "--with-subkey-fingerprint", key).decode().splitlines()
        return [row.split(":")[9] for row in rows if row.startswith("fpr")]

    def export(self, key: str) -> bytes:
        """Return the public key, in armour."""
        return self("--armor", "--export", key)

    def sign(self, key: str, *options: str, data: bytes = TARBALL, at: datetime | None = None) -> bytes:
        """Return the detached signature, in armour, over *data*."""
        return self("--local-user", key, *options, "--armor", "--detach-sign", data=data, at=at)

    def revoke(self, key: str) -> None:
        """Revoke *key*."""
        self("--import", data=self.revocation(key))

    def revocation(self, key: str) -> bytes:
        """Return the revocation, in armour, that gpg has made together with *key* for that day."""
        text = (self.home / "openpgp-revocs.d" / f"{key}.rev").read_text()
        return text[text.index("-----BEGIN") :].encode()


@contextlib.contextmanager
def gpg_home() -> Iterator[Gpg]:
    """Give a real gpg with an empty home, on a short path (of its sockets); its agent ends with it."""
    gpgconf = needs("gpgconf", "gpgconf")
    needs("gpg-agent", "gpg-agent")
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    try:
        yield Gpg(home)
    finally:
        subprocess.run([gpgconf, "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
