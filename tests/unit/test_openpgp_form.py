"""The form of a detached signature: what is refused before any program looks at it, each for its own reason."""

import base64
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_service.errors import BadSignature, Refused, SignatureOutOfTime, WeakSignature
from release_service.openpgp import Signature, armour, detached, packets
from release_service.openpgp.packets import Packet
from signatures import (
    CREATED,
    EMBEDDED,
    EXPIRES,
    FINGERPRINT,
    ISSUER,
    LITERAL,
    NOTATION,
    NOW,
    PUBLIC_KEY,
    SECRET_KEY,
    SHA1,
    SHA256,
    SHA384,
    SIGNATURE,
    SIGNED,
    TARBALL,
    forged,
    framed,
    mpi,
    notation,
    seconds,
    sub,
)

ADA, EVE = forged(), forged("eve")
GOOD = ADA.sign(TARBALL)
PACKET = framed(GOOD)
TEXT = armour.write(PACKET, "PGP SIGNATURE")
CREATION = sub(CREATED, seconds(SIGNED))
ME = ADA.names_itself
LINE = "\n[GNUPG:] VALIDSIG "


def changed(body: bytes, at: int, octet: int) -> bytes:
    """Return *body* with another *octet* *at* a place."""
    return body[:at] + bytes([octet]) + body[at + 1 :]


def noting(name: bytes, value: bytes = b"x", flags: int = 0x80000000) -> bytes:
    """Return a signature with a notation."""
    return framed(ADA.sign(TARBALL, sub(NOTATION, notation(name, value, flags))))


def open_area(*unhashed: bytes) -> bytes:
    """Return a signature that says *unhashed* where nothing is protected."""
    return framed(ADA.sign(TARBALL, unhashed=unhashed))


def saying(*hashed: bytes) -> bytes:
    """Return a signature that says *hashed*, and nothing else, under its protection."""
    return framed(ADA.sign(TARBALL, hashed=hashed))


def lines(length: int) -> str:
    """Return the good signature in base64, in lines of *length*."""
    whole = base64.b64encode(PACKET).decode()
    return "".join(f"{whole[at : at + length]}\n" for at in range(0, len(whole), length))


def armoured(begin: str = "PGP SIGNATURE", end: str = "", *, head: str = "\n", body: str = "", tail: str = "") -> bytes:
    """Return the good signature in armour that is odd somewhere."""
    text = body or lines(64)
    return f"-----BEGIN {begin}-----\n{head}{text}{tail}-----END {end or begin}-----\n".encode()


V3 = b"\x03\x05\x00" + seconds(SIGNED) + ADA.fingerprint[-8:] + bytes([22, 10]) + GOOD[-68:]
NUMBERS = GOOD[: -len(mpi(1 << 255)) * 2]

