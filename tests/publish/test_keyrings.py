"""The keyring of a module in the tree: with it, and gpg alone, anybody verifies a published signature."""

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from components import needs
from registry import ASC, DIRECTORY, GOOD, NAME, People, fingerprint, signature
from release_service.db import signing_keys as rows
from release_service.openpgp import armour, packets
from release_service.openpgp import signature as signature_packet
from release_service.worker import Worker
from signatures import ISSUER, PUBLIC_KEY, USER_ID, USER_ID_TAG, Gpg, forged, framed, sub

pytestmark = pytest.mark.slow

KEYRING = "sources/gtk/gtk.keyring.asc"
SIGNATURE = "/api/v1/releases/gtk/4.18.1/signature"


@pytest.fixture
def people(signers: People) -> People:
    """CI has published gtk; bob may sign for it, alice's key is new."""
    assert signers.uploads.post(NAME, GOOD).status_code == 201
    return signers


def keys_in(people: People) -> set[str]:
    """Whose forged keys the published keyring holds."""
    if KEYRING not in people.uploads.stored():
        return set()
    published = armour.read(people.uploads.read(KEYRING), armour.PUBLIC_KEY)
    return {name for name in ("bob", "alice", "dora", "eric") if forged(name).body in published}


def gpgv(people: People, home: Path) -> "subprocess.CompletedProcess[str]":
    """Verify as docs/signatures.md says, with nothing but what is in the tree."""
    for key, name in ((f"{DIRECTORY}/{NAME}", NAME), (ASC, f"{NAME}.asc"), (KEYRING, "keyring.asc")):
        (home / name).write_bytes(people.uploads.read(key))
    dearmor: list[str | Path] = [
        needs("gpg", "gpg"),
        "--homedir",
        home,
        "--dearmor",
        "-o",
        "keyring.gpg",
        "keyring.asc",
    ]
    subprocess.run(dearmor, cwd=home, check=True, capture_output=True)
    command: list[str | Path] = [
        needs("gpgv", "gpgv"),
        "--homedir",
        home,
        "--status-fd",
        "1",
        "--keyring",
        "./keyring.gpg",
        f"{NAME}.asc",
        NAME,
    ]
    return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)


