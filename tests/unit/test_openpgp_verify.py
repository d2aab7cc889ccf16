"""Is this tarball signed by one of these certificates?  Real gpg signs, real gpgv judges, nothing is left behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from components import needs
from release_service.errors import (
    BadSignature,
    Refused,
    SignatureCheckUnavailable,
    SignatureDoesNotMatch,
    SignatureNotTrusted,
    SignatureOutOfTime,
    SigningKeyNotUsable,
    WeakSignature,
)
from release_service.openpgp import Certificate, SigningKey, Verified, certificate, detached, keyring, verify
from release_service.openpgp.verify import Window
from signatures import (
    BORN,
    CREATED,
    NOTATION,
    NOW,
    PUBLIC_KEY,
    SIGNED,
    TARBALL,
    YEAR,
    ForgedKey,
    Gpg,
    forged,
    framed,
    notation,
    seconds,
    sub,
)

pytestmark = pytest.mark.real

ADA, EVE, SUB = forged(), forged("eve"), forged("sub")
CARD = certificate.read(ADA.certificate(ADA.bind(SUB)), now=NOW)
GOOD = ADA.sign(TARBALL)
MONTH = timedelta(days=30)


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    """A file that the good signatures are over."""
    path = tmp_path / "tarball"
    path.write_bytes(TARBALL)
    return path


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """Where private homes are made: afterwards no file is there, and no process knows of it."""
    needs("gpgv", "gpgv")
    needs("gpg", "gpg")
    directory = tmp_path / "private"
    directory.mkdir()
    yield directory
    assert list(directory.iterdir()) == []
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(str(directory).encode() in line for line in lines)


def judge(
    data: bytes, tarball: Path | int, private: Path, *cards: Certificate, longest_ago: timedelta | None = None
) -> Verified:
    """Read *data* and verify it, now."""
    return verify.verify(detached.read(data, now=NOW), tarball, cards, Window(NOW, longest_ago), directory=private)


KINDS = {
    "ed25519": ("ed25519",),
    "rsa2048": ("rsa2048",),
    "rsa3072": ("rsa3072",),
    "nistp256": ("nistp256",),
    "nistp384": ("nistp384",),
    "nistp521": ("nistp521",),
    "binary": ("ed25519", "--no-armor"),
    "sha384": ("rsa2048", "--digest-algo", "SHA384"),
    "comment": ("ed25519", "--comment", "for GNOME 48", "--emit-version"),
    "notation": ("ed25519", "--sig-notation", "release@gnome.org=48"),
    "policy": ("ed25519", "--sig-policy-url", "https://gnome.example/policy"),
    "key-server": ("ed25519", "--sig-keyserver-url", "https://keys.example"),
    "sender": ("ed25519", "--sender", "key-ed25519@example.org"),
    "ends-never": ("ed25519", "--default-sig-expire", "none"),
}


@pytest.mark.parametrize("how", KINDS.values(), ids=KINDS)
def test_what_gpg_signs_is_accepted_and_plain_gpgv_accepts_what_we_publish(
    how: tuple[str, ...], gpg: Gpg, tarball: Path, private: Path, tmp_path: Path
) -> None:
    kind, *options = how
    name = f"key-{kind}@example.org"
    primary = gpg.new_key(f"key-{kind}", kind) if name not in gpg("--list-keys").decode() else gpg.fingerprints(name)[0]
    card = certificate.register(gpg.export(primary), now=NOW)
    found = detached.read(gpg.sign(f"{primary}!", *options), now=NOW + timedelta(minutes=1))
    verified = verify.verify(found, tarball, [CARD, card], Window(NOW, YEAR), directory=private)
    assert verified == Verified(primary, primary, found.created_at)

    (tmp_path / "module.keyring.asc").write_text(keyring.armoured([CARD, card]))
    (tmp_path / "tarball.asc").write_text(detached.armoured(found))
    gpg("--output", tmp_path / "module.gpg", "--dearmor", tmp_path / "module.keyring.asc")
    gpgv: list[str | Path] = ["gpgv", "--keyring", tmp_path / "module.gpg", tmp_path / "tarball.asc", tarball]
    assert b"Good signature" in subprocess.run(gpgv, check=True, capture_output=True).stderr


def test_a_subkey_signs_for_its_primary_key(gpg: Gpg, tarball: Path, private: Path) -> None:
    primary = gpg.new_key("with-subkey")
    gpg("--quick-add-key", primary, "ed25519", "sign", "1y")
    subkey = gpg.fingerprints(primary)[1]
    verified = judge(gpg.sign(f"{subkey}!"), tarball, private, certificate.register(gpg.export(primary), now=NOW))
    assert (verified.fingerprint, verified.signing_fingerprint) == (primary, subkey)


def test_a_descriptor_is_read_from_its_beginning_and_its_offset_stays(private: Path) -> None:
    fd = os.open(private.parent, os.O_TMPFILE | os.O_RDWR)
    try:
        os.write(fd, TARBALL)
        assert judge(framed(GOOD), fd, private, CARD).fingerprint == CARD.fingerprint
        assert os.lseek(fd, 0, os.SEEK_CUR) == len(TARBALL)
    finally:
        os.close(fd)


def odd_in_gpg(gpg: Gpg, how: str) -> bytes:
    """Return what gpg makes when it is asked for something else than a detached signature over a binary file."""
    key = (
        gpg.fingerprints("rsa-for-odd")[0]
        if b"rsa-for-odd" in gpg("--list-keys")
        else gpg.new_key("rsa-for-odd", "rsa2048")
    )
    if how == "rsa-1024":
        return gpg.sign(gpg.new_key("tiny", "rsa1024"))
    if how == "dsa":
        return gpg.sign(gpg.new_key("dsa", "dsa2048"))
    as_wanted: tuple[str, ...] = {
        "clear-signed": ("--clear-sign",),
        "inline": ("--sign",),
        "inline-armoured": ("--armor", "--sign"),
        "text-mode": ("--armor", "--textmode", "--detach-sign"),
        "sha-1": ("--armor", "--digest-algo", "SHA1", "--detach-sign"),
        "critical-notation": ("--armor", "--sig-notation", "!release@gnome.org=48", "--detach-sign"),
        "secret": ("--armor", "--export-secret-keys", key),
        "public": ("--armor", "--export", key),
        "stored": ("--store",),
    }[how]
    return gpg("--local-user", key, *as_wanted, data=TARBALL)


@pytest.mark.parametrize(
    ("kind", "rule", "how"),
    [
        (BadSignature, "CLEARTEXT", "clear-signed"),
        (BadSignature, "LENGTH", "inline"),
        (BadSignature, "ARMOUR", "inline-armoured"),
        (BadSignature, "TYPE", "text-mode"),
        (WeakSignature, "WEAK", "sha-1"),
        (WeakSignature, "WEAK", "rsa-1024"),
        (WeakSignature, "WEAK", "dsa"),
        (BadSignature, "CRITICAL", "critical-notation"),
        (BadSignature, "SECRET", "secret"),
        (BadSignature, "ARMOUR", "public"),
        (BadSignature, "LENGTH", "stored"),
    ],
)
def test_what_else_gpg_makes_is_refused(kind: type[Refused], rule: str, how: str, gpg: Gpg) -> None:
    with pytest.raises(BadSignature) as refused:
        detached.read(odd_in_gpg(gpg, how), now=NOW)
    assert (type(refused.value), refused.value.rule) == (kind, rule), refused.value.detail


def test_a_signature_over_another_file_is_refused(tarball: Path, private: Path) -> None:
    tarball.write_bytes(TARBALL + b"x")
    with pytest.raises(SignatureDoesNotMatch):
        judge(framed(GOOD), tarball, private, CARD)


def test_a_key_that_is_not_registered_is_not_trusted(tarball: Path, private: Path) -> None:
    with pytest.raises(SignatureNotTrusted, match=EVE.fingerprint.hex().upper()):
        judge(framed(EVE.sign(TARBALL)), tarball, private, CARD)
    with pytest.raises(SignatureNotTrusted):
        judge(framed(GOOD), tarball, private)


def test_a_signature_that_names_another_key_than_its_maker_is_refused(tarball: Path, private: Path) -> None:
    """Eve is registered as well; her signature says to be Ada's."""
    hashed = [ADA.names_itself, sub(CREATED, seconds(SIGNED))]
    both = CARD, certificate.read(EVE.certificate(), now=NOW)
    with pytest.raises(SignatureDoesNotMatch):
        judge(framed(EVE.sign(TARBALL, hashed=hashed, unhashed=[])), tarball, private, *both)