BAD: dict[str, tuple[type[Refused], str, bytes]] = {
    # Size and armour
    "nothing": (BadSignature, "EMPTY", b""),
    "300-kB": (BadSignature, "SIZE", TEXT.encode() + b"\n" * 300_000),
    "too-large-for-its-published-form": (BadSignature, "SIZE", framed(ADA.sign(TARBALL, sub(110, b"x" * 12_000)))),
    "one-byte-too-many": (BadSignature, "SIZE", TEXT.encode() + b"\n" * (16 * 1024 + 1 - len(TEXT))),
    "not-openpgp": (BadSignature, "ARMOUR", b"I approve of this release.\n"),
    "text-before": (BadSignature, "ARMOUR", b"I signed this:\n" + TEXT.encode()),
    "text-after": (BadSignature, "ARMOUR", TEXT.encode() + b"and more\n"),
    "byte-order-mark": (BadSignature, "FRAMING", b"\xef\xbb\xbf" + TEXT.encode()),
    "empty-line-before": (BadSignature, "ARMOUR", b"\n" + TEXT.encode()),
    "control-character-in-the-armour": (BadSignature, "ARMOUR", armoured(head="Comment: \x1b[2J\n\n")),
    "nul-after-the-armour": (BadSignature, "ARMOUR", TEXT.encode() + b"\x00"),
    "not-ascii-in-the-armour": (BadSignature, "ARMOUR", armoured(head="Version: Jürgen\n\n")),
    "status-line-as-header": (BadSignature, "ARMOUR", armoured(head="[GNUPG:] GOODSIG 1\n\n")),
    "unknown-header": (BadSignature, "ARMOUR", armoured(head="X-Trust: ultimate\n\n")),
    "hash-header": (BadSignature, "ARMOUR", armoured(head="Hash: SHA512\n\n")),
    "header-without-space": (BadSignature, "ARMOUR", armoured(head="Comment:x\n\n")),
    "no-empty-line": (BadSignature, "ARMOUR", armoured(head="")),
    "headers-only": (
        BadSignature,
        "ARMOUR",
        b"-----BEGIN PGP SIGNATURE-----\nVersion: 1\n-----END PGP SIGNATURE-----\n",
    ),
    "begin-only": (BadSignature, "ARMOUR", b"-----BEGIN PGP SIGNATURE-----\n"),
    "no-end": (BadSignature, "ARMOUR", TEXT.replace("-----END PGP SIGNATURE-----\n", "").encode()),
    "other-end": (BadSignature, "ARMOUR", armoured(end="PGP MESSAGE")),
    "message": (BadSignature, "ARMOUR", armoured("PGP MESSAGE")),
    "key-block": (BadSignature, "ARMOUR", armoured("PGP PUBLIC KEY BLOCK")),
    "secret-key-block": (BadSignature, "SECRET", armoured("PGP PRIVATE KEY BLOCK")),
    "clear-signed": (BadSignature, "CLEARTEXT", f"-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n{TEXT}".encode()),
    "two-blocks": (BadSignature, "ARMOUR", TEXT.encode() * 2),
    "wrong-check-sum": (BadSignature, "ARMOUR", armoured(tail="=AAAA\n")),
    "check-sum-of-three-letters": (BadSignature, "ARMOUR", armoured(tail="=AAA\n")),
    "two-check-sums": (BadSignature, "ARMOUR", TEXT.replace("\n=", "\n=AAAA\n=").encode()),
    "no-content": (BadSignature, "ARMOUR", armoured(body="\n")),
    "only-a-check-sum": (BadSignature, "ARMOUR", armoured(body="=twTO\n")),
    "other-alphabet": (BadSignature, "ARMOUR", armoured(body="iHUE_-AWCg\n")),
    "padding-inside": (BadSignature, "ARMOUR", armoured(body="iHUEAA==\niHUEAA==\n")),
    "spare-bits": (BadSignature, "ARMOUR", armoured(body="iHUEAB==\n")),
    "no-padding": (BadSignature, "ARMOUR", armoured(body="iHUEA\n")),
    "line-too-long": (BadSignature, "ARMOUR", armoured(body="A" * 80 + "\n")),
    "bare-carriage-return": (BadSignature, "ARMOUR", TEXT.replace("\n", "\r").encode()),
    # Packets
    "packet-in-ascii": (BadSignature, "FRAMING", armoured(body=base64.b64encode(b"hello").decode() + "\n")),
    "reserved-tag": (BadSignature, "FRAMING", framed(GOOD, 0)),
    "two-good": (BadSignature, "PACKETS", PACKET * 2),
    "bad-then-good": (BadSignature, "PACKETS", framed(EVE.sign(b"other")) + PACKET),
    "good-then-bad": (BadSignature, "PACKETS", PACKET + framed(EVE.sign(b"other"))),
    "unknown-then-good": (BadSignature, "PACKETS", framed(forged("nobody").sign(TARBALL)) + PACKET),
    "nine-signatures": (BadSignature, "PACKETS", PACKET * 9),
    "signature-and-literal": (BadSignature, "PACKETS", PACKET + framed(b"b\x00\x00\x00\x00\x00" + TARBALL, LITERAL)),
    "inline": (BadSignature, "PACKETS", framed(b"\x03" + bytes(12), 4) + framed(TARBALL, LITERAL) + PACKET),
    "one-pass": (BadSignature, "PACKETS", framed(b"\x03\x00\x0a\x16" + bytes(8) + b"\x01", 4)),
    "compressed": (BadSignature, "PACKETS", framed(b"\x00" + PACKET, 8)),
    "marker-first": (BadSignature, "PACKETS", framed(b"PGP", 10) + PACKET),
    "trust-packet": (BadSignature, "PACKETS", PACKET + framed(b"\x00", 12)),
    "padding-packet": (BadSignature, "PACKETS", PACKET + framed(b"\x00" * 9, 21, "new")),
    "private-packet": (BadSignature, "PACKETS", PACKET + framed(b"x", 60, "new")),
    "public-key": (BadSignature, "PACKETS", framed(ADA.body, PUBLIC_KEY)),
    "key-before-it": (BadSignature, "PACKETS", framed(ADA.body, PUBLIC_KEY) + PACKET),
    "secret-key": (BadSignature, "SECRET", PACKET + framed(ADA.body, SECRET_KEY)),
    "partial-length": (BadSignature, "LENGTH", framed(GOOD, SIGNATURE, "partial")),
    "indeterminate-length": (BadSignature, "LENGTH", framed(GOOD, SIGNATURE, "indeterminate")),
    "four-octets-for-a-short-length": (BadSignature, "LENGTH", framed(GOOD, SIGNATURE, "old, four octets")),
    "five-octets-for-a-short-length": (BadSignature, "LENGTH", framed(GOOD, SIGNATURE, "new, five octets")),
    "cut-off": (BadSignature, "CUT", PACKET[:-1]),
    "an-octet-behind": (BadSignature, "FRAMING", PACKET + b"\x00"),
    "an-octet-inside-the-packet": (BadSignature, "TRAILING", framed(GOOD + b"\x00")),
    "empty-packet": (BadSignature, "CUT", framed(b"")),
    # Version, type, algorithms
    "version-2": (BadSignature, "VERSION", framed(b"\x02" + V3[1:])),
    "version-3": (BadSignature, "VERSION", framed(V3)),
    "version-5": (BadSignature, "VERSION", framed(changed(GOOD, 0, 5))),
    "version-6": (BadSignature, "VERSION", framed(changed(GOOD, 0, 6))),
    "text-mode": (BadSignature, "TYPE", framed(ADA.sign(TARBALL, kind=0x01))),
    "standalone": (BadSignature, "TYPE", framed(ADA.sign(TARBALL, kind=0x02))),
    "certification": (BadSignature, "TYPE", framed(ADA.sign(TARBALL, kind=0x13))),
    "time-stamp": (BadSignature, "TYPE", framed(ADA.sign(TARBALL, kind=0x40))),
    "md5": (WeakSignature, "WEAK", framed(ADA.sign(TARBALL, digest=1))),
    "sha-1": (WeakSignature, "WEAK", framed(ADA.sign(TARBALL, digest=SHA1))),
    "ripemd-160": (WeakSignature, "WEAK", framed(ADA.sign(TARBALL, digest=3))),
    "sha-224": (WeakSignature, "WEAK", framed(ADA.sign(TARBALL, digest=11))),
    "digest-of-no-name": (BadSignature, "ALGORITHM", framed(ADA.sign(TARBALL, digest=99))),
    "dsa": (WeakSignature, "WEAK", framed(changed(GOOD, 2, 17))),
    "elgamal": (WeakSignature, "WEAK", framed(changed(GOOD, 2, 20))),
    "rsa-that-only-encrypts": (BadSignature, "ALGORITHM", framed(changed(GOOD, 2, 2))),
    "ed25519-by-its-new-number": (BadSignature, "ALGORITHM", framed(changed(GOOD, 2, 27))),
    "algorithm-of-no-name": (BadSignature, "ALGORITHM", framed(changed(GOOD, 2, 99))),
    "rsa-1024": (WeakSignature, "WEAK", framed(forged("small", "rsa1024").sign(TARBALL))),
    # Numbers
    "number-is-zero": (BadSignature, "MPI", framed(NUMBERS + b"\x00\x00" * 2)),
    "number-longer-than-it-says": (BadSignature, "MPI", framed(NUMBERS + b"\x00\x01\x03" + mpi(5))),
    "number-shorter-than-it-says": (BadSignature, "MPI", framed(NUMBERS + b"\x00\x08\x01" + mpi(5))),
    "number-of-60000-bits": (BadSignature, "MPI", framed(NUMBERS + mpi(1 << 60000))),
    "one-number-only": (BadSignature, "CUT", framed(NUMBERS + mpi(1 << 200))),
    "three-numbers": (BadSignature, "TRAILING", framed(GOOD + mpi(7))),
    # Subpackets
    "critical-unknown": (BadSignature, "CRITICAL", framed(ADA.sign(TARBALL, sub(99, b"x", critical=True)))),
    "critical-notation": (
        BadSignature,
        "CRITICAL",
        framed(ADA.sign(TARBALL, sub(NOTATION, notation(b"a@example.org", b"x"), critical=True))),
    ),
    "empty-subpacket": (BadSignature, "SUBPACKET", framed(ADA.sign(TARBALL, b"\x00"))),
    "subpacket-beyond-its-area": (BadSignature, "CUT", framed(ADA.sign(TARBALL, b"\x0a\x14"))),
    "100-subpackets": (BadSignature, "SUBPACKET", framed(ADA.sign(TARBALL, *[sub(100, b"x")] * 100))),
    "signature-inside": (BadSignature, "SUBPACKET", framed(ADA.sign(TARBALL, sub(EMBEDDED, GOOD)))),
    "key-inside": (BadSignature, "SUBPACKET", framed(ADA.sign(TARBALL, sub(38, b"\x00" + ADA.body)))),
    "no-creation-time": (BadSignature, "TIME", saying(ME)),
    "creation-time-unprotected": (
        BadSignature,
        "UNHASHED",
        framed(ADA.sign(TARBALL, hashed=[ME], unhashed=[CREATION])),
    ),
    "two-creation-times": (BadSignature, "SUBPACKET", saying(ME, CREATION, CREATION)),
    "second-creation-time-unprotected": (BadSignature, "UNHASHED", open_area(CREATION)),
    "creation-time-of-three-octets": (BadSignature, "SUBPACKET", saying(ME, sub(CREATED, b"\x00\x00\x01"))),
    "no-issuer": (BadSignature, "ISSUER", framed(ADA.sign(TARBALL, hashed=[CREATION], unhashed=[]))),
    "issuer-by-key-id-only": (BadSignature, "ISSUER", saying(CREATION)),
    "issuer-unprotected": (BadSignature, "ISSUER", framed(ADA.sign(TARBALL, hashed=[CREATION], unhashed=[ME]))),
    "two-issuers": (BadSignature, "SUBPACKET", saying(ME, EVE.names_itself, CREATION)),
    "other-issuer-unprotected": (BadSignature, "ISSUER", open_area(EVE.names_itself)),
    "other-key-id-unprotected": (BadSignature, "ISSUER", open_area(sub(ISSUER, EVE.fingerprint[-8:]))),
    "critical-key-id-unprotected": (
        BadSignature,
        "UNHASHED",
        open_area(sub(ISSUER, ADA.fingerprint[-8:], critical=True)),
    ),
    "key-id-of-four-octets": (BadSignature, "ISSUER", open_area(sub(ISSUER, ADA.fingerprint[-4:]))),
    "issuer-of-version-6": (BadSignature, "ISSUER", saying(sub(FINGERPRINT, b"\x06" + bytes(32)), CREATION)),
    "issuer-cut": (BadSignature, "ISSUER", saying(sub(FINGERPRINT, b"\x04" + bytes(16)), CREATION)),
    "notation-unprotected": (BadSignature, "UNHASHED", open_area(sub(NOTATION, notation(b"a@example.org", b"x")))),
    "notation-with-a-status-line": (BadSignature, "TEXT", noting(b"a@example.org", LINE.encode())),
    "notation-named-as-a-status-line": (BadSignature, "TEXT", noting(LINE.encode() + b"@example.org")),
    "notation-with-two-at-signs": (BadSignature, "NOTATION", noting(b"a@b@c")),
    "notation-without-a-name": (BadSignature, "NOTATION", noting(b"")),
    "notation-with-odd-flags": (BadSignature, "NOTATION", noting(b"a@example.org", flags=0x40000001)),
    "notation-longer-than-it-says": (
        BadSignature,
        "TRAILING",
        framed(ADA.sign(TARBALL, sub(NOTATION, notation(b"a@b", b"x") + b"y"))),
    ),
    "notation-not-utf-8": (BadSignature, "TEXT", noting(b"a@example.org", b"\xff")),
    "policy-with-a-line": (BadSignature, "TEXT", framed(ADA.sign(TARBALL, sub(26, b"https://a/\nx")))),
    "signer-with-an-escape": (BadSignature, "TEXT", framed(ADA.sign(TARBALL, sub(28, b"\x1b]0;x\x07")))),
    "signer-right-to-left": (BadSignature, "TEXT", framed(ADA.sign(TARBALL, sub(28, "\u202etxt".encode())))),
    "long-signer": (BadSignature, "TEXT", framed(ADA.sign(TARBALL, sub(28, b"a" * 5000)))),
    # Times
    "from-the-future": (SignatureOutOfTime, "FUTURE", saying(ME, sub(CREATED, seconds(NOW + timedelta(minutes=6))))),
    "from-2106": (SignatureOutOfTime, "FUTURE", saying(ME, sub(CREATED, b"\xff" * 4))),
    "expired": (SignatureOutOfTime, "EXPIRES", saying(ME, CREATION, sub(EXPIRES, b"\x00\x00\x00\x01"))),
    "ends-in-a-year": (
        SignatureOutOfTime,
        "EXPIRES",
        saying(ME, CREATION, sub(EXPIRES, (365 * 86400).to_bytes(4, "big"))),
    ),
}

