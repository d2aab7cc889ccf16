"""The device flow: with a real OpenID provider, and with canned replies for what it cannot be made to say."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from components import Asked, Canned, canned, nanoidp
from release_service.client import Exit, Failure
from release_service.client.device_flow import Invitation, sign_in
from release_service.client.issuer import Issuer, Tokens
from release_service.demo.sso import CLI_CLIENT_ID

SCOPE = "openid profile email groups offline_access"
PENDING = {"error": "authorization_pending"}
TOKENS = {"access_token": "a.b.c", "refresh_token": "r.e.f", "expires_in": 300}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nanoidp(tmp_path_factory.mktemp("sso")) as (issuer, _):
        yield issuer


def answer_on_the_page(page: str, **form: str) -> None:
    """Do what the maintainer's browser does."""
    url = httpx2.URL(page)
    shown = httpx2.get(url)
    assert shown.is_success
    httpx2.post(url.copy_with(query=None), data={"user_code": url.params["user_code"], **form}).raise_for_status()


def sign_in_at(issuer: str, on_the_page: Callable[[Invitation], None]) -> Tokens:
    with httpx2.Client() as http, ThreadPoolExecutor() as browser:
        client = Issuer(http, issuer, CLI_CLIENT_ID)
        return sign_in(client, SCOPE, lambda invitation: void(browser.submit(on_the_page, invitation)), void)


def void(_: object) -> None: ...


@pytest.mark.slow
def test_who_authorizes_on_the_page_is_signed_in(real: str) -> None:
    def authorize(invitation: Invitation) -> None:
        assert invitation.code in invitation.page
        answer_on_the_page(invitation.page, **dict.fromkeys(("username", "password"), "alice"), action="authorize")

    tokens = sign_in_at(real, authorize)
    assert tokens.refresh
    assert tokens.access not in repr(tokens)
    assert tokens.refresh not in repr(tokens)


@pytest.mark.slow
def test_who_denies_on_the_page_is_not(real: str) -> None:
    with pytest.raises(Failure, match="denied") as failure:
        sign_in_at(real, lambda invitation: answer_on_the_page(invitation.page, action="deny"))
    assert failure.value.status is Exit.NO_TOKEN


def issuer_that_says(replies: list[Canned], **changes: Any) -> Callable[[Asked], Canned]:
    """Answer polls by *replies*, one after another; *changes* are to the other two documents."""

    def answer(asked: Asked) -> Canned:
        if asked.path.endswith("/.well-known/openid-configuration"):
            endpoints = {name: f"{asked.base}/{name}" for name in ("token_endpoint", "device_authorization_endpoint")}
            return 200, {"issuer": asked.base} | endpoints | changes, {}
        if asked.path == "/device_authorization_endpoint":
            started = {"device_code": "secret-device-code", "user_code": "WDJB", "expires_in": 600, "interval": 1}
            return 200, started | {"verification_uri": f"{asked.base}/device"} | changes, {}
        return replies.pop(0)

    return answer


def poll(replies: list[Canned], **changes: Any) -> tuple[Tokens, list[float], list[str]]:
    """Sign in with those replies; return the tokens, the waits between polls, and what was told."""
    slept: list[float] = []
    told: list[str] = []
    with canned(issuer_that_says(replies, **changes)) as url, httpx2.Client() as http:
        tokens = sign_in(Issuer(http, url, "cli"), SCOPE, void, told.append, slept.append)
    return tokens, slept, told


def test_slow_down_makes_every_later_wait_five_seconds_longer() -> None:
    slower: Canned = (400, {"error": "slow_down"}, {})
    _, slept, _ = poll([(400, PENDING, {}), slower, (400, PENDING, {}), slower, (200, TOKENS, {})])
    assert slept == [1, 1, 6, 6, 11]


def test_an_issuer_that_is_down_for_a_moment_is_asked_less_and_less_often_and_said_once() -> None:
    down: Canned = (502, b"<html>Bad Gateway</html>", {})
    _, slept, told = poll([down, down, (503, {}, {}), (400, PENDING, {}), (200, TOKENS, {})])
    assert slept == [1, 2, 3, 5, 1]
    assert len(told) == 1


