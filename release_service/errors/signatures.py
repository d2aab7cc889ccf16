"""Signatures on tarballs, and the certificates (public keys) that they are verified with."""

from release_service.errors.base import Refused, Unavailable


class BadSignature(Refused):
    """It is not one detached OpenPGP signature in the one form that is accepted; `rule` is the class of the rule."""

    code = "bad_signature"
    title = "The signature is refused"
    remedy = "Sign the tarball with: gpg --armor --detach-sign TARBALL; and send the .asc untouched."

    def __init__(self, rule: str, detail: str, *, remedy: str | None = None) -> None:
        """Keep the class of the *rule*, upper case, beside the sentence that names the offender."""
        super().__init__(f"{detail} [{rule}]", remedy=remedy)
        self.rule = rule


class WeakSignature(BadSignature):
    """Its digest, or its key's algorithm, can be broken."""

    code = "weak_signature"
    title = "The signature is too weak"
    remedy = (
        "Sign again with: gpg --digest-algo SHA512 --armor --detach-sign TARBALL; with RSA >= 2048, ECDSA or Ed25519."
    )


class SignatureOutOfTime(BadSignature):
    """It is from the future, too old, expired, or older than the key that made it."""

    code = "signature_out_of_time"
    title = "The signature's time is not accepted"
    remedy = "Set the clock of the machine that signs, and sign the tarball again."


class SignatureDoesNotMatch(BadSignature):
    """It was made over other bytes, or was changed."""

    code = "signature_does_not_match"
    title = "The signature is not of this tarball"
    remedy = "Sign the very file that you upload, and send both again."


class SignatureNotTrusted(Refused):
    """Nobody whose key is registered for the module has made it."""

    code = "signature_not_trusted"
    title = "The signature was made with a key that is not registered for this module"
    remedy = "Register your key (gnome-release keys add FINGERPRINT), or let a maintainer of the module sign."


class SigningKeyNotUsable(SignatureNotTrusted):
    """The key is known, and is expired or revoked."""

    code = "signing_key_not_usable"
    title = "The signature was made with a key that has expired or was revoked"
    remedy = "Extend the key (gpg --quick-set-expire) or make a new one; register it again, then sign again."


class SigningKeyWaits(SignatureNotTrusted):
    """The key is known, and too new: nobody but its owner has looked at it."""

    code = "signing_key_waits"
    title = "The signature was made with a key that may not sign yet"
    remedy = "Wait until then, or let another maintainer of one of your modules type: gnome-release keys consent."


class AlreadySigned(Refused):
    """A release has one signature, and it never changes."""

    code = "already_signed"
    title = "The release has another signature already"
    remedy = "Nothing is left to do: the first signature stays; it is beside the tarball, or will be in a few minutes."


class BadCertificate(Refused):
    """What was sent is not one public key in the one form that is accepted; `rule` is the class of the rule."""

    code = "bad_certificate"
    title = "The public key is refused"
    remedy = (
        "Export it with: gpg --armor --export-options export-minimal --export FINGERPRINT; and send that untouched."
    )

    def __init__(self, rule: str, detail: str, *, remedy: str | None = None) -> None:
        """Keep the class of the *rule*, upper case, beside the sentence that names the offender."""
        super().__init__(f"{detail} [{rule}]", remedy=remedy)
        self.rule = rule


class WeakCertificate(BadCertificate):
    """A key is short, or a signature in it uses a digest that can be broken."""

    code = "weak_certificate"
    title = "The public key is too weak"
    remedy = (
        "Renew its own signatures with: gpg --cert-digest-algo SHA512 --quick-set-expire FINGERPRINT 2y; "
        "or make a new key with: gpg --quick-generate-key."
    )


class CertificateNotUsable(BadCertificate):
    """Its owner has revoked it, it has expired, or no part of it may sign."""

    code = "certificate_not_usable"
    title = "The public key can sign nothing now"
    remedy = "Extend it (gpg --quick-set-expire), or make a new key; then register that."


class SecretKeySent(BadCertificate):
    """A secret key came where a public one belongs: whoever saw it can sign with it."""

    code = "secret_key_sent"
    title = "This is a secret key"
    remedy = "It has left your machine: revoke it, make a new one, and send only what gpg --export writes."


class SignatureCheckUnavailable(Unavailable):
    """The program that verifies signatures is not there, or takes too long."""

    code = "signature_check_unavailable"
    title = "Signatures cannot be verified now"