ODD_BUT_GOOD = {
    "binary": PACKET,
    "armour": TEXT.encode(),
    "without-check-sum": armoured(),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "empty-lines-after": TEXT.encode() + b"\n\n",
    "no-line-end-at-the-end": TEXT.rstrip().encode(),
    "headers": armoured(head="Version: GnuPG v2\nComment: with regards\n\n"),
    "lines-of-76": armoured(body=lines(76)),
    "new-format": framed(GOOD, how="new"),
    "two-octets-of-length": framed(GOOD, how="old, two octets"),
    "sha-256": framed(ADA.sign(TARBALL, digest=SHA256)),
    "sha-384": framed(ADA.sign(TARBALL, digest=SHA384)),
    "rsa-2048": framed(forged("rsa", "rsa2048").sign(TARBALL)),
    "ecdsa": framed(forged("ecdsa", "p256").sign(TARBALL)),
    "nothing-unprotected": open_area(),
    "issuer-twice": open_area(ME),
    "notation": noting(b"release@gnome.org", "48 ✓".encode()),
    "salt": noting(b"salt@notations.sequoia-pgp.org", bytes(range(32)), 0),
    "unknown-and-not-critical": framed(ADA.sign(TARBALL, sub(110, b"x"))),
    "critical-time": saying(ME, sub(CREATED, seconds(SIGNED), critical=True)),
    "ends-never": saying(ME, CREATION, sub(EXPIRES, bytes(4))),
    "four-minutes-ahead": saying(ME, sub(CREATED, seconds(NOW + timedelta(minutes=4)))),
}


