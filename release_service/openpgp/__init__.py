"""OpenPGP: detached signatures on tarballs, and the certificates (public keys) that may make them.

Nothing is left to one program.  `armour`, `packets`, `subpackets` and `algorithms` are a strict reading of our own
(RFC 4880 and 9580), and raise `Malformed`; `detached` says what a signature may be, `certificate` what a public key
may be (`binding` proves that its parts belong together); `gpg` runs the programs, `status` reads what they say, and
`verify` accepts only what our reading and gpgv both say.  gpg alone is no judge: its exit status is 0 for expired and
revoked keys, for SHA-1 and for text beside the armour, and it shows subkeys with a foreign back-signature as usable.

What is published is what we have read, written anew: never the text that was sent.
"""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Signature:
    """One detached signature of good form.  It proves nothing until `verify.verify` has looked at the tarball.

    `issuer`: the fingerprint of the key or subkey that says to have made it, 40 upper-case hex digits;
    `created_at`, `expires_at`: as it says, with a zone; `digest`, `algorithm`: names, for example SHA512 and EdDSA;
    `packet`: the one packet, written anew.  What is around the numbers of a signature has one spelling then; of an
    ECDSA signature everybody can compute the other one (r, n - s), which is as good, and is another signature here.
    """

    issuer: str
    created_at: datetime
    expires_at: datetime | None
    digest: str
    algorithm: str
    packet: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A primary key or a subkey that may sign tarballs: from when until when, and whether its owner has revoked it."""

    fingerprint: str
    created_at: datetime
    expires_at: datetime | None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """One public key with its subkeys, every signature of its own in it verified.

    `fingerprint`: the primary key's; `user_ids`: escaped, as they may be shown; `expires_at`: None for never;
    `revoked`: the owner has revoked it all; `signing`: the keys made for signing, the primary first, also those that
    have expired or were revoked; `packets`: the least that a verifier needs, to be kept and published (`keyring`).
    """

    fingerprint: str
    user_ids: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked: bool
    signing: tuple[SigningKey, ...]
    packets: bytes = field(repr=False)

    @property
    def signing_fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the keys for signing that are not revoked, the primary first."""
        return tuple(key.fingerprint for key in self.signing if not (key.revoked or self.revoked))


@dataclass(frozen=True, slots=True)
class Verified:
    """The tarball was signed: by the certificate `fingerprint`, with its key `signing_fingerprint`, at `signed_at`."""

    fingerprint: str
    signing_fingerprint: str
    signed_at: datetime
