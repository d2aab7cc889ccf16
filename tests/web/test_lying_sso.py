"""An OpenID provider that lies, which no real one can be made to: nobody is signed in by it."""

import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

import components
import forger
from browsers import Browser, a_browser
from components import Asked, Canned
from persons import ALICE, StandInSso
from release_service.demo.gitlab import StandInGitLab
from release_service.demo.issuer import Claims, changed
from release_service.demo.sso import AUDIENCE, WEB_CLIENT_ID
from uploads import Environment

pytestmark = pytest.mark.slow

LONG_AGO, LONG_HENCE = 1_000_000_000, 4_000_000_000


@dataclass
class Liar:
    """An SSO that answers every code with good tokens, but for the claims and members that a test sets; ... takes
    one away.
    """

    keys: StandInSso
    url: str = ""
    nonce: str = ""
    id_token: dict[str, Any] = field(default_factory=dict)
    access_token: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    jwks: object = None
    status: int = 200
    make_id_token: Callable[[Claims], str] | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/GNOME"

    def __call__(self, asked: Asked) -> Canned:
        path = asked.path.removeprefix("/realms/GNOME")
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            said = {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "id_token_signing_alg_values_supported": ["HS256", "none", "RS256"],
            }
            return 200, changed(said, self.metadata), {}
        if path == "/keys":
            return 200, self.jwks or {"keys": [key.as_dict(private=False) for key in self.keys.keys]}, {}
        return self.status, self.tokens(), {}

    def tokens(self) -> Claims:
        ours: Claims = {"iss": self.issuer, "azp": WEB_CLIENT_ID}
        access = self.keys.keycloak(**ours | self.access_token)
        now = int(time.time())
        says = {
            "iss": self.issuer,
            "sub": ALICE,
            "aud": WEB_CLIENT_ID,
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 60,
        }
        make = self.make_id_token or self.keys.sign
        given = {"access_token": self.keys.sign(access), "token_type": "Bearer", "expires_in": 60}
        return changed(given | {"id_token": make(changed(says, self.id_token))}, self.answer)


@pytest.fixture
def liar() -> Iterator[Liar]:
    keys = StandInSso()
    liar = Liar(keys)
    with components.canned(liar) as liar.url:
        yield liar
    keys.stop()


@pytest.fixture
def browser(environment_of: Callable[[str], Environment], gitlab: StandInGitLab, liar: Liar) -> Iterator[Browser]:
    with a_browser(environment_of("embedded"), gitlab, liar.issuer) as made:
        yield made


def come_back(browser: Browser, liar: Liar) -> httpx2.Response:
    """Come back from the liar's page with a code; no token is shown or written down, whatever comes of it."""
    asked = parse_qs(urlsplit(browser.set_off()).query)
    liar.nonce = asked["nonce"][0]
    answer = browser.get(f"/auth/callback?code=a-code&state={asked['state'][0]}")
    for written in (answer.text, str(browser.uploads.audited()), str(browser.sessions())):
        assert "eyJ" not in written
    return answer


def test_the_liar_would_be_believed_if_it_told_the_truth(browser: Browser, liar: Liar) -> None:
    assert come_back(browser, liar).status_code == 303
    assert browser.get("/account").status_code == 200


