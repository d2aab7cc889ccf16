"""Sessions of browsers: a random id, signed, in a cookie; in the table what it stands for, under the id's SHA-256.

All replicas know them, because all have the secret and the table.  A cookie that none of us has
signed costs no query, and readers who do not sign in cost no row.  The API takes no cookie (threat T17).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from itsdangerous import BadSignature, Signer
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from release_service.db import sessions
from release_service.errors import FormExpired
from release_service.identity.remembered import content_of, person_of
from release_service.identity.sso import Person
from release_service.settings import Settings
from release_service.web.bodies import small_body
from release_service.web.callers import parts_of
from release_service.wiring import Parts

_ID_BYTES = 32
_SIGN_IN_S = 600
_MOST_FIELDS = 100


class Sessions:
    """One kind of session: its cookie, and how long it lasts."""

    def __init__(self, name: str, ttl_s: float, secret: str, *, is_https: bool) -> None:
        """Name the cookie *name*, and sign its ids with *secret*.

        Over https a __Host- cookie: no neighbouring host, and nobody who can only answer for http, can plant one.
        """
        self.cookie = f"__Host-{name}" if is_https else name
        self._ttl_s, self._is_https = ttl_s, is_https
        # Signed for its kind, so that the cookie of a sign-in that was only begun is no session.
        self._signer = Signer(
            secret, salt=f"release-service {name}", key_derivation="hmac", digest_method=hashlib.sha256
        )

    def key(self, request: Request) -> str | None:
        """Return under what the request's session is kept, if it is; None without a cookie that one of us signed."""
        try:
            return _key(self._signer.unsign(request.cookies.get(self.cookie, "")))
        except BadSignature:
            return None

    def start(self, session: Session, content: dict[str, Any], now: datetime) -> str:
        """Keep *content* under a new id, and return the cookie's value."""
        id_ = secrets.token_urlsafe(_ID_BYTES).encode()
        sessions.write(session, _key(id_), content, now + timedelta(seconds=self._ttl_s))
        return self._signer.sign(id_).decode()

    def give(self, answer: Response, value: str) -> None:
        """Let the browser keep the cookie: unseen by scripts, and not sent with what other sites' pages post."""
        answer.set_cookie(
            self.cookie, value, max_age=int(self._ttl_s), secure=self._is_https, httponly=True, samesite="lax"
        )

    def take_back(self, answer: Response) -> None:
        """Let the browser forget the cookie."""
        answer.delete_cookie(self.cookie, secure=self._is_https, httponly=True, samesite="lax")


@dataclass(frozen=True, slots=True)
class Cookies:
    """The two kinds: who is `signed_in`, and who has begun to sign in and is away at the SSO (`signing_in`)."""

    signed_in: Sessions
    signing_in: Sessions

    @classmethod
    def of(cls, settings: Settings) -> "Cookies":
        """Return them as *settings* ask; the secret is of this process alone where none is set (on loopback only)."""
        secret = settings.session_secret.get_secret_value() if settings.session_secret else secrets.token_hex()
        is_https = urlsplit(settings.base_url).scheme == "https"
        return cls(
            Sessions("session", settings.session_ttl_s, secret, is_https=is_https),
            Sessions("signing-in", _SIGN_IN_S, secret, is_https=is_https),
        )


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person in a browser.  `csrf` is what their forms must bring along; `key` is the session's."""

    person: Person
    csrf: str = field(repr=False)
    key: str = field(repr=False)


def cookies_of(request: Request) -> Cookies:
    """Return the kinds of sessions of the application."""
    cookies: Cookies = request.app.state.cookies
    return cookies


def start(session: Session, cookies: Cookies, person: Person, now: datetime) -> str:
    """Begin a session of *person*, and return its cookie's value."""
    content = content_of(person) | {"csrf": secrets.token_urlsafe(_ID_BYTES)}
    return cookies.signed_in.start(session, content, now)


async def signed_in(request: Request) -> SignedIn | None:
    """Return who is signed in, None if nobody is.  Whether they may still act is for the callers to ask."""
    key = cookies_of(request).signed_in.key(request)
    content = await run_in_threadpool(look_up, parts_of(request), key) if key else None
    return SignedIn(person_of(content), content["csrf"], key) if key and content else None


def look_up(parts: Parts, key: str) -> dict[str, Any] | None:
    """Return what is kept under *key*, None if there is nothing, or its time is over."""
    with parts.service.transactions.read() as session:
        return sessions.find(session, key, parts.service.now())


async def posted(request: Request, csrf: str) -> dict[str, str]:
    """Return the form's fields; raises FormExpired unless its field `csrf` is *csrf*, TooLarge."""
    body = await small_body(request)
    try:
        fields = dict(parse_qsl(body.decode("ascii"), max_num_fields=_MOST_FIELDS))
    except ValueError:
        fields = {}
    if not hmac.compare_digest(fields.get("csrf", "").encode(), csrf.encode()):
        raise FormExpired("The form does not come from the page that this session was shown.")
    return fields


def _key(id_: bytes) -> str:
    return hashlib.sha256(id_).hexdigest()
