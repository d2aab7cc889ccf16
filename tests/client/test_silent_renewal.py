"""Silent renewal: a rotating refresh token, used once, by one process at a time."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import keyring.core
import pytest

from components import Asked, Canned, canned, free_port, nanoidp
from release_service.client import Exit, Failure
from release_service.client.device_flow import Invitation, sign_in
from release_service.client.issuer import Issuer
from release_service.client.profiles import Profiles, SignIn
from release_service.client.refresh_tokens import RefreshTokens
from release_service.client.session import Session
from release_service.demo.sso import CLI_CLIENT_ID

SERVER = "https://release.example.org"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file is where tokens are, for these tests and the processes that they start."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    keyring.core.init_backend()
    yield
    monkeypatch.undo()
    keyring.core.init_backend()


def ignored(_: str) -> None: ...


def remember(home: Path, issuer: str, refresh: str) -> None:
    Profiles(home).add("here", SERVER, SignIn(issuer, CLI_CLIENT_ID), default=True)
    RefreshTokens(home).keep(SERVER, refresh, ignored)


def sign_in_as_alice(home: Path, issuer: str) -> None:
    def authorize(invitation: Invitation) -> None:
        url = httpx2.URL(invitation.page)
        form = {"user_code": invitation.code, "username": "alice", "password": "alice", "action": "authorize"}
        httpx2.post(url.copy_with(query=None), data=form).raise_for_status()

    with httpx2.Client() as http:
        tokens = sign_in(Issuer(http, issuer, CLI_CLIENT_ID), "openid offline_access", authorize, ignored)
    remember(home, issuer, str(tokens.refresh))


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[str]:
    with nanoidp(tmp_path / "sso") as (url, _):
        yield url


@pytest.mark.slow
def test_each_command_renews_and_keeps_the_rotated_token(issuer: str, tmp_path: Path) -> None:
    sign_in_as_alice(tmp_path, issuer)
    kept = [RefreshTokens(tmp_path).read(SERVER)]
    for _ in range(3):
        with httpx2.Client() as http:
            session = Session(http, tmp_path, SERVER)
            assert session.token() == session.token()
        kept.append(RefreshTokens(tmp_path).read(SERVER))
    assert len(set(kept)) == 4


@pytest.mark.slow
def test_processes_at_once_never_use_one_token_twice(issuer: str, tmp_path: Path) -> None:
    """The issuer ends the whole sign-in when a used token comes again."""
    sign_in_as_alice(tmp_path, issuer)
    program = (
        "import sys, httpx2; from pathlib import Path; from release_service.client.session import Session\n"
        "with httpx2.Client() as http: Session(http, Path(sys.argv[1]), sys.argv[2]).token()"
    )
    command = [sys.executable, "-c", program, str(tmp_path), SERVER]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(6)]
    said = [process.communicate(timeout=60)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 6, said


@pytest.mark.slow
def test_a_token_that_was_used_elsewhere_means_signing_in_again(issuer: str, tmp_path: Path) -> None:
    sign_in_as_alice(tmp_path, issuer)
    stolen = str(RefreshTokens(tmp_path).read(SERVER))
    with httpx2.Client() as http:
        Session(http, tmp_path, SERVER).token()
        RefreshTokens(tmp_path).replace(SERVER, stolen)
        with pytest.raises(Failure, match="Sign in again: gnome-release login") as failure:
            Session(http, tmp_path, SERVER).token()
    assert failure.value.status is Exit.NO_TOKEN
    assert stolen not in str(failure.value)


def test_who_is_not_signed_in_is_told_how(tmp_path: Path) -> None:
    with httpx2.Client() as http, pytest.raises(Failure, match="gnome-release login") as failure:
        Session(http, tmp_path, SERVER).token()
    assert failure.value.status is Exit.NO_TOKEN


def test_an_issuer_that_is_down_costs_nobody_the_sign_in(tmp_path: Path) -> None:
    remember(tmp_path, f"http://127.0.0.1:{free_port()}", "refresh")
    with httpx2.Client() as http, pytest.raises(Failure, match="unavailable") as failure:
        Session(http, tmp_path, SERVER).token()
    assert failure.value.status is Exit.UNAVAILABLE
    assert RefreshTokens(tmp_path).read(SERVER) == "refresh"


def test_an_access_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    renewed: list[Asked] = []

    def answer(asked: Asked) -> Canned:
        if asked.method == "GET":
            return 200, {"issuer": asked.base, "token_endpoint": f"{asked.base}/token"}, {}
        renewed.append(asked)
        return 200, {"access_token": f"a{len(renewed)}", "expires_in": 29}, {}

    with canned(answer) as url, httpx2.Client() as http:
        remember(tmp_path, url, "refresh")
        session = Session(http, tmp_path, SERVER)
        assert [session.token(), session.token()] == ["a1", "a2"]
    assert RefreshTokens(tmp_path).read(SERVER) == "refresh"


def test_the_refresh_token_goes_to_the_issuer_that_gave_it_and_nowhere_else(tmp_path: Path) -> None:
    """Not even to the origin that the issuer's own document names."""
    asked_for: list[str] = []

    def answer(asked: Asked) -> Canned:
        asked_for.append(asked.path)
        return 200, {"issuer": asked.base, "token_endpoint": "https://evil.example/token"}, {}

    with canned(answer) as url, httpx2.Client() as http:
        remember(tmp_path, url, "refresh")
        with pytest.raises(Failure, match="not its own"):
            Session(http, tmp_path, SERVER).token()
    assert asked_for == ["/.well-known/openid-configuration"]
