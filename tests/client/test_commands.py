"""The commands as processes, against a service whose answers are canned."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components import Asked, Canned, canned, command

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"
ALICE = {"kind": "sso", "subject": "1", "login": "alice", "roles": [], "modules": ["gtk"], "sandbox": True}
VERDICT = {"accepted": True, "published": False, "module": "gtk", "version": "4.18.1", "series": "4.18"}
NOT_YOURS = {"code": "not_authenticated", "title": "Not valid", "detail": "Why.", "next": "Ask GitLab."}
TOKENS = {"access_token": "access-secret", "refresh_token": "refresh-secret", "expires_in": 300}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Stand:
    """A service and its issuer at one URL; tests change what they say."""

    def __init__(self) -> None:
        self.says: dict[str, Canned] = {
            "/api/v1/whoami": (200, ALICE, {}),
            "/api/v1/check": (200, VERDICT, {}),
            f"/api/v1/tarballs/{NAME}": (201, {"sha256": hashlib.sha256(b"").hexdigest()}, {}),
            "/token": (200, TOKENS, {}),
        }

    def answer(self, asked: Asked) -> Canned:
        base = asked.base
        names = ("token", "device_authorization", "revocation")
        says: dict[str, Canned] = {
            "/api/v1/sign-in": (200, {"issuer": base, "client_id": "cli", "scope": "openid"}, {}),
            "/.well-known/openid-configuration": (
                200,
                {"issuer": base} | {f"{name}_endpoint": f"{base}/{name}" for name in names},
                {},
            ),
            "/device_authorization": (
                200,
                {"device_code": "d", "user_code": "WDJB", "verification_uri": f"{base}/device", "interval": 1},
                {},
            ),
        } | self.says
        return says.get(asked.path, (404, {"title": "There is nothing here"}, {}))


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def run(stand: Stand, tmp_path: Path) -> Iterator[Run]:
    (tmp_path / NAME).write_bytes(b"")
    kept = {name: os.environ[name] for name in os.environ if not name.startswith(("RELEASE_", "GNOME_", "GITLAB"))}
    backend = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}

    with canned(stand.answer) as url:
        fixed = kept | backend | {"XDG_CONFIG_HOME": str(tmp_path / "config"), "GNOME_RELEASE_SERVER": url}

        def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
            done = subprocess.run(
                [command("gnome-release"), *arguments],
                env=fixed | environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert "secret" not in done.stdout + done.stderr, "a token is shown"
            return done

        yield run


def test_login_opens_the_browser_unless_told_not_to(run: Run, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    assert run("login", "--no-browser", BROWSER=str(browser)).returncode == 0
    assert not opened.exists()
    assert run("login", BROWSER=str(browser)).returncode == 0
    assert opened.read_text().endswith("/device\n")


def test_what_the_sandbox_says_is_headed_sandbox(run: Run, stand: Stand) -> None:
    assert run("login", "--no-browser").returncode == 0
    stand.says["/api/v1/check"] = (200, VERDICT | {"sandbox": True}, {})
    for arguments in (("whoami",), ("check", "gtk-4.18.2.tar.xz")):
        assert run(*arguments).stdout.startswith("SANDBOX")


def test_a_person_whose_token_is_not_taken_signs_in_again_and_a_job_asks_gitlab(run: Run, stand: Stand) -> None:
    stand.says["/api/v1/whoami"] = (401, NOT_YOURS, {})
    assert run("login", "--no-browser").returncode == 3
    person = run("whoami")
    assert (person.returncode, "Sign in again: gnome-release login" in person.stderr) == (5, True)
    job = run("whoami", GNOME_RELEASE_TOKEN="job-secret")  # noqa: S106 - what must not be shown
    assert (job.returncode, job.stderr) == (3, "Not valid. (not_authenticated)\nWhy.\nAsk GitLab.\n")


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_asks_to_wait_is_unavailable_and_says_for_how_long(status: int, run: Run, stand: Stand) -> None:
    stand.says["/api/v1/check"] = (status, {"code": "busy", "title": "Busy"}, {"Retry-After": "7"})
    done = run("check", NAME, GNOME_RELEASE_TOKEN="job-secret")  # noqa: S106 - what must not be shown
    assert (done.returncode, done.stderr) == (4, "Busy. (busy)\nTry again in 7 s.\n")


@pytest.mark.parametrize("page", [b"<html>", [], {"hello": "world"}])
def test_a_page_that_says_yes_to_everything_is_not_believed(page: Any, run: Run, stand: Stand) -> None:
    stand.says |= dict.fromkeys(("/api/v1/check", "/api/v1/whoami", "/api/v1/sign-in"), (200, page, {}))
    for arguments in (("check", NAME), ("whoami",)):
        done = run(*arguments, GNOME_RELEASE_TOKEN="job-secret")  # noqa: S106 - what must not be shown
        assert (done.returncode, "Something other than the release service" in done.stderr) == (4, True)
    assert run("login", "--no-browser").returncode == 4


def test_a_server_where_nobody_can_sign_in_says_so(run: Run, stand: Stand) -> None:
    problem = {"code": "not_found", "title": "There is nothing here", "detail": "No SSO.", "next": "Use CI."}
    stand.says["/api/v1/sign-in"] = (404, problem, {})
    done = run("login", "--no-browser")
    assert (done.returncode, done.stderr) == (3, "There is nothing here. (not_found)\nNo SSO.\nUse CI.\n")


def test_json_is_the_services_answer_and_what_was_found_inside(run: Run) -> None:
    done = run("check", NAME, "--json", GNOME_RELEASE_TOKEN="job-secret")  # noqa: S106 - what must not be shown
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["accepted"], verdict["reasons"][0]["code"]) == (3, False, "bad_archive")


def test_a_file_that_cannot_be_written_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("logout", XDG_CONFIG_HOME=str(tmp_path / "file"))
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}/file/gnome-release/profiles.json: Not a directory.\n")


def test_the_traceback_of_a_bug_shows_no_token(run: Run) -> None:
    """The canned 201 lacks what every real one has."""
    done = run("upload", NAME, GNOME_RELEASE_TOKEN="job-secret")  # noqa: S106 - what must not be shown
    assert (done.returncode, "KeyError" in done.stderr) == (1, True)
