"""`gnome-release sign` signs what was asked for, whatever the service says that it is; and no secret key is sent."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components import Asked, Canned, canned, command
from signatures import Gpg

pytestmark = pytest.mark.slow

NAME, DATA = "gtk-4.18.1.tar.xz", b"the tarball"
SHA256 = hashlib.sha256(DATA).hexdigest()
Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Service:
    """A service that tells of gtk 4.18.1 whatever the test says."""

    def __init__(self) -> None:
        self.name, self.asked = NAME, list[Asked]()

    def answer(self, asked: Asked) -> Canned:
        self.asked.append(asked)
        if asked.method == "PUT":
            return 201, {"signature_url": "u", "fingerprint": "f"}, {}
        if asked.path == "/tarball":
            return 200, DATA, {}
        tarball = {"name": self.name, "sha256": SHA256, "size": len(DATA)}
        return 200, {"tarball": tarball, "url": f"{asked.base}/tarball"}, {}


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def run(service: Service, gpg: Gpg, tmp_path: Path) -> Iterator[Run]:
    with canned(service.answer) as url:
        own = {"GNOME_RELEASE_TOKEN": "x", "GNOME_RELEASE_SERVER": url, "GNUPGHOME": str(gpg.home)}

        def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
            typed = [command("gnome-release"), *arguments]
            return subprocess.run(
                typed, env=os.environ | own, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )

        yield run


@pytest.fixture(scope="session")
def key(gpg: Gpg) -> str:
    return gpg.new_key("what-is-signed")


OTHERS = [
    "glib-2.84.0.tar.xz",
    "gtk-4.18.2.tar.xz",
    "gtk-4.18.1.tar.xz.asc",
    "gtk-4.18.1.zip",
    "..",
    "/",
    "/etc/gtk-4.18.1.tar.xz",
    "../gtk-4.18.1.tar.xz",
    "gtk-4.18.1\x1b[31m.tar.xz",
]


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_service_calls_otherwise_is_not_even_fetched(name: str, run: Run, service: Service, key: str) -> None:
    service.name = name
    done = run("sign", "gtk", "4.18.1", "-u", key, "--yes")
    assert (done.returncode, "Nothing was signed." in done.stderr, "\x1b" in done.stderr) == (3, True, False)
    assert [asked.path for asked in service.asked] == ["/api/v1/releases/gtk/4.18.1"]


def test_a_name_that_is_a_path_is_refused_also_if_it_was_asked_for(run: Run, service: Service, key: str) -> None:
    service.name = "a/../../gtk-4.18.1.tar.xz"
    assert run("sign", "a/../../gtk", "4.18.1", "-u", key, "--yes").returncode == 3


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_a_tarball_of_that_module_and_version_is_signed(compression: str, run: Run, service: Service, key: str) -> None:
    service.name = f"gtk-4.18.1.tar.{compression}"
    done = run("sign", "gtk", "4.18.1", "-u", key, "--yes", "--sha256", f"{SHA256.upper()}")
    assert done.returncode == 0, done.stderr
    assert service.asked[-1].body.startswith(b"-----BEGIN PGP SIGNATURE-----")


@pytest.mark.parametrize("sha256", ["", " ", "0", SHA256[:-1], SHA256 + "0", "g" + SHA256[1:], f"{SHA256} -"])
def test_what_is_no_digest_is_wrong_usage_and_nothing_is_asked(sha256: str, run: Run, service: Service) -> None:
    done = run("sign", "gtk", "4.18.1", "--yes", "--sha256", sha256)
    assert (done.returncode, "64 hex digits" in done.stderr, service.asked) == (2, True, [])


def test_other_bytes_than_the_digest_says_are_not_signed(run: Run, service: Service, key: str) -> None:
    assert run("sign", "gtk", "4.18.1", "-u", key, "--yes", "--sha256", 64 * "0").returncode == 3
    assert {asked.method for asked in service.asked} == {"GET"}


@pytest.mark.parametrize("export", ["--export-secret-keys", "--export-secret-subkeys"])
def test_a_secret_key_in_a_file_is_not_sent(
    export: str, run: Run, service: Service, key: str, gpg: Gpg, tmp_path: Path
) -> None:
    (tmp_path / "key.gpg").write_bytes(gpg(export, key))
    done = run("keys", "add", "key.gpg")
    assert (done.returncode, "it was not sent" in done.stderr, service.asked) == (3, True, [])


def test_what_gpg_is_told_to_expire_does_not(run: Run, service: Service, key: str, gpg: Gpg) -> None:
    settings = gpg.home / "gpg.conf"
    settings.write_text("default-sig-expire 1y\n")
    try:
        assert run("sign", "gtk", "4.18.1", "-u", key, "--yes").returncode == 0
    finally:
        settings.unlink()
    assert b"subpkt 3 " not in gpg("--list-packets", data=service.asked[-1].body)