@pytest.mark.parametrize(
    "lie",
    [
        {"id_token": {"iss": "https://evil.example"}},
        {"id_token": {"iss": ...}},
        {"id_token": {"aud": "another-client"}},
        {"id_token": {"aud": "another-client", "azp": WEB_CLIENT_ID}},
        {"id_token": {"aud": AUDIENCE}},
        {"id_token": {"aud": ...}},
        {"id_token": {"aud": [WEB_CLIENT_ID, "another"], "azp": "another"}},
        {"id_token": {"exp": LONG_AGO}},
        {"id_token": {"exp": ...}},
        {"id_token": {"iat": LONG_HENCE}},
        {"id_token": {"nonce": "another-nonce"}},
        {"id_token": {"nonce": ...}},
        {"id_token": {"sub": "somebody-else"}},
        {"id_token": {"sub": ...}},
        {"id_token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
        {"answer": {"id_token": ...}},
        {"answer": {"id_token": "no token"}},
        {"answer": {"id_token": 7}},
        {"answer": {"expires_in": "soon"}},
        {"answer": {"expires_in": [1]}},
        {"answer": {"id_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."}},
        {"answer": {"access_token": ...}},
        {"answer": {"access_token": "opaque"}},
        {"answer": {"access_token": 7}},
        {"jwks": {"a": 1}},
        {"jwks": {"keys": 7}},
        {"jwks": {"keys": ["no key"]}},
        {"jwks": [7]},
        {"access_token": {"aud": "account"}},
        {"access_token": {"azp": "another-client"}},
        {"access_token": {"typ": "ID"}},
        {"access_token": {"exp": LONG_AGO}},
        {"access_token": {"preferred_username": "service-account-release-web"}},
        {"answer": {"error": "invalid_grant"}, "status": 400},
        {"answer": {"error": ["invalid_grant"]}, "status": 400},
    ],
    ids=str,
)
def test_an_answer_that_proves_nothing_signs_nobody_in(browser: Browser, liar: Liar, lie: Claims) -> None:
    for name, value in lie.items():
        setattr(liar, name, value)
    answer = come_back(browser, liar)
    assert (answer.status_code, "(sign_in_failed)" in answer.text) == (400, True), answer.text
    assert browser.cookie() is None


@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"alg": "none"}, {"alg": "RS256", "kid": "another"}], ids=str)
def test_an_id_token_that_is_not_signed_with_the_issuers_key_signs_nobody_in(
    browser: Browser, liar: Liar, header: dict[str, str]
) -> None:
    """Neither with the public key as a shared secret, nor not at all: the metadata allows both."""
    key = liar.keys.keys[0]
    signatures = {
        "HS256": lambda text: hmac.digest(key.as_pem(private=False), text, "sha256"),
        "none": lambda _: b"",
        "RS256": forger.rsa(key),
    }
    liar.make_id_token = lambda claims: forger.token({"kid": key.kid} | header, claims, signatures[header["alg"]])
    answer = come_back(browser, liar)
    assert (answer.status_code, "(sign_in_failed)" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize("status", [500, 503])
def test_a_callback_while_the_sso_fails_is_good_again_when_it_is_mended(
    browser: Browser, liar: Liar, status: int
) -> None:
    liar.status = status
    answer = come_back(browser, liar)
    assert (answer.status_code, "(issuer_unavailable)" in answer.text) == (503, True)
    assert int(answer.headers["retry-after"]) > 0
    liar.status = 200
    assert browser.get(str(answer.url)).status_code == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": ...},
        {"token_endpoint": "https://evil.example/token"},
        {"authorization_endpoint": "https://evil.example/auth"},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
        {"token_endpoint": ...},
        {"jwks_uri": ["https://evil.example"]},
    ],
    ids=str,
)
def test_metadata_that_leads_elsewhere_is_not_followed(browser: Browser, liar: Liar, metadata: Claims) -> None:
    liar.metadata = metadata
    assert [browser.get("/auth/login").status_code for _ in range(3)] == [503] * 3
    assert browser.sessions() == []
    assert liar.asked == ["/.well-known/openid-configuration"]  # not for each browser


def test_a_place_to_sign_out_that_is_not_the_issuers_is_not_gone_to(browser: Browser, liar: Liar) -> None:
    liar.metadata = {"end_session_endpoint": "https://evil.example/"}
    come_back(browser, liar)
    out = browser.http.post("/auth/logout", data={"csrf": browser.csrf()}, follow_redirects=False)
    assert (out.status_code, out.headers["location"]) == (303, "/")
