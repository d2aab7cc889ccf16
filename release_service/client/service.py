"""The release service as the command line asks it: one request, one `Answer`."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from release_service.client import Exit, Failure

_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service has said: HTTP status (0: it could not be reached), JSON body, when to ask again (0: unsaid)."""

    status: int
    body: dict[str, Any]
    retry_after_s: int = 0

    @property
    def is_success(self) -> bool:
        """Say whether the service did what it was asked for."""
        return self.status in {httpx2.codes.OK, httpx2.codes.CREATED}

    @property
    def is_worth_retrying(self) -> bool:
        """Say whether the same may be right later: the service, or the way to it, was down, or it asked to wait."""
        is_asked_to_wait = self.status == httpx2.codes.TOO_MANY_REQUESTS and self.retry_after_s > 0
        return self.status == 0 or self.status >= httpx2.codes.INTERNAL_SERVER_ERROR or is_asked_to_wait

    @property
    def exit(self) -> Exit:
        """The exit status that says the same."""
        if self.is_success:
            return Exit.DONE
        if self.is_worth_retrying:
            return Exit.UNAVAILABLE
        return Exit.REFUSED if "code" in self.body else Exit.FAILED

    @property
    def lines(self) -> tuple[str, ...]:
        """What, why and what to do, in the service's words."""
        code = f" ({self.body['code']})" if "code" in self.body else ""
        title = self.body.get("title", f"The service answered {self.status}")
        said = (f"{title}.{code}", self.body.get("detail"), self.body.get("next"))
        again = f"Try again in {self.retry_after_s} s." if self.is_worth_retrying and self.retry_after_s else None
        return tuple(str(line) for line in (*said, again) if line)

    def or_failure(self) -> dict[str, Any]:
        """Return the body of a success.  (Raises: Failure with the service's own words.)"""
        if not self.is_success:
            raise Failure(self.exit, *self.lines)
        return self.body


@dataclass(frozen=True, slots=True)
class Offer:
    """How a server lets people sign in."""

    issuer: str
    client_id: str
    scope: str


def unreachable(url: str, error: httpx2.RequestError) -> Answer:
    """Return what is answered when nobody answers."""
    title, why = "The service cannot be reached", f"{httpx2.URL(url).netloc.decode()}: {type(error).__name__}."
    return Answer(0, {"title": title, "detail": why, "next": "Nothing is lost; try again in a few minutes."})


def read(response: httpx2.Response) -> Answer:
    """Return what *response* says; what is no JSON object is not from our service."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return impostor(response)
    after = response.headers.get("retry-after", "")
    return Answer(response.status_code, body, int(after) if after.isascii() and after.isdigit() else 0)


def impostor(response: httpx2.Response) -> Answer:
    """Return what is said of a proxy or a sign-in page: whatever it is, its "OK" is not our service's."""
    return Answer(0, {"title": f"Something other than the release service answered ({response.status_code})"})


def ask(
    http: httpx2.Client,
    method: str,
    url: str,
    *,
    token: str | None = None,
    body: Any = None,
    content: bytes | None = None,
) -> Answer:
    """Ask once, with a *body* as JSON, with *content* as it is, or without either."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        return read(http.request(method, url, headers=headers, json=body, content=content, timeout=_TIMEOUT_S))
    except httpx2.RequestError as error:
        return unreachable(url, error)


def release_url(server: str, module: str, version: str) -> str:
    """Return where *server* tells of a published release."""
    return f"{server}/api/v1/releases/{quote(module, safe='+')}/{quote(version, safe='')}"


def sign_in_offer(http: httpx2.Client, server: str) -> Offer:
    """Return how *server* lets people sign in.  (Raises: Failure: it does not, or cannot be reached.)"""
    said = ask(http, "GET", f"{server}/api/v1/sign-in").or_failure()
    issuer, client_id, scope = (said.get(name) for name in ("issuer", "client_id", "scope"))
    if not (isinstance(issuer, str) and isinstance(client_id, str) and isinstance(scope, str)):
        raise Failure(Exit.UNAVAILABLE, f"Something other than the release service answers at {server}.")
    return Offer(issuer, client_id, scope)


def whoami(http: httpx2.Client, server: str, token: str) -> Answer:
    """Ask who the bearer of *token* is there."""
    answer = ask(http, "GET", f"{server}/api/v1/whoami", token=token)
    return answer if not answer.is_success or "subject" in answer.body else _not_ours(server)


def check(http: httpx2.Client, server: str, token: str, question: dict[str, Any]) -> Answer:
    """Ask whether the tarball of *question* (filename, sha256, size) would be accepted; nothing changes."""
    answer = ask(http, "POST", f"{server}/api/v1/check", token=token, body=question)
    return answer if not answer.is_success or "accepted" in answer.body else _not_ours(server)


def _not_ours(server: str) -> Answer:
    return Answer(0, {"title": f"Something other than the release service answers at {server}"})