@pytest.mark.parametrize(("kind", "rule", "data"), BAD.values(), ids=BAD)
def test_a_signature_of_bad_form_is_refused_by_its_own_rule(kind: type[Refused], rule: str, data: bytes) -> None:
    with pytest.raises(BadSignature) as refused:
        detached.read(data, now=NOW)
    assert (type(refused.value), refused.value.rule) == (kind, rule), refused.value.detail
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize("data", ODD_BUT_GOOD.values(), ids=ODD_BUT_GOOD)
def test_an_odd_but_good_signature_is_read_and_written_in_the_one_form(data: bytes) -> None:
    found = detached.read(data, now=NOW)
    assert len(found.issuer) == 40
    text = detached.armoured(found)
    assert text.startswith("-----BEGIN PGP SIGNATURE-----\n\n")
    assert detached.read(text.encode(), now=NOW) == found
    assert detached.armoured(detached.read(text.encode(), now=NOW)) == text


def test_what_is_read_is_what_the_signature_says() -> None:
    found = detached.read(TEXT.encode(), now=NOW)
    assert found.issuer == ADA.fingerprint.hex().upper()
    assert (found.created_at, found.expires_at) == (SIGNED, None)
    assert (found.digest, found.algorithm) == ("SHA512", "EdDSA")
    assert found.packet == PACKET


