"""`gnome-release keys`, `upload --sign` and `sign`, with a real gpg, against a service that runs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

import components
from builders import a_tarball
from persons import StandInSso
from signatures import Gpg
from uploads import Environment

pytestmark = pytest.mark.slow

NAME, LATER = "gtk-4.18.1.tar.xz", "gtk-4.18.2.tar.xz"
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def run(environment_of: Callable[[str], Environment], tmp_path: Path, gpg: Gpg) -> Iterator[Run]:
    """Return what types `gnome-release` as somebody: bob and alice maintain gtk."""
    sso = StandInSso()
    environment = environment_of("embedded") | {"RELEASE_SERVICE_SSO_ISSUER": sso.issuer}

    def token(who: str, *groups: str) -> str:
        return sso.token(sub=f"sub-{who}", preferred_username=who, groups=list(groups))

    with components.service(environment, tmp_path / "log") as (server, _):
        headers = {"Authorization": f"Bearer {token('carol', '/sysadmin')}"}
        module = f"{server}/api/v1/modules/gtk"
        assert httpx2.put(module, headers=headers, json={}).is_success
        for name in ("bob", "alice"):
            body = {"subject": f"sub-{name}"}
            assert httpx2.post(f"{module}/maintainers", headers=headers, json=body).is_success

        def type_(who: str, *words: str) -> Done:
            own = {"GNOME_RELEASE_TOKEN": token(who), "GNOME_RELEASE_SERVER": server, "GNUPGHOME": str(gpg.home)}
            command = [sys.executable, "-m", "release_service.client", *words]
            return subprocess.run(
                command, env=os.environ | own, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )

        yield type_
    sso.stop()


def test_a_key_is_registered_consented_to_and_signs_with_the_upload_and_later(
    run: Run, gpg: Gpg, tmp_path: Path
) -> None:
    key = gpg.new_key(f"bob-{uuid4().hex}")
    added = run("bob", "keys", "add", " ".join(key[at : at + 4] for at in range(0, 40, 4)))
    assert (added.returncode, "waits; may sign from" in added.stdout) == (0, True), added.stderr
    assert added.stdout.splitlines()[0].replace(" ", "") == key
    (tmp_path / NAME).write_bytes(a_tarball(NAME))
    early = run("bob", "upload", NAME, "--sign", "-u", key)
    assert (early.returncode, "(signing_key_waits)" in early.stderr) == (3, True), early.stderr
    assert run("alice", "keys", "list").stdout.count("waits; if it is theirs") == 1
    assert run("alice", "keys", "consent", key).returncode == 0
    signed = run("bob", "upload", NAME, "--sign", "-u", key)
    assert (signed.returncode, f"{NAME}.asc" in signed.stdout) == (0, True), signed.stderr
    (tmp_path / LATER).write_bytes(a_tarball(LATER))
    assert run("bob", "upload", LATER).returncode == 0
    other = run("bob", "sign", "gtk", "4.18.2", "-u", key, "--yes", "--sha256", 64 * "0")
    assert (other.returncode, "Nothing was signed." in other.stderr) == (3, True)
    later = run("bob", "sign", "gtk", "4.18.2", "-u", key, "--yes")
    assert (later.returncode, f"{LATER}.asc" in later.stdout, "sha256" in later.stderr) == (0, True, True), later.stderr
    assert run("bob", "keys", "remove", key).returncode == 0
    assert "no key here" in run("bob", "keys", "list").stdout


def test_a_secret_key_is_not_even_sent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text("-----BEGIN PGP PRIVATE KEY BLOCK-----\n")
    done = run("bob", "keys", "add", "key.asc")
    assert (done.returncode, "it was not sent" in done.stderr) == (3, True)


def test_what_is_no_file_and_no_fingerprint_is_wrong_usage(run: Run) -> None:
    done = run("bob", "keys", "add", "0123456789ABCDEF")
    assert (done.returncode, "no fingerprint" in done.stderr) == (2, True)
