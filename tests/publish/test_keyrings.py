"""The keyring of a module in the tree: with it, and gpg alone, anybody verifies a published signature."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from components import needs
from conftest import KINDS
from registry import ASC, DIRECTORY, GOOD, NAME, People, fingerprint, make_signers, signature
from release_service.demo.gitlab import StandInGitLab
from release_service.openpgp import armour
from signatures import Gpg, forged
from uploads import Environment

pytestmark = pytest.mark.slow

KEYRING = "sources/gtk/gtk.keyring.asc"
SIGNATURE = "/api/v1/releases/gtk/4.18.1/signature"


@pytest.fixture(params=KINDS)
def people(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> Iterator[People]:
    """CI has published gtk; bob may sign for it, alice's key is new."""
    with make_signers(environment_of(request.param), gitlab) as made:
        assert made.uploads.post(NAME, GOOD).status_code == 201
        yield made


def keys_in(people: People) -> set[str]:
    """Whose forged keys the published keyring holds."""
    packets = armour.read(people.uploads.read(KEYRING), armour.PUBLIC_KEY)
    return {name for name in ("bob", "alice", "dora", "eric") if forged(name).body in packets}


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


def test_a_module_whose_maintainers_have_no_keys_has_none(people: People) -> None:
    assert people.uploads.post("atk-2.1.tar.xz", b"").status_code == 400
    assert [key for key in people.uploads.stored() if "keyring" in key] == [KEYRING]