def test_every_flipped_bit_is_refused_or_does_not_matter(tarball: Path, private: Path) -> None:
    packet = framed(ADA.sign(TARBALL, sub(NOTATION, notation(b"a@example.org", b"48"))))
    whole = detached.read(packet, now=NOW)
    for at in range(len(packet)):
        flipped = packet[:at] + bytes([packet[at] ^ 1 << at % 8]) + packet[at + 1 :]
        try:
            found = detached.read(flipped, now=NOW)
        except Refused:
            continue
        if found == whole:
            continue  # a bit that says nothing, and is not published
        with pytest.raises(Refused):
            verify.verify(found, tarball, [CARD], Window(NOW), directory=private)


def test_an_expired_key_is_refused_by_us_and_by_gpgv_alone(gpg: Gpg, tarball: Path, private: Path) -> None:
    primary = gpg.new_key("expired", ends="7d")
    signed = gpg.sign(primary, at=NOW - 29 * timedelta(days=1))
    card = certificate.read(gpg.export(primary), now=NOW)
    with pytest.raises(SigningKeyNotUsable, match="has expired at"):
        judge(signed, tarball, private, card)
    endless = replace(card, expires_at=None, signing=tuple(replace(key, expires_at=None) for key in card.signing))
    with pytest.raises(SigningKeyNotUsable, match="has expired"):
        judge(signed, tarball, private, endless)


