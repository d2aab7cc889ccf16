"""A maintainer's release day: `gnome-release` against a real service, a real OpenID provider, a real browser."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Page

import components
from builders import a_tarball
from uploads import Environment

pytestmark = [pytest.mark.real, pytest.mark.slow]

NAME = "hello-gnome-48.1.tar.xz"
A_JOB = {"GNOME_RELEASE_TOKEN": "not-of-ours"}
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A maintainer's machine: a home directory, a terminal, and a sign-in service somewhere."""

    home: Path
    server: str
    issuer: str
    sso: "subprocess.Popen[bytes]"

    def run(self, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [components.command("gnome-release"), *arguments],
            env=self.environment() | environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        assert not re.search(r"eyJ\w+\.", done.stdout + done.stderr), "a token is shown"
        return done

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [components.command("gnome-release"), *arguments],
            env=self.environment() | environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> Environment:
        kept = {name: os.environ[name] for name in os.environ if not name.startswith(("RELEASE_", "GNOME_", "GITLAB"))}
        return kept | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        }

    def sign_in(self, name: str, **environment: str) -> str:
        """Sign in without a look at the page; return what was said after that."""
        with self.start("login", "--server", self.server, "--no-browser", **environment) as login:
            page, code = invitation(login.stderr)
            form = {"user_code": code, "username": name, "password": name, "action": "authorize"}
            httpx2.post(page.partition("?")[0], data=form).raise_for_status()
            _, said = login.communicate(timeout=30)
            assert login.returncode == 0, said
            return said


def invitation(lines: IO[str] | None) -> tuple[str, str]:
    """Read what the command shows, until the code; return the page and the code."""
    assert lines is not None
    page = ""
    for line in lines:
        if line.startswith("    http"):
            page = line.strip()
        if line.startswith("Compare:"):
            return page, line.split()[-1]
    raise AssertionError("no invitation was shown")


