"""The single sign-on as a browser's sign-in uses it: code and PKCE, by Authlib; what it may say, by us.

Its metadata comes from the configured issuer alone, and every endpoint must be the issuer's own.
Authlib holds the ID token against the issuer's keys; who it is, only `identity.sso` says, from the access token.
"""

import asyncio
import logging
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import RedirectResponse

from release_service.errors import IssuerUnavailable, SignInFailed
from release_service.identity import document
from release_service.identity.token import ALGORITHM, LEEWAY_S
from release_service.settings import Settings

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_RETRY_S = 5.0
_TIMEOUT_S = 5.0
_CODE = re.compile(r"[a-z_]{1,40}")
_WHY = {
    "access_denied": "The single sign-on says that you did not agree, or may not sign in here (access_denied).",
    "mismatching_state": "The single sign-on's answer is not to a sign-in that this browser has under way.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the SSO has given for a code: an access token yet to be proven, and whom the ID token names."""

    access_token: str = field(repr=False)
    subject: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the metadata said, and Authlib's client made of it."""

    client: Any
    end_session_endpoint: str | None
    until: float


class SingleSignOn:
    """The issuer at which browsers sign in, as this service's web client knows it."""

    def __init__(self, settings: Settings, issuer: str) -> None:
        """Ask nothing yet."""
        self._settings, self._issuer = settings, issuer
        self._base_url = settings.base_url.rstrip("/")
        self._known: _Known | None = None
        self._retry_at = 0.0
        self._asking = asyncio.Lock()
        self._authorities: ssl.SSLContext | None = None
        # It would tell the verifier to whoever debugs.
        logging.getLogger("authlib").setLevel(logging.INFO)

    async def send_away(self, request: Request) -> RedirectResponse:
        """Return the redirect to the SSO; state, nonce and verifier are in the request's session then."""
        known = await self._metadata()
        # The address to come back to is the configured one, whatever the Host header says.
        answer: RedirectResponse = await known.client.authorize_redirect(request, f"{self._base_url}/auth/callback")
        return answer

    async def answer(self, request: Request) -> Answer:
        """Return what the SSO gives for the code that the browser has brought.

        Raises SignInFailed, IssuerUnavailable.
        """
        known = await self._metadata()
        # Made anew, for Authlib takes them apart; of itself it would not look at aud.
        expected = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._settings.sso_web_client_id},
        }
        try:
            async with asyncio.timeout(document.DEADLINE_S):
                given = await known.client.authorize_access_token(request, claims_options=expected, leeway=LEEWAY_S)
            # Authlib looks at an ID token if there is one; here there must be one.
            return Answer(_text(given["access_token"]), _text(given["userinfo"]["sub"]))
        except OAuthError as error:
            raise SignInFailed(_why(str(error.error))) from None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise self._down(error) from error
        except (JoseError, *document.FAILURES) as error:
            # The error's own text may quote a token.
            raise SignInFailed(
                f"What the single sign-on has answered proves nothing ({type(error).__name__})."
            ) from None

    async def farewell(self) -> str | None:
        """Return where the browser tells the SSO that it signs out; None if there is no such place, or it is down."""
        try:
            known = await self._metadata()
        except IssuerUnavailable:
            return None
        if known.end_session_endpoint is None:
            return None
        back = {"client_id": self._settings.sso_web_client_id, "post_logout_redirect_uri": f"{self._base_url}/"}
        return f"{known.end_session_endpoint}?{urlencode(back)}"

    async def _metadata(self) -> _Known:
        async with self._asking:
            if self._known is None or time.monotonic() > self._known.until:
                self._known = await self._ask()
            return self._known

    async def _ask(self) -> _Known:
        if time.monotonic() < self._retry_at:
            raise _unavailable("The single sign-on did not answer a moment ago.")
        try:
            async with asyncio.timeout(document.DEADLINE_S), document.client() as http:
                said = await document.get(http, f"{self._issuer}/.well-known/openid-configuration")
            return self._learn(said)
        except document.FAILURES as error:
            raise self._down(error) from error

    def _learn(self, said: document.Object) -> _Known:
        if said.get("issuer") != self._issuer or not all(self._is_its_own(said.get(name)) for name in _ENDPOINTS):
            raise ValueError("the discovery document names another issuer")
        self._authorities = self._authorities or httpx2.create_ssl_context(trust_env=False)
        secret = self._settings.sso_web_client_secret
        client = OAuth().register(
            "sso",
            client_id=self._settings.sso_web_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            authorize_url=said["authorization_endpoint"],
            access_token_url=said["token_endpoint"],
            jwks_uri=said["jwks_uri"],
            # Not what the SSO offers: Keycloak lists HS256, too.
            id_token_signing_alg_values_supported=[ALGORITHM],
            client_kwargs={
                "scope": self._settings.sso_scope,
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_S,
                "trust_env": False,
                "verify": self._authorities,
            },
        )
        farewell = said.get("end_session_endpoint")
        until = time.monotonic() + self._settings.issuer_keys_ttl_s
        return _Known(client, farewell if self._is_its_own(farewell) else None, until)

    def _is_its_own(self, url: object) -> bool:
        return isinstance(url, str) and urlsplit(url)[:2] == urlsplit(self._issuer)[:2]

    def _down(self, error: Exception) -> IssuerUnavailable:
        self._retry_at = time.monotonic() + _RETRY_S
        return _unavailable(f"The single sign-on {self._issuer} does not answer ({type(error).__name__}).")


def _unavailable(detail: str) -> IssuerUnavailable:
    outage = IssuerUnavailable(detail, retry_after_s=10)
    outage.next_step = "Load the page again in a minute."  # the usual one is for uploads
    return outage


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _why(code: str) -> str:
    """Say what the SSO refused; its code comes by way of the browser, so anybody may have written it."""
    if not _CODE.fullmatch(code):
        return "The single sign-on has refused, and does not say why in words that are known here."
    return _WHY.get(code, f"The single sign-on has refused ({code}).")