def test_a_revoked_key_is_refused_by_us_and_by_gpgv_alone(gpg: Gpg, tarball: Path, private: Path) -> None:
    primary = gpg.new_key("revoked")
    signed = gpg.sign(primary)
    gpg.revoke(primary)
    card = certificate.read(gpg.export(primary), now=NOW + timedelta(minutes=1))
    for known in (card, replace(card, revoked=False)):
        with pytest.raises(SigningKeyNotUsable, match="revoked"):
            judge(signed, tarball, private, known)


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_retired_subkey_is_refused_by_us_and_by_gpgv_alone(how: str, tarball: Path, private: Path) -> None:
    whole = ADA.bind(SUB) if how == "revoked" else ADA.bind(SUB, sub(9, (86400).to_bytes(4, "big")))
    bare = framed(SUB.body, 14)
    revocation = ADA.revoke(kind=0x28, data=ADA.signed_form + SUB.signed_form) if how == "revoked" else b""
    card = certificate.read(ADA.certificate(bare, revocation, whole[len(bare) :]), now=NOW)
    forgetful = replace(card, signing=tuple(replace(key, revoked=False, expires_at=None) for key in card.signing))
    for known in (card, forgetful):
        with pytest.raises(SigningKeyNotUsable, match=how):
            judge(framed(SUB.sign(TARBALL)), tarball, private, known)
    assert judge(framed(GOOD), tarball, private, card).fingerprint == CARD.fingerprint


def card_of(key: ForgedKey, signing: ForgedKey, packets: bytes) -> Certificate:
    """Return a certificate as if it had been registered, without any judgement."""
    keys = tuple(SigningKey(one.fingerprint.hex().upper(), BORN, None) for one in (key, signing))
    return Certificate(keys[0].fingerprint, ("x",), BORN, None, revoked=False, signing=keys, packets=packets)


