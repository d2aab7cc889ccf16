"""What a registered public key must be: keys from gpg, and keys from parts that gpg would never make."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_service.errors import BadCertificate, CertificateNotUsable, Refused, SecretKeySent, WeakCertificate
from release_service.openpgp import Certificate, armour, certificate, keyring, listing, revocation
from signatures import (
    BORN,
    CREATED,
    EMBEDDED,
    EXPIRES,
    FLAGS,
    ISSUER,
    KEY_EXPIRES,
    LITERAL,
    NOW,
    PUBLIC_KEY,
    SECRET_KEY,
    SHA1,
    SIGNED,
    SUBKEY,
    USER_ID,
    USER_ID_TAG,
    YEAR,
    ForgedKey,
    Gpg,
    forged,
    framed,
    mpi,
    seconds,
    sub,
)

ADA, EVE, SUB, BOB = forged(), forged("eve"), forged("sub"), forged("bob", "rsa2048")
P256 = forged("ecdsa", "p256")
GOOD = ADA.certificate()
DAY = 86400
EVE_ID = sub(ISSUER, EVE.fingerprint[-8:])
NAME = framed(USER_ID, USER_ID_TAG)


def ends_after(days: int) -> bytes:
    """Return the subpacket that lets a key end so many *days* after it was made."""
    return sub(KEY_EXPIRES, (days * DAY).to_bytes(4, "big"))


def user_ids(count: int) -> bytes:
    """Return so many certified user ids."""
    return b"".join(ADA.certify(user_id=b"a%d" % number) for number in range(count))


def bound_over_nothing() -> bytes:
    """Return a subkey whose binding signature covers something else."""
    hashed = [ADA.names_itself, sub(CREATED, seconds(BORN)), sub(FLAGS, b"\x02"), SUB.back(ADA)]
    return framed(SUB.body, SUBKEY) + framed(ADA.sign(b"nothing", kind=0x18, hashed=hashed))


def signed_for(other: ForgedKey, *, by: ForgedKey) -> bytes:
    """Return a signature, of the key *by*, that belongs to a user id of the key *other*."""
    data = other.signed_form + b"\xb4" + len(USER_ID).to_bytes(4, "big") + USER_ID
    return framed(by.sign(data, kind=0x13))


def too_large(key: ForgedKey) -> bytes:
    """Return an RSA signature over the usual user id whose number is longer than *key*."""
    good = key.sign(key.signed_form + b"\xb4" + len(USER_ID).to_bytes(4, "big") + USER_ID, kind=0x13)
    return good[: -len(mpi(1 << 2047))] + mpi(1 << 2048)


def named(user_id: bytes) -> bytes:
    """Return a certificate for *user_id*."""
    return ADA.certificate(certification=ADA.certify(user_id=user_id))


def padded(size: int) -> bytes:
    """Return a certificate with so many octets of no meaning, which gpg reads, too."""
    padding = sub(110, bytes(size // 30))
    return ADA.certificate(certification=b"".join(ADA.certify(padding, user_id=b"a%d" % n) for n in range(30)))


FUTURE = ForgedKey(ADA.private, created_at=NOW + timedelta(days=1))
RETIRED = ForgedKey(ADA.private, created_at=NOW - YEAR)
NOT_A_POINT = framed(ADA.body[:-33] + bytes(33), PUBLIC_KEY)

BAD: dict[str, tuple[type[Refused], str, Callable[[], bytes]]] = {
    "nothing": (BadCertificate, "EMPTY", lambda: b""),
    "too-large": (BadCertificate, "SIZE", lambda: GOOD * 500),
    "too-large-for-its-kept-form": (BadCertificate, "SIZE", lambda: padded(50_000)),
    "too-large-for-its-revocation": (BadCertificate, "SIZE", lambda: padded(35_000)),
    "a-signature-block": (BadCertificate, "ARMOUR", lambda: armour.write(GOOD, "PGP SIGNATURE").encode()),
    "text-before": (BadCertificate, "ARMOUR", lambda: b"my key\n" + armour.write(GOOD, armour.PUBLIC_KEY).encode()),
    "a-private-key-block": (SecretKeySent, "SECRET", lambda: armour.write(GOOD, "PGP PRIVATE KEY BLOCK").encode()),
    "a-secret-key-in-a-public-block": (SecretKeySent, "SECRET", lambda: GOOD + framed(EVE.body, SECRET_KEY)),
    "a-secret-subkey": (SecretKeySent, "SECRET", lambda: GOOD + framed(EVE.body, 7)),
    "two-certificates": (BadCertificate, "SEVERAL", lambda: GOOD + EVE.certificate()),
    "a-signature-alone": (BadCertificate, "PACKETS", lambda: framed(ADA.sign(b"x"))),
    "a-literal-behind": (BadCertificate, "PACKETS", lambda: GOOD + framed(b"b\x00\x00\x00\x00\x00x", LITERAL)),
    "a-trust-packet": (BadCertificate, "PACKETS", lambda: GOOD + framed(b"\x00\x00", 12)),
    "a-partial-length": (BadCertificate, "LENGTH", lambda: framed(ADA.body, PUBLIC_KEY, "partial") + ADA.certify()),
    "cut-off": (BadCertificate, "CUT", lambda: GOOD[:-5]),
    "version-3": (BadCertificate, "VERSION", lambda: ForgedKey(ADA.private, version=3).certificate()),
    "version-5": (BadCertificate, "VERSION", lambda: ForgedKey(ADA.private, version=5).certificate()),
    "version-6": (BadCertificate, "VERSION", lambda: ForgedKey(ADA.private, version=6).certificate()),
    "rsa-1024": (WeakCertificate, "WEAK", lambda: forged("small", "rsa1024").certificate()),
    "dsa": (WeakCertificate, "WEAK", lambda: framed(b"\x04" + seconds(BORN) + b"\x11" + bytes(99), PUBLIC_KEY)),
    "ed25519-by-its-new-number": (
        BadCertificate,
        "ALGORITHM",
        lambda: framed(b"\x04" + seconds(BORN) + b"\x1b" + bytes(32), PUBLIC_KEY),
    ),
    "secp256k1": (
        BadCertificate,
        "CURVE",
        lambda: framed(ADA.body[:5] + b"\x13\x05+\x81\x04\x00\n\x00\x03\x07", PUBLIC_KEY),
    ),
    "not-a-point": (BadCertificate, "MPI", lambda: NOT_A_POINT),
    "not-on-its-curve": (BadCertificate, "KEY", lambda: framed(P256.body[:-1] + b"\x00", PUBLIC_KEY)),
    "an-even-exponent": (BadCertificate, "KEY", lambda: framed(BOB.body[:-1] + b"\x00", PUBLIC_KEY)),
    "signed-with-a-number-larger-than-its-key": (
        BadCertificate,
        "SELF_SIGNATURE",
        lambda: framed(BOB.body, PUBLIC_KEY) + NAME + framed(too_large(BOB)),
    ),
    "300-octets-in-new-format": (BadCertificate, "USER_ID", lambda: framed(ADA.body, PUBLIC_KEY, "new")),
    "9000-octets-in-new-format": (
        BadCertificate,
        "TEXT",
        lambda: GOOD + framed(b"x" * 9000, USER_ID_TAG, "new, five octets"),
    ),
    "an-octet-behind-the-key": (BadCertificate, "TRAILING", lambda: framed(ADA.body + b"x", PUBLIC_KEY)),
    "no-user-id": (BadCertificate, "USER_ID", lambda: framed(ADA.body, PUBLIC_KEY)),
    "an-unsigned-user-id": (BadCertificate, "USER_ID", lambda: GOOD + framed(b"Eve", USER_ID_TAG)),
    "a-user-id-signed-by-another": (BadCertificate, "USER_ID", lambda: GOOD + EVE.certify(user_id=b"Eve")),
    "a-user-id-signed-for-another-key": (
        BadCertificate,
        "SELF_SIGNATURE",
        lambda: framed(RETIRED.body, PUBLIC_KEY) + framed(USER_ID, USER_ID_TAG) + signed_for(ADA, by=RETIRED),
    ),
    "a-changed-user-id": (BadCertificate, "SELF_SIGNATURE", lambda: GOOD.replace(b"Ada", b"Eve")),
    "a-user-id-with-a-status-line": (BadCertificate, "TEXT", lambda: named(b"x\n[GNUPG:] VALIDSIG x")),
    "a-user-id-with-an-escape": (BadCertificate, "TEXT", lambda: named(b"\x1b[2Jx")),
    "a-user-id-not-utf-8": (BadCertificate, "TEXT", lambda: named(b"J\xfcrgen")),
    "a-user-id-of-2000-octets": (BadCertificate, "TEXT", lambda: named(b"a" * 2000)),
    "33-user-ids": (BadCertificate, "SIZE", lambda: ADA.certificate(user_ids(32))),
    "33-subkeys": (BadCertificate, "SIZE", lambda: GOOD + framed(SUB.body, SUBKEY) * 33),
    "600-packets": (BadCertificate, "PACKETS", lambda: GOOD + framed(b"\x03") * 600),
    "sha-1-over-the-user-id": (
        WeakCertificate,
        "WEAK",
        lambda: ADA.certificate(certification=ADA.certify(digest=SHA1)),
    ),
    "sha-1-newest": (
        WeakCertificate,
        "WEAK",
        lambda: GOOD + ADA.certify(born=NOW - YEAR, digest=SHA1)[len(NAME) :],
    ),
    "md5-over-the-user-id": (WeakCertificate, "WEAK", lambda: ADA.certificate(certification=ADA.certify(digest=1))),
    "a-critical-unknown": (
        BadCertificate,
        "CRITICAL",
        lambda: ADA.certificate(certification=ADA.certify(sub(99, critical=True))),
    ),
    "a-certification-that-has-expired": (
        BadCertificate,
        "USER_ID",
        lambda: ADA.certificate(certification=ADA.certify(sub(EXPIRES, (86400).to_bytes(4, "big")))),
    ),
    "a-policy-with-a-line": (
        BadCertificate,
        "TEXT",
        lambda: ADA.certificate(certification=ADA.certify(sub(26, b"https://a/\n[GNUPG:] x"))),
    ),
    "a-certification-that-names-two": (
        BadCertificate,
        "ISSUER",
        lambda: GOOD + framed(ADA.sign(b"x", unhashed=[EVE_ID])),
    ),
    "a-digest-that-is-quoted-wrongly": (BadCertificate, "SELF_SIGNATURE", lambda: GOOD[:-70] + b"??" + GOOD[-68:]),
    "made-in-the-future": (BadCertificate, "TIME", FUTURE.certificate),
    "signed-in-the-future": (
        BadCertificate,
        "TIME",
        lambda: ADA.certificate(certification=ADA.certify(born=NOW + timedelta(days=1))),
    ),
    "revoked": (CertificateNotUsable, "REVOKED", lambda: ADA.certificate(direct=ADA.revoke())),
    "revoked-with-sha-1": (CertificateNotUsable, "REVOKED", lambda: ADA.certificate(direct=ADA.revoke(digest=SHA1))),
    "revoked-by-another": (BadCertificate, "REVOCATION", lambda: ADA.certificate(direct=EVE.revoke())),
    "revocation-forged": (
        BadCertificate,
        "SELF_SIGNATURE",
        lambda: ADA.certificate(direct=ADA.revoke(data=EVE.signed_form)),
    ),
    "expired": (CertificateNotUsable, "EXPIRED", lambda: ADA.certificate(certification=ADA.certify(ends_after(30)))),
    "says-nothing-about-signing": (
        CertificateNotUsable,
        "NO_SIGNING_KEY",
        lambda: ADA.certificate(certification=ADA.certify(flags=None)),
    ),
    "may-only-certify": (
        CertificateNotUsable,
        "NO_SIGNING_KEY",
        lambda: ADA.certificate(certification=ADA.certify(flags=b"\x01")),
    ),
    "the-only-signing-subkey-has-expired": (
        CertificateNotUsable,
        "NO_SIGNING_KEY",
        lambda: ADA.certificate(ADA.bind(SUB, ends_after(30)), certification=ADA.certify(flags=b"\x01")),
    ),
    "more-than-is-kept": (
        BadCertificate,
        "SIZE",
        lambda: GOOD + b"".join(ADA.certify(user_id=b"%d" % number + b"a" * 600) for number in range(31)),
    ),
    # Subkeys
    "a-subkey-that-nothing-binds": (BadCertificate, "BINDING", lambda: GOOD + framed(SUB.body, SUBKEY)),
    "a-subkey-bound-by-another": (BadCertificate, "BINDING", lambda: GOOD + EVE.bind(SUB)),
    "a-subkey-bound-over-nothing": (BadCertificate, "SELF_SIGNATURE", lambda: GOOD + bound_over_nothing()),
    "no-back-signature": (BadCertificate, "BACK_SIGNATURE", lambda: GOOD + ADA.bind(SUB, back=b"")),
    "adopted-subkey": (BadCertificate, "BACK_SIGNATURE", lambda: GOOD + ADA.bind(SUB, back=SUB.back(EVE))),
    "back-signature-by-the-primary-key": (
        BadCertificate,
        "BACK_SIGNATURE",
        lambda: GOOD + ADA.bind(SUB, back=sub(EMBEDDED, ADA.sign(ADA.signed_form + SUB.signed_form, kind=0x19))),
    ),
    "back-signature-by-another-that-names-the-subkey": (
        BadCertificate,
        "BACK_SIGNATURE",
        lambda: (
            GOOD
            + ADA.bind(
                SUB,
                back=sub(
                    EMBEDDED,
                    EVE.sign(
                        ADA.signed_form + SUB.signed_form,
                        kind=0x19,
                        hashed=[SUB.names_itself, sub(CREATED, seconds(BORN))],
                        unhashed=[],
                    ),
                ),
            )
        ),
    ),
    "back-signature-of-another-type": (
        BadCertificate,
        "BACK_SIGNATURE",
        lambda: GOOD + ADA.bind(SUB, back=SUB.back(ADA, kind=0x18)),
    ),
    "two-back-signatures": (BadCertificate, "SUBPACKET", lambda: GOOD + ADA.bind(SUB, back=SUB.back(ADA) * 2)),
    "sha-1-in-the-back-signature": (
        WeakCertificate,
        "WEAK",
        lambda: GOOD + ADA.bind(SUB, back=SUB.back(ADA, digest=SHA1)),
    ),
    "sha-1-over-the-subkey": (WeakCertificate, "WEAK", lambda: GOOD + ADA.bind(SUB, digest=SHA1)),
    "a-signing-subkey-of-1024-bits": (WeakCertificate, "WEAK", lambda: GOOD + ADA.bind(forged("small", "rsa1024"))),
}

REVOKED_SUBKEY = ADA.revoke(kind=0x28, data=ADA.signed_form + SUB.signed_form)
GOOD_ONES: dict[str, tuple[int, Callable[[], bytes]]] = {
    "ed25519": (1, lambda: GOOD),
    "in-armour": (1, lambda: armour.write(GOOD, armour.PUBLIC_KEY).encode()),
    "rsa-2048": (1, BOB.certificate),
    "p-256": (1, lambda: forged("ecdsa", "p256").certificate()),
    "signing-subkey": (2, lambda: GOOD + ADA.bind(SUB)),
    "rsa-subkey": (2, lambda: GOOD + ADA.bind(BOB)),
    "subkey-only": (1, lambda: ADA.certificate(ADA.bind(SUB), certification=ADA.certify(flags=b"\x01"))),
    "subkey-that-says-nothing-about-signing": (1, lambda: GOOD + ADA.bind(SUB, flags=None, back=b"")),
    "revoked-subkey": (
        1,
        lambda: GOOD + framed(SUB.body, SUBKEY) + REVOKED_SUBKEY + ADA.bind(SUB)[len(framed(SUB.body, SUBKEY)) :],
    ),
    "revoked-unbound-subkey": (1, lambda: GOOD + framed(SUB.body, SUBKEY) + REVOKED_SUBKEY),
    "expiring": (1, lambda: ADA.certificate(certification=ADA.certify(ends_after(5000)))),
    "sha-1-long-ago": (
        1,
        lambda: ADA.certificate(
            ADA.certify()[len(NAME) :], certification=ADA.certify(born=BORN - timedelta(days=1), digest=SHA1)
        ),
    ),
    "signed-by-others-in-any-way": (
        1,
        lambda: GOOD + framed(EVE.sign(b"x", kind=0x10, digest=SHA1)) + framed(b"\x03\x05"),
    ),
    "encryption-subkey-of-the-time-of-sha-1": (1, lambda: GOOD + ADA.bind(EVE, flags=b"\x0c", back=b"", digest=SHA1)),
    "an-older-user-id-in-latin-1": (1, lambda: GOOD + ADA.certify(user_id=b"J\xfcrgen")),
    "an-older-user-id-with-sha-1": (1, lambda: GOOD + ADA.certify(user_id=b"Old Name", digest=SHA1)),
    "an-older-user-id-that-has-expired": (
        1,
        lambda: GOOD + ADA.certify(sub(EXPIRES, DAY.to_bytes(4, "big")), user_id=b"Old Name"),
    ),
    "with-a-photo": (1, lambda: GOOD + framed(b"\x05\x01jpeg", 17, "new")),
    "32-user-ids": (1, lambda: ADA.certificate(user_ids(31))),
    "name-beyond-ascii": (1, lambda: named("Jürgen".encode())),
}


@pytest.mark.parametrize(("kind", "rule", "made"), BAD.values(), ids=BAD)
def test_a_bad_certificate_is_refused_by_its_own_rule(
    kind: type[Refused], rule: str, made: Callable[[], bytes], tmp_path: Path
) -> None:
    with pytest.raises(BadCertificate) as refused:
        certificate.register(made(), now=NOW, directory=tmp_path)
    assert (type(refused.value), refused.value.rule) == (kind, rule), refused.value.detail
    assert refused.value.detail.isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
@pytest.mark.parametrize(("signing", "made"), GOOD_ONES.values(), ids=GOOD_ONES)
def test_a_good_certificate_is_accepted_by_us_and_by_gpg(
    signing: int, made: Callable[[], bytes], tmp_path: Path, gpg: Gpg
) -> None:
    del gpg  # has looked that gpg is installed
    found = certificate.register(made(), now=NOW, directory=tmp_path)
    assert len(found.signing_fingerprints) == signing
    assert certificate.read(found.packets, now=NOW) == found
    assert certificate.read(keyring.armoured([found]).encode(), now=NOW) == found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
@pytest.mark.parametrize("kind", ["ed25519", "rsa2048", "rsa3072", "nistp256", "nistp384", "nistp521"])
def test_a_key_that_gpg_has_made_is_read_as_gpg_reads_it(kind: str, gpg: Gpg) -> None:
    primary = gpg.new_key(f"made-{kind}", kind)
    gpg("--quick-add-key", primary, kind if kind[0] in "er" else f"{kind}/ecdsa", "sign", "1y")
    gpg("--quick-add-key", primary, "rsa2048", "encrypt", "1y")
    found = certificate.register(gpg.export(primary), now=NOW)
    assert found.fingerprint == primary
    assert list(found.signing_fingerprints) == gpg.fingerprints(primary)[:2]
    assert found.expires_at is not None
    assert found.expires_at > NOW


@pytest.mark.real
def test_a_key_on_a_curve_that_not_all_verifiers_know_is_refused_by_name(gpg: Gpg) -> None:
    with pytest.raises(BadCertificate, match=r"brainpoolP256r1.*\[CURVE\]"):
        certificate.register(gpg.export(gpg.new_key("brainpool", "brainpoolP256r1")), now=NOW)


def test_who_sends_a_key_without_user_ids_is_told_where_it_has_lost_them() -> None:
    with pytest.raises(BadCertificate) as refused:
        certificate.read(framed(ADA.body, PUBLIC_KEY), now=NOW)
    assert "keys.openpgp.org" in refused.value.next_step


@pytest.mark.real
def test_a_key_that_gpg_has_revoked_is_not_registered(gpg: Gpg) -> None:
    primary = gpg.new_key("revoked-before")
    gpg.revoke(primary)
    assert certificate.read(gpg.export(primary), now=NOW).revoked
    with pytest.raises(CertificateNotUsable):
        certificate.register(gpg.export(primary), now=NOW)


@pytest.mark.real
def test_the_revocation_that_gpg_keeps_for_a_key_revokes_it(gpg: Gpg) -> None:
    primary = gpg.new_key("leaked")
    known = certificate.register(gpg.export(primary), now=NOW)
    assert revocation.revoke(known.packets, gpg.revocation(primary), now=NOW).revoked
    gpg.revoke(primary)
    assert revocation.revoke(known.packets, gpg.revocation(primary), now=NOW) == certificate.read(
        gpg.export(primary), now=NOW
    )


@pytest.mark.parametrize(
    ("rule", "sent"),
    [
        ("EMPTY", b""),
        ("SIZE", b"\x88" * 70_000),
        ("CUT", ADA.revoke()[:-1]),
        ("REVOCATION", GOOD),
        ("REVOCATION", ADA.revoke() * 2),
        ("REVOCATION", ADA.revoke(kind=0x28)),
        ("REVOCATION", EVE.revoke()),
        ("SELF_SIGNATURE", ADA.revoke(data=EVE.signed_form)),
    ],
)
def test_only_its_owner_revokes_a_key(rule: str, sent: bytes) -> None:
    known = certificate.read(GOOD, now=NOW)
    assert revocation.revoke(known.packets, ADA.revoke(), now=NOW).revoked
    with pytest.raises(BadCertificate) as refused:
        revocation.revoke(known.packets, sent, now=NOW)
    assert refused.value.rule == rule, refused.value.detail


def test_a_certificate_as_large_as_may_be_registered_is_read_again_after_its_revocation() -> None:
    known = certificate.read(padded(25_000), now=NOW)
    revoked = revocation.revoke(known.packets, ADA.revoke(), now=NOW)
    assert certificate.read(keyring.armoured([revoked]).encode(), now=NOW) == revoked


@given(st.binary(max_size=300), st.integers(0, len(ADA.revoke()) - 1))
@settings(max_examples=300, deadline=None)
def test_no_bytes_but_the_owners_revoke_a_key(data: bytes, at: int) -> None:
    known, good = certificate.read(GOOD, now=NOW), ADA.revoke()
    for sent in (data, good + data, good[:at] + data, framed(data), good[:at] + data[:1] + good[at + 1 :]):
        with contextlib.suppress(BadCertificate):
            found = revocation.revoke(known.packets, sent, now=NOW)
            assert (found.fingerprint, found.revoked) == (known.fingerprint, True)
            assert good[-66:] in found.packets  # the numbers of the owner's signature


@pytest.mark.real
def test_a_secret_key_that_gpg_exports_is_named_as_what_it_is(gpg: Gpg) -> None:
    primary = gpg.new_key("exported")
    with pytest.raises(SecretKeySent, match="SECRET"):
        certificate.register(gpg("--armor", "--export-secret-keys", primary), now=NOW)
    with pytest.raises(SecretKeySent, match="SECRET"):
        certificate.register(gpg("--export-secret-keys", primary), now=NOW)


def test_what_is_not_needed_to_verify_is_not_kept() -> None:
    encryption = ADA.bind(EVE, flags=b"\x0c", back=b"")
    by_others = framed(EVE.sign(b"x", kind=0x10))
    found = certificate.read(
        GOOD + by_others + framed(b"\x05\x01jpeg", 17, "new") + encryption + ADA.bind(SUB), now=NOW
    )
    assert found.packets == GOOD + ADA.bind(SUB)


def test_user_ids_of_another_time_are_left_out_beside_a_good_one() -> None:
    for old in (ADA.certify(user_id=b"J\xfcrgen"), ADA.certify(user_id=b"Old Name", digest=SHA1)):
        assert certificate.read(GOOD + old, now=NOW).packets == GOOD
        assert certificate.read(framed(ADA.body, PUBLIC_KEY) + old + ADA.certify(), now=NOW).packets == GOOD


def test_what_nobody_has_signed_is_not_kept_but_for_the_issuer_and_a_subkeys_consent() -> None:
    """Whoever has only a public key can write there what they like."""
    mine, its = ([sub(ISSUER, one.fingerprint[-8:])] for one in (ADA, SUB))
    said = [ADA.names_itself, sub(CREATED, seconds(BORN)), sub(FLAGS, b"\x02")]
    both = ADA.signed_form + SUB.signed_form

    def bound(*junk: bytes) -> bytes:
        back = SUB.sign(both, kind=0x19, hashed=[SUB.names_itself, sub(CREATED, seconds(BORN))], unhashed=[*its, *junk])
        binding = ADA.sign(both, kind=0x18, hashed=said, unhashed=[*mine, sub(EMBEDDED, back), *junk])
        return framed(SUB.body, SUBKEY) + framed(binding)

    found = certificate.read(GOOD + bound(sub(100, b"BUY THIS" * 40)), now=NOW)
    assert len(found.signing_fingerprints) == 2
    assert b"BUY" not in found.packets
    assert certificate.read(found.packets, now=NOW) == found
    assert certificate.read(GOOD + bound(), now=NOW) == found


def test_how_much_may_be_sent_is_measured_without_the_armour() -> None:
    by_others = framed(EVE.sign(b"x", sub(100, bytes(9000)), kind=0x10))
    large = GOOD + by_others * 7
    assert len(large) < certificate.MAX_BYTES < len(armour.write(large, armour.PUBLIC_KEY))
    assert certificate.read(armour.write(large, armour.PUBLIC_KEY).encode(), now=NOW).packets == GOOD


def test_a_comment_in_the_armour_may_be_in_any_language() -> None:
    for comment in ("Jürgens Schlüssel".encode(), "Jürgen".encode("latin-1")):
        text = armour.write(GOOD, armour.PUBLIC_KEY).encode().replace(b"-----\n\n", b"-----\nComment: %s\n\n" % comment)
        assert certificate.read(text, now=NOW).packets == GOOD


def test_a_revoked_user_id_is_left_out_and_a_renewed_one_is_not() -> None:
    second = b"Old Name"
    data = ADA.signed_form + b"\xb4" + len(second).to_bytes(4, "big") + second
    revoked = GOOD + ADA.certify(user_id=second) + ADA.revoke(kind=0x30, data=data)
    assert certificate.read(revoked, now=NOW).user_ids == ("Ada <ada@example.org>",)
    renewed = ADA.certify(user_id=second, born=SIGNED + timedelta(minutes=1))[len(framed(second, USER_ID_TAG)) :]
    assert certificate.read(revoked + renewed, now=NOW).user_ids == ("Ada <ada@example.org>", "Old Name")


def test_a_subkey_ends_with_its_primary_key() -> None:
    found = certificate.read(ADA.certificate(ADA.bind(SUB), certification=ADA.certify(ends_after(1000))), now=NOW)
    assert [key.expires_at for key in found.signing] == [BORN + timedelta(days=1000)] * 2


READ = certificate.read(GOOD, now=NOW)
OTHER_VIEWS = {
    "not-openpgp": replace(READ, packets=b"hello"),
    "another-key": replace(READ, packets=EVE.certificate()),
    "one-key-more": replace(READ, packets=GOOD + ADA.bind(SUB)),
    "a-signature-that-is-not-good": replace(READ, packets=GOOD.replace(b"Ada", b"Eve")),
    "another-end": replace(READ, expires_at=NOW + YEAR),
    "a-primary-key-that-may-not-sign": replace(READ, packets=ADA.certificate(certification=ADA.certify(flags=b"\x01"))),
    "a-revoked-key": replace(READ, packets=ADA.certificate(direct=ADA.revoke())),
    "an-adopted-key": replace(READ, packets=framed(ADA.body, PUBLIC_KEY) + EVE.certify()),
}


@pytest.mark.real
@pytest.mark.parametrize("view", OTHER_VIEWS.values(), ids=OTHER_VIEWS)
def test_what_gpg_reads_otherwise_is_refused(view: Certificate, gpg: Gpg, tmp_path: Path) -> None:
    del gpg  # has looked that gpg is installed
    listing.check(READ, directory=tmp_path)
    with pytest.raises(BadCertificate, match="OPINIONS"):
        listing.check(view, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_there_are_at_least_15_bad_certificates_and_4_good_ones() -> None:
    assert len(BAD) >= 15
    assert len(GOOD_ONES) >= 4


WHOLE = GOOD + ADA.bind(SUB)
WHOLE_READ = certificate.read(WHOLE, now=NOW)


def read_or_refused(data: bytes) -> Certificate | str:
    """Return what is read, or why it is refused; whatever else is raised fails the test."""
    try:
        return certificate.read(data, now=NOW)
    except Refused as refused:
        return refused.detail


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_no_bytes_make_the_reader_do_anything_but_refuse(data: bytes) -> None:
    for sent in (data, b"\x98" + data, framed(ADA.body, PUBLIC_KEY) + data, GOOD + data, GOOD + framed(data, SUBKEY)):
        read_or_refused(sent)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
@settings(max_examples=400, deadline=None)
def test_no_flipped_bit_makes_another_certificate(at: int, flip: int) -> None:
    found = read_or_refused(WHOLE[:at] + bytes([WHOLE[at] ^ flip]) + WHOLE[at + 1 :])
    if isinstance(found, Certificate):
        kept = (found.fingerprint, found.user_ids, found.expires_at)
        assert kept == (WHOLE_READ.fingerprint, WHOLE_READ.user_ids, WHOLE_READ.expires_at)
        assert set(found.signing) <= set(WHOLE_READ.signing)
        assert certificate.read(found.packets, now=NOW) == found
    else:
        assert found.isprintable()