@pytest.fixture
def desk(environment_of: Callable[[str], Environment], tmp_path: Path) -> Iterator[Desk]:
    home = tmp_path / "home"
    home.mkdir()
    (home / NAME).write_bytes(a_tarball(NAME))
    with components.nanoidp(tmp_path / "sso") as (issuer, sso):
        environment = environment_of("embedded") | {"RELEASE_SERVICE_SSO_ISSUER": issuer}
        add = [components.command("release-service"), "modules", "add", "hello-gnome"]
        subprocess.run(add, env=os.environ | environment, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        with components.service(environment, tmp_path / "log") as (server, _):
            yield Desk(home, server, issuer, sso)


@pytest.fixture
def page() -> Iterator[Page]:
    with components.chromium() as tab:
        yield tab


def test_a_maintainer_signs_in_in_the_browser_and_releases(desk: Desk, page: Page) -> None:
    with desk.start("login", "--server", desk.server, "--profile", "production", "--no-browser") as login:
        link, code = invitation(login.stderr)
        page.goto(link)
        assert page.input_value("#user_code") == code
        page.fill("#username", "alice")
        page.fill("#password", "alice")
        page.click("text=Authorize Device")
        page.wait_for_selector("text=Device authorized")
        assert login.wait(30) == 0
        assert login.stdout is not None
        assert login.stdout.readline() == f"Signed in at {desk.server} (profile production).\n"

    checked = desk.run("check", NAME)
    assert (checked.returncode, f"{NAME} would be accepted: hello-gnome 48.1, series 48." in checked.stdout) == (
        0,
        True,
    )
    httpx2.post(f"{desk.issuer}/api/keys/rotate").raise_for_status()
    published = desk.run("upload", NAME)
    assert (published.returncode, published.stderr.splitlines()[-1]) == (0, f"{NAME}: 100 % of {size(desk)} bytes sent")
    assert published.stdout.splitlines()[1] == f"{desk.server}/sources/hello-gnome/48/{NAME}"
    again = desk.run("check", NAME, "--server", "production")
    assert (again.returncode, "published already" in again.stdout) == (0, True)
    whoami = desk.run("whoami", "--json")
    assert (whoami.returncode, json.loads(whoami.stdout)["kind"]) == (0, "sso")
    assert "release-team" in desk.run("whoami").stdout


def size(desk: Desk) -> int:
    return (desk.home / NAME).stat().st_size


def test_while_the_issuer_is_down_commands_say_so_and_afterwards_go_on(desk: Desk, tmp_path: Path) -> None:
    desk.sign_in("alice")
    desk.sso.terminate()
    desk.sso.wait()
    for command in (["whoami"], ["check", NAME], ["upload", NAME]):
        down = desk.run(*command)
        assert (down.returncode, down.stdout, "is unavailable" in down.stderr) == (4, "", True)
    port = urlsplit(desk.issuer).port or 0
    with components.nanoidp(tmp_path / "sso", port=port):
        assert desk.run("whoami").returncode == 0
        assert desk.run("upload", NAME).returncode == 0


def test_who_may_not_release_a_module_is_told_by_check_and_by_upload(desk: Desk) -> None:
    desk.sign_in("bob")
    (desk.home / "wrong").mkdir()
    (desk.home / "wrong" / NAME).write_bytes(b"no archive")
    checked = desk.run("check", Path("wrong", NAME))
    assert checked.returncode == 3
    assert "(not_a_maintainer)" in checked.stderr
    assert "(bad_archive)" in checked.stderr
    assert desk.run("upload", NAME).returncode == 3


def test_only_the_name_of_a_tarball_that_is_not_there_is_checked(desk: Desk) -> None:
    desk.sign_in("alice")
    good = desk.run("check", "hello-gnome-49.0.tar.xz")
    assert (good.returncode, "only its name was asked about" in good.stderr) == (0, True)
    bad = desk.run("check", "hello-gnome.zip")
    assert (bad.returncode, "(bad_tarball_name)" in bad.stderr) == (3, True)


def test_a_job_with_a_token_is_who_its_token_says_even_beside_a_sign_in(desk: Desk) -> None:
    desk.sign_in("alice")
    refused = desk.run("whoami", **A_JOB)
    assert (refused.returncode, "(not_authenticated)" in refused.stderr) == (3, True)


def test_after_logout_nobody_is_signed_in_not_even_with_a_token_from_a_backup(desk: Desk) -> None:
    desk.sign_in("alice", **NO_KEYRING)
    kept = desk.home / "config" / "gnome-release" / "refresh-tokens.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert desk.run("whoami", **NO_KEYRING).returncode == 0
    backup = kept.read_bytes()
    assert "revoked at" in desk.run("logout", **NO_KEYRING).stdout
    nobody = desk.run("whoami", **NO_KEYRING)
    assert (nobody.returncode, f"gnome-release login --server {desk.server}" in nobody.stderr) == (5, True)
    kept.write_bytes(backup)
    over = desk.run("upload", NAME, **NO_KEYRING)
    assert (over.returncode, "is over (invalid_grant)" in over.stderr) == (5, True)


def test_logout_while_the_issuer_is_down_forgets_and_says_what_is_left_to_do(desk: Desk) -> None:
    desk.sign_in("alice")
    desk.sso.terminate()
    desk.sso.wait()
    out = desk.run("logout")
    assert (out.returncode, "forgotten here" in out.stdout, "could not be revoked" in out.stderr) == (0, True, True)
    assert "were not signed in" in desk.run("logout").stdout


def test_without_a_keyring_the_sign_in_warns_and_says_where_it_is_kept(desk: Desk) -> None:
    said = desk.sign_in("alice", **NO_KEYRING)
    assert str(desk.home / "config" / "gnome-release" / "refresh-tokens.json") in said


def test_ctrl_c_ends_the_waiting_with_one_line(desk: Desk) -> None:
    # A job in the background ignores Ctrl+C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with desk.start("login", "--server", desk.server, "--no-browser") as login:
        invitation(login.stderr)
        login.send_signal(signal.SIGINT)
        try:
            _, said = login.communicate(timeout=30)
        finally:
            login.kill()
    assert (login.returncode, said.splitlines()[-1], "Traceback" in said) == (130, "Interrupted.", False)
    assert not (desk.home / "config" / "gnome-release" / "profiles.json").exists()
