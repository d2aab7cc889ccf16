"""The OpenID issuer as the command line needs it: discovery, and posts to its endpoints.

Every answer is read into a `Reply`; what an issuer says beside the members that are named here is
never shown, because tokens are among it.
"""

from dataclasses import dataclass, field
from typing import Any, TypeGuard

import httpx2

from release_service.client import Exit, Failure
from release_service.client.urls import safe_url, same_origin
from release_service.errors import shown

_TIMEOUT_S = 15


@dataclass(frozen=True, slots=True)
class Reply:
    """What the issuer has answered: HTTP status (0: nothing that makes sense, and *why*), JSON body."""

    status: int
    body: dict[str, Any]
    why: str = ""

    @property
    def is_success(self) -> bool:
        """Say whether the issuer did what it was asked for."""
        return self.status == httpx2.codes.OK

    @property
    def is_trouble(self) -> bool:
        """Say whether the issuer, or the way to it, is down or busy: asking later is right."""
        return self.status in {0, httpx2.codes.TOO_MANY_REQUESTS} or self.status >= httpx2.codes.INTERNAL_SERVER_ERROR

    @property
    def error(self) -> str:
        """The OAuth error code, "" if there is none."""
        return shown(self.body.get("error", ""))

    @property
    def reason(self) -> str:
        """Why it is no success, in a word that is safe to show."""
        return self.why or self.error or f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a grant gave.  The tokens are in no repr, so that no log and no traceback can show them."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    lifetime_s: int


class Issuer:
    """An issuer whose discovery document was read and found to speak of itself."""

    def __init__(self, http: httpx2.Client, url: str, client_id: str) -> None:
        """Read the discovery document of *url*.

        Raises Failure: unavailable, or a document that names another issuer or foreign endpoints.
        """
        self._http = http
        self._client_id = client_id
        self.url = url
        try:
            self._base = safe_url(url)
        except ValueError as error:
            raise Failure(Exit.FAILED, f"{shown(url)!r} cannot be the issuer. {error}") from None
        reply = self._ask("GET", f"{url.rstrip('/')}/.well-known/openid-configuration")
        if not reply.is_success:
            raise self.unavailable(reply)
        if reply.body.get("issuer") != url:
            # RFC 8414, 3.3: whoever answers for another issuer must not be believed.
            raise Failure(Exit.FAILED, f"{url} says that it is another issuer: {shown(reply.body.get('issuer'))}.")
        self._document = reply.body

    def offers(self, name: str) -> bool:
        """Say whether the issuer has the endpoint *name*, for example ``revocation_endpoint``."""
        return name in self._document

    def post(self, name: str, **form: str) -> Reply:
        """Send *form* to the endpoint *name*, as our client.  (Raises: Failure when it is not the issuer's own.)"""
        return self._ask("POST", self.own(self._document.get(name)), {"client_id": self._client_id} | form)

    def own(self, url: object) -> str:
        """Return *url* if it is of the issuer's origin: nobody is sent elsewhere.  (Raises: Failure.)"""
        try:
            if isinstance(url, str) and same_origin(safe_url(url), self._base):
                return url
        except ValueError:
            pass
        raise Failure(Exit.FAILED, f"The issuer {self.url} names {shown(url)!r}, which is not its own.")

    def unavailable(self, reply: Reply) -> Failure:
        """Return what is said when *reply* is trouble."""
        return Failure(
            Exit.UNAVAILABLE,
            f"The sign-in service {self.url} is unavailable: {reply.reason}.",
            "Nothing is lost; try again in a few minutes.",
        )

    def tokens(self, reply: Reply) -> Tokens:
        """Return the tokens in a successful *reply*.  (Raises: Failure when there are none.)"""
        access, refresh = reply.body.get("access_token"), reply.body.get("refresh_token")
        lifetime = reply.body.get("expires_in")
        if not _is_token(access) or not (refresh is None or _is_token(refresh)):
            raise Failure(Exit.FAILED, f"The issuer {self.url} answered without a token.")
        return Tokens(access, refresh, lifetime if isinstance(lifetime, int) else 0)

    def _ask(self, method: str, url: str, form: dict[str, str] | None = None) -> Reply:
        try:
            answer = self._http.request(
                method, url, data=form, headers={"Accept": "application/json"}, timeout=_TIMEOUT_S
            )
        except httpx2.RequestError as error:
            return Reply(0, {}, type(error).__name__)
        if answer.is_success and not answer.content:
            return Reply(answer.status_code, {})  # RFC 7009: a revocation's answer needs no body
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return Reply(0, {}, f"something other than an issuer answered, HTTP {answer.status_code}")
        return Reply(answer.status_code, body)


def _is_token(value: object) -> TypeGuard[str]:
    # Anything else would fail as a header, in a message that shows it.
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable() and " " not in value