def test_a_signature_made_by_gpg_is_verified_by_gpgv_with_what_is_in_the_tree(
    people: People, gpg: Gpg, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    key = gpg.new_key(f"bob-{uuid4().hex}")
    assert people.ask("POST", "/api/v1/keys", "bob", gpg.export(key)).status_code == 201
    assert people.ask("POST", f"/api/v1/keys/{key}/consent", "alice").is_success
    assert people.ask("PUT", SIGNATURE, "bob", gpg.sign(key, data=GOOD)).status_code == 201
    done = gpgv(people, home)
    assert (done.returncode, "Good signature" in done.stderr) == (0, True), done.stderr
    (home / NAME).write_bytes(b"other")
    bad = subprocess.run(
        ["gpgv", "--homedir", home, "--keyring", "./keyring.gpg", f"{NAME}.asc", NAME],
        cwd=home,
        capture_output=True,
        check=False,
    )
    assert bad.returncode != 0


def test_it_holds_the_keys_that_may_sign_and_the_indexes_name_it(people: People) -> None:
    assert keys_in(people) == {"bob"}
    assert b"gtk.keyring.asc" in people.uploads.read("sources/gtk/index.html")
    assert b'"gtk.keyring.asc"' in people.uploads.read("sources/gtk/cache.json")


def test_it_follows_the_keys_and_the_maintainers(people: People) -> None:
    people.ask("POST", f"/api/v1/keys/{fingerprint('alice')}/consent", "bob")
    assert keys_in(people) == {"alice", "bob"}
    people.ask("DELETE", f"/api/v1/keys/{fingerprint('bob')}", "bob")
    assert keys_in(people) == {"alice"}
    people.ask("POST", "/api/v1/modules/gtk/maintainers", "carol", {"subject": "sub-dora"})
    assert keys_in(people) == {"alice", "dora"}
    for name in ("alice", "dora"):
        people.ask("DELETE", f"/api/v1/modules/gtk/maintainers/sub-{name}", "carol")
    assert KEYRING not in people.uploads.stored()
    assert b"keyring" not in people.uploads.read("sources/gtk/index.html")


def test_what_has_signed_stays_in_it_and_a_revocation_is_seen_by_gpgv(people: People, tmp_path: Path) -> None:
    assert people.ask("PUT", SIGNATURE, "bob", signature()).status_code == 201
    people.ask("DELETE", "/api/v1/modules/gtk/maintainers/sub-bob", "carol")
    people.ask("DELETE", f"/api/v1/keys/{fingerprint('bob')}", "bob")
    assert keys_in(people) == {"bob"}
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert "Good signature" in gpgv(people, home).stderr


def test_who_is_blocked_is_not_in_it_and_is_back_when_the_block_is_lifted(people: People) -> None:
    for module in ("gtk", "*"):
        blocked = {"issuer": people.sso.issuer, "subject": "sub-bob", "reason": "compromised"}
        assert people.ask("PUT", f"/api/v1/modules/{module}/block", "carol", blocked).is_success
        assert KEYRING not in people.uploads.stored()
        assert people.ask("DELETE", f"/api/v1/modules/{module}/block", "carol", blocked).is_success
        assert keys_in(people) == {"bob"}


BOUND = forged("bob").bind(forged("bob's subkey"))
REVOKED = forged("bob").revoke(kind=0x28, data=forged("bob").signed_form + forged("bob's subkey").signed_form)


def consented(people: People, data: bytes) -> None:
    """Let bob's certificate be *data*, and sign at once."""
    assert people.ask("POST", "/api/v1/keys", "bob", data).status_code == 201
    assert people.ask("POST", f"/api/v1/keys/{fingerprint('bob')}/consent", "alice").is_success


def test_a_strangers_copy_of_a_key_is_not_published(people: People, tmp_path: Path) -> None:
    """Anybody may register an old copy of anybody's key, also before its owner does."""
    name = "bob's second"
    second, its = forged(name), forged("its subkey")
    for stranger in ("mallory", "alice"):
        assert people.ask("POST", "/api/v1/keys", stranger, second.certificate()).status_code == 201
    assert people.ask("POST", "/api/v1/keys", "bob", second.certificate(second.bind(its))).status_code == 201
    assert people.ask("POST", f"/api/v1/keys/{fingerprint(name)}/consent", "alice").is_success
    assert people.ask("PUT", SIGNATURE, "bob", signature("its subkey")).status_code == 201
    for bob in ("is there", "has left"):
        home = tmp_path / bob
        home.mkdir(mode=0o700)
        assert "Good signature" in gpgv(people, home).stderr
        people.ask("DELETE", "/api/v1/modules/gtk/maintainers/sub-bob", "carol")


def test_an_old_copy_of_a_co_maintainer_keeps_no_newer_one_from_signing(people: People) -> None:
    consented(people, forged("bob").certificate(BOUND))
    assert people.ask("POST", "/api/v1/keys", "alice", forged("bob").certificate()).status_code == 201
    assert people.ask("POST", f"/api/v1/keys/{fingerprint('bob')}/consent", "bob").is_success
    assert people.ask("PUT", SIGNATURE, "bob", signature("bob's subkey")).status_code == 201


def test_a_subkey_revoked_in_anybodys_copy_signs_nothing_and_is_published_as_revoked(
    people: People, tmp_path: Path
) -> None:
    consented(people, forged("bob").certificate(BOUND))
    assert people.ask("PUT", SIGNATURE, "bob", signature("bob's subkey")).status_code == 201
    people.ask("DELETE", "/api/v1/modules/gtk/maintainers/sub-bob", "carol")
    assert people.ask("POST", "/api/v1/keys", "mallory", forged("bob").certificate(BOUND + REVOKED)).is_success
    people.uploads.pass_by(timedelta(hours=1))
    Worker(people.uploads.parts.service, None).work()
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert "REVKEYSIG" in gpgv(people, home).stdout
    people.maintain("gtk", "bob")
    refused = people.ask("PUT", SIGNATURE, "bob", signature("bob's subkey"))
    assert refused.json()["code"] == "signing_key_not_usable"


def test_what_strangers_write_where_nobody_signs_is_not_published(people: People) -> None:
    """The keyring stands on download.gnome.org: no text of somebody who has only handed a public key in."""
    victim = forged("victim")
    _, certification = packets.read(victim.certify(), 2)
    said = signature_packet.read(certification.body)
    open_ = sub(ISSUER, victim.fingerprint[-8:]) + sub(100, b"BUY THIS")
    dirty = said.signed_part + len(open_).to_bytes(2, "big") + open_ + said.left + said.numbers
    sent = framed(victim.body, PUBLIC_KEY) + framed(USER_ID, USER_ID_TAG) + framed(dirty)
    assert b"BUY" in sent
    assert people.ask("POST", "/api/v1/keys", "bob", sent).status_code == 201
    assert people.ask("POST", f"/api/v1/keys/{fingerprint('victim')}/consent", "alice").is_success
    published = armour.read(people.uploads.read(KEYRING), armour.PUBLIC_KEY)
    assert (victim.body in published, b"BUY" in published) == (True, False)


def test_it_is_put_together_once_when_the_indexes_are_written(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    keyring = rows.keyring

    def counted(*given: Any) -> str:
        built.append(given[1])
        return keyring(*given)

    monkeypatch.setattr(rows, "keyring", counted)
    people.ask("POST", f"/api/v1/keys/{fingerprint('alice')}/consent", "bob")
    assert built == ["gtk"]


def test_a_module_whose_maintainers_have_no_keys_has_none(people: People) -> None:
    assert people.uploads.post("atk-2.1.tar.xz", b"").status_code == 400
    assert [key for key in people.uploads.stored() if "keyring" in key] == [KEYRING]