def test_a_subkey_that_was_adopted_does_not_sign_for_who_adopted_it(tarball: Path, private: Path) -> None:
    """Registration refuses it; were it registered nevertheless, the verdict is the same."""
    adopted = card_of(EVE, SUB, EVE.certificate(EVE.bind(SUB, back=SUB.back(ADA))))
    with pytest.raises(Refused):
        judge(framed(SUB.sign(TARBALL)), tarball, private, adopted)


def test_a_signature_is_not_older_than_its_key(tarball: Path, private: Path) -> None:
    early = framed(ADA.sign(TARBALL, hashed=[ADA.names_itself, sub(CREATED, seconds(BORN - timedelta(seconds=1)))]))
    with pytest.raises(SignatureOutOfTime, match="BEFORE_KEY"):
        judge(early, tarball, private, CARD)
    older = replace(CARD, signing=tuple(replace(key, created_at=BORN - YEAR) for key in CARD.signing))
    with pytest.raises(Refused):
        judge(early, tarball, private, older)


def test_a_signature_may_be_as_old_as_the_window_and_no_older(tarball: Path, private: Path) -> None:
    old = framed(ADA.sign(TARBALL, hashed=[ADA.names_itself, sub(CREATED, seconds(NOW - MONTH))]))
    assert judge(old, tarball, private, CARD, longest_ago=MONTH).signed_at == NOW - MONTH
    assert judge(old, tarball, private, CARD).signed_at == NOW - MONTH
    with pytest.raises(SignatureOutOfTime, match="TOO_OLD"):
        judge(old, tarball, private, CARD, longest_ago=MONTH - timedelta(seconds=1))


def test_a_signature_from_the_future_is_refused_also_when_it_was_read_before(tarball: Path, private: Path) -> None:
    found = detached.read(framed(GOOD), now=NOW)
    with pytest.raises(SignatureOutOfTime, match="FUTURE"):
        verify.verify(found, tarball, [CARD], Window(SIGNED - timedelta(minutes=6)), directory=private)


INJECTED = f"\n[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG {'0' * 16} x\n[GNUPG:] VALIDSIG {'0' * 40} x".encode()


def test_what_a_user_id_says_is_no_verdict(tarball: Path, private: Path) -> None:
    """Registration refuses such a user id; were it registered nevertheless, it decides nothing."""
    card = card_of(EVE, EVE, framed(EVE.body, PUBLIC_KEY) + EVE.certify(user_id=INJECTED))
    assert judge(framed(EVE.sign(TARBALL)), tarball, private, card).fingerprint == card.fingerprint
    with pytest.raises(SignatureDoesNotMatch):
        judge(framed(EVE.sign(b"other")), tarball, private, card)


def test_what_a_notation_says_is_no_verdict(tarball: Path, private: Path) -> None:
    """The reader refuses such a notation; were it not to, it decides nothing."""
    noting = framed(EVE.sign(b"other", sub(NOTATION, notation(b"a@example.org", INJECTED, 0))))
    card = card_of(EVE, EVE, EVE.certificate())
    with pytest.raises(SignatureDoesNotMatch):
        judge(noting, tarball, private, card)


def test_what_a_file_is_called_is_no_verdict(tmp_path: Path, private: Path) -> None:
    named = tmp_path / INJECTED.decode()
    named.write_bytes(TARBALL)
    assert judge(framed(GOOD), named, private, CARD).fingerprint == CARD.fingerprint
    with pytest.raises(SignatureDoesNotMatch):
        judge(framed(ADA.sign(b"other")), named, private, CARD)


# For a shell: the file behind the status descriptor in gpgv's arguments.
STATUS = "/proc/$$/fd/$(echo $@ | sed 's/.*fd //;s/ .*//')"