def test_a_connection_that_breaks_is_no_end() -> None:
    broken: Canned = (200, b"{", {"Content-Length": "100"})
    tokens, _, told = poll([broken, (200, TOKENS, {})])
    assert (tokens.refresh, len(told)) == ("r.e.f", 1)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ({"error": "expired_token"}, "expired"),
        ({"error": "access_denied"}, "denied"),
        ({"error": "invalid_grant"}, "refused the sign-in: invalid_grant"),
    ],
)
def test_an_end_is_said_in_a_sentence_and_means_not_signed_in(reply: dict[str, str], says: str) -> None:
    with pytest.raises(Failure, match=says) as failure:
        poll([(400, PENDING, {}), (400, reply | {"error_description": "secret-device-code"}, {})])
    assert failure.value.status is Exit.NO_TOKEN
    assert "secret" not in str(failure.value)


def test_a_code_that_nobody_used_in_time_has_expired() -> None:
    with canned(issuer_that_says([(400, PENDING, {})] * 9, expires_in=1)) as url, httpx2.Client() as http:
        issuer, waiting = Issuer(http, url, "cli"), threading.Event()
        with pytest.raises(Failure, match="expired"):
            sign_in(issuer, SCOPE, void, void, lambda s: void(waiting.wait(s)))


def test_without_a_refresh_token_it_is_no_sign_in() -> None:
    with pytest.raises(Failure, match="offline_access"):
        poll([(200, {"access_token": "a.b.c"}, {})])


@pytest.mark.parametrize("access", [None, "", "a b", "a\nb", "é", 1])
def test_what_is_no_token_is_not_taken_for_one(access: object) -> None:
    with pytest.raises(Failure, match="without a token"):
        poll([(200, TOKENS | {"access_token": access}, {})])


@pytest.mark.parametrize("name", ["token_endpoint", "device_authorization_endpoint", "verification_uri"])
@pytest.mark.parametrize("url", ["https://evil.example/x", "http://127.0.0.1:9/x", "javascript:alert(1)", 7, None])
def test_nobody_is_sent_to_an_endpoint_that_is_not_the_issuers_own(name: str, url: object) -> None:
    with pytest.raises(Failure, match="not its own"):
        poll([(200, TOKENS, {})], **{name: url})


def test_an_issuer_that_speaks_for_another_is_not_believed() -> None:
    with pytest.raises(Failure, match="another issuer"):
        poll([], issuer="https://sso.example.org")


@pytest.mark.parametrize("url", ["http://sso.example.org", "file:///etc/passwd", "https://u:p@sso.example.org"])
def test_an_issuer_that_is_not_https_is_not_asked(url: str) -> None:
    with httpx2.Client() as http, pytest.raises(Failure, match="cannot be the issuer"):
        Issuer(http, url, "cli")


@pytest.mark.parametrize("reply", [(503, {}, {}), (200, b"<html>Sign in to the hotel</html>", {}), (302, b"", {})])
def test_an_issuer_that_is_down_is_unavailable(reply: Canned) -> None:
    with (
        canned(lambda _: reply) as url,
        httpx2.Client() as http,
        pytest.raises(Failure, match="unavailable") as failure,
    ):
        Issuer(http, url, "cli")
    assert failure.value.status is Exit.UNAVAILABLE


def test_a_client_that_may_not_use_the_device_flow_is_told() -> None:
    def answer(asked: Asked) -> Canned:
        if asked.path.startswith("/.well-known"):
            endpoint = f"{asked.base}/device_authorization_endpoint"
            return 200, {"issuer": asked.base, "device_authorization_endpoint": endpoint}, {}
        return 401, {"error": "unauthorized_client"}, {}

    with canned(answer) as url, httpx2.Client() as http, pytest.raises(Failure, match="unauthorized_client"):
        sign_in(Issuer(http, url, "cli"), SCOPE, void, void)
