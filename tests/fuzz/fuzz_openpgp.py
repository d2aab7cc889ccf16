"""Fuzzes the readers of armour, signatures, certificates, revocations and gpgv's reports.

A finding is anything but their own refusals or success, or something accepted that is read otherwise, or not at all,
in the form that we publish or keep it in.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

import atheris
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fuzzer import Reader, accepted, fuzz, hold_same

with atheris.instrument_imports(include=["release_service.openpgp"]):
    from release_service.openpgp import armour, certificate, detached, keyring, keys, revocation, status
    from release_service.openpgp.malformed import Malformed

import test_openpgp_certificates as certificates
import test_openpgp_form as forms
import test_openpgp_status as reports

from release_service.errors import BadCertificate, BadSignature, SignatureNotTrusted
from release_service.openpgp import Certificate, Signature
from release_service.openpgp.signature import SignaturePacket
from signatures import NOW, ForgedKey

_BORN = datetime(2024, 1, 1, tzinfo=UTC)
# The same in each run: a saved input must mean the same tomorrow.
OWNER = ForgedKey(Ed25519PrivateKey.from_private_bytes(bytes(32)), _BORN)
_HAS_SIGNED = keys.Key.has_signed


def read_armour(content: bytes) -> None:
    """Read armour, and what we write of it."""
    found = armour.read(content, armour.SIGNATURE)
    text = armour.write(found, armour.SIGNATURE)
    hold_same(armour.size(found, armour.SIGNATURE), len(text))
    hold_same(accepted(lambda data: armour.read(data, armour.SIGNATURE), text.encode()), found)


def read_signature(content: bytes) -> None:
    """Read a detached signature, and what is published of it."""
    found = _signature(content)
    hold_same(accepted(_signature, detached.armoured(found).encode()), found)


def read_certificate(content: bytes) -> None:
    """Read a certificate, and what is kept of it."""
    _read_again(_certificate(content))


def read_revocation(content: bytes) -> None:
    """Read a revocation of the owner's key, and what is then kept."""
    found = revocation.revoke(KNOWN.packets, content, now=NOW)
    hold_same((found.fingerprint, found.revoked), (KNOWN.fingerprint, True))
    _read_again(found)


def read_certificate_unproven(content: bytes) -> None:
    """Read a certificate as if each signature in it were good: fuzzers cannot sign."""
    with patch.object(keys.Key, "has_signed", _believed):
        read_certificate(content)


def read_revocation_unproven(content: bytes) -> None:
    """Read a revocation as if it were good."""
    with patch.object(keys.Key, "has_signed", _believed):
        read_revocation(content)


def read_report(content: bytes) -> None:
    """Read what gpgv reports; the first byte says how it ends."""
    found = status.read(content[1:], content[0] % 2) if content else None
    if found is not None:
        hold_same(content[0] % 2, 0)
        hold_same([len(found.fingerprint), len(found.primary)], [40, 40])


READERS: tuple[Reader, ...] = (
    read_armour,
    read_signature,
    read_certificate,
    read_revocation,
    read_certificate_unproven,
    read_revocation_unproven,
    read_report,
)


def seeds() -> Iterator[tuple[Reader, bytes]]:
    """Yield the signatures, certificates and reports of the tests, and what reads them."""
    for content in [*(bad for *_, bad in forms.BAD.values()), *forms.ODD_BUT_GOOD.values()]:
        yield read_armour, content
        yield read_signature, content
    for made in [
        *(made for *_, made in certificates.BAD.values()),
        *(made for _, made in certificates.GOOD_ONES.values()),
    ]:
        yield read_certificate, made()
        yield read_certificate_unproven, made()
    for revocation in (OWNER.revoke(), OWNER.revoke(kind=0x28), OWNER.revoke() * 2, certificates.EVE.revoke()):
        yield read_revocation, revocation
        yield read_revocation_unproven, armour.write(revocation, armour.PUBLIC_KEY).encode()
    for _, report, exit_status in [*reports.REPORTS.values(), (None, reports.SAID, 0)]:
        yield read_report, bytes([exit_status]) + report.encode()


def _signature(content: bytes) -> Signature:
    return detached.read(content, now=NOW)


def _certificate(content: bytes) -> Certificate:
    return certificate.read(content, now=NOW)


def _read_again(found: Certificate) -> None:
    hold_same(accepted(_certificate, found.packets), found)
    hold_same(accepted(_certificate, keyring.armoured([found]).encode()), found)


def _believed(key: keys.Key, signature: SignaturePacket, data: bytes) -> bool:
    """Say that *key* has made *signature*, after its numbers were looked at as those of a right digest are."""
    if signature.digest in keys._HASHES:
        name, part = keys._HASHES[signature.digest][0], signature.signed_part
        digest = hashlib.new(name, data + part + b"\x04\xff" + len(part).to_bytes(4, "big")).digest()
        _HAS_SIGNED(key, replace(signature, left=digest[:2]), data)
    return signature.algorithm == key.algorithm


KNOWN = certificate.read(OWNER.certificate(certification=OWNER.certify(born=_BORN)), now=NOW)

if __name__ == "__main__":
    fuzz(READERS, (BadSignature, SignatureNotTrusted, BadCertificate, Malformed), seeds())