def program(directory: Path, name: str, script: str) -> None:
    """Put a *script* called *name* where programs are found first."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which programs are found first."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def test_when_sqv_does_not_agree_the_signature_is_refused(tarball: Path, private: Path, programs: Path) -> None:
    program(programs, "sqv", "exit 1")
    with pytest.raises(BadSignature, match="OPINIONS") as refused:
        judge(framed(GOOD), tarball, private, CARD)
    assert refused.value.next_step.startswith("Sign the tarball again")


def test_sqv_agrees_on_what_is_good(tarball: Path, private: Path) -> None:
    needs("sqv", "sqv")
    assert judge(framed(GOOD), tarball, private, CARD).fingerprint == CARD.fingerprint


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 60",
        "kill -9 $$",
        f"exec head -c 2000000 /dev/zero > {STATUS}",
    ],
)
def test_a_gpgv_that_hangs_or_dies_or_talks_too_much_is_no_verdict(
    script: str, tarball: Path, private: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "TIMEOUT_S", 1)
    program(programs, "gpgv", f"PATH={os.environ['PATH']}\n{script}")
    with pytest.raises(SignatureCheckUnavailable):
        judge(framed(GOOD), tarball, private, CARD)


def test_without_gpgv_there_is_no_verdict(tarball: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(private))
    with pytest.raises(SignatureCheckUnavailable, match="gpgv is not installed"):
        judge(framed(GOOD), tarball, private, CARD)


def test_a_gpgv_that_cannot_be_started_is_no_verdict(tarball: Path, private: Path, programs: Path) -> None:
    (programs / "gpgv").write_text("#!/no/such/interpreter\n")
    (programs / "gpgv").chmod(0o755)
    with pytest.raises(SignatureCheckUnavailable, match="cannot be run"):
        judge(framed(GOOD), tarball, private, CARD)


@pytest.mark.parametrize(("rule", "issuer", "moment"), [("ISSUER", EVE, SIGNED), ("TIME", ADA, NOW), ("", ADA, SIGNED)])
def test_gpgv_must_name_the_key_and_the_time_that_we_read(
    rule: str, issuer: ForgedKey, moment: datetime, tarball: Path, private: Path, programs: Path
) -> None:
    name = issuer.fingerprint.hex().upper()
    valid = f"VALIDSIG {name} 2026-01-01 {int(moment.timestamp())} 0 4 0 22 10 00 {CARD.fingerprint}"
    lines = " ".join(f"'[GNUPG:] {line}'" for line in ("NEWSIG", "GOODSIG x", valid))
    program(programs, "gpgv", f"PATH={os.environ['PATH']}\nprintf '%s\\n' {lines} > {STATUS}")
    if rule:
        with pytest.raises(BadSignature, match=rule):
            judge(framed(GOOD), tarball, private, CARD)
    else:
        assert judge(framed(GOOD), tarball, private, CARD).signed_at == SIGNED


def test_an_exit_status_of_0_alone_is_no_verdict(tarball: Path, private: Path, programs: Path) -> None:
    program(programs, "gpgv", "exit 0")
    with pytest.raises(BadSignature, match="STATUS"):
        judge(framed(GOOD), tarball, private, CARD)


MEASURE = """
import resource, sys
from datetime import datetime, UTC
from pathlib import Path
from release_service.openpgp import certificate, detached, verify
now = datetime.now(UTC)
card = certificate.read(Path("card").read_bytes(), now=now)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verify.verify(detached.read(Path("signature").read_bytes(), now=now), Path("tarball"), [card], verify.Window(now))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.alone
def test_a_tarball_of_1_gib_is_verified_in_constant_memory(gpg: Gpg, tmp_path: Path) -> None:
    primary = gpg.new_key("large")
    with (tmp_path / "tarball").open("wb") as file:
        file.truncate(1024**3)
    gpg("--local-user", primary, "--output", tmp_path / "signature", "--detach-sign", tmp_path / "tarball")
    (tmp_path / "card").write_bytes(gpg.export(primary))
    measured = subprocess.run([sys.executable, "-c", MEASURE], cwd=tmp_path, check=True, capture_output=True)
    grown_kib, child_kib = map(int, measured.stdout.split())
    assert grown_kib < 8 * 1024
    assert child_kib < 64 * 1024