def test_there_are_at_least_60_bad_signatures_and_10_good_ones() -> None:
    assert len(BAD) >= 60
    assert len(ODD_BUT_GOOD) >= 10


def read_or_refused(data: bytes) -> Signature | str:
    """Return what is read, or why it is refused; whatever else is raised fails the test."""
    try:
        return detached.read(data, now=NOW)
    except Refused as refused:
        return refused.detail


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_no_bytes_make_the_reader_do_anything_but_refuse(data: bytes) -> None:
    text = armour.write(data or b"x", "PGP SIGNATURE").encode()
    for sent in (data, b"\x88" + data, framed(b"\x04\x00\x16\x0a" + data), text):
        read_or_refused(sent)


@given(st.text(max_size=200), st.integers(0, len(TEXT)))
def test_no_text_in_the_armour_makes_another_packet_of_it(text: str, at: int) -> None:
    found = read_or_refused((TEXT[:at] + text + TEXT[at:]).encode(errors="replace"))
    assert found.isprintable() if isinstance(found, str) else found.packet == PACKET


@given(st.integers(0, len(PACKET) - 1), st.integers(0, 255))
@settings(max_examples=500)
def test_no_changed_octet_makes_the_reader_do_anything_but_refuse(at: int, octet: int) -> None:
    found = read_or_refused(changed(PACKET, at, octet))
    if isinstance(found, Signature):
        assert detached.read(detached.armoured(found).encode(), now=NOW) == found
    else:
        assert found.isprintable()


@given(st.binary(min_size=1, max_size=400))
def test_any_packets_come_back_from_their_armour(data: bytes) -> None:
    text = armour.write(data, armour.SIGNATURE)
    assert armour.read(text.encode(), armour.SIGNATURE) == data
    assert armour.size(data, armour.SIGNATURE) == len(text)


@given(st.integers(1, 15), st.integers(0, 65535))
def test_what_is_written_is_framed_as_it_is_read(tag: int, size: int) -> None:
    assert packets.read(packets.write(Packet(tag, bytes(size))), 1) == [Packet(tag, bytes(size))]
