"""A browser that signs in: over ASGI at the service, over HTTP at the issuer's page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
from sqlalchemy import select
from starlette.testclient import TestClient

from release_service.db.tables import WebSession
from release_service.demo.gitlab import StandInGitLab
from release_service.demo.sso import WEB_CLIENT_SECRET
from uploads import Environment, Uploads, make_uploads

SECRET = "thirty-two characters, or a few more than that"  # noqa: S105 - of these tests
CALLBACK = "http://127.0.0.1:8000/auth/callback"


@dataclass(frozen=True)
class Browser:
    """A browser with its cookies, at a service, and at the issuer's page."""

    uploads: Uploads
    issuer: str
    http: TestClient

    def get(self, url: str, **options: Any) -> httpx2.Response:
        return self.http.get(url, follow_redirects=False, **options)

    def set_off(self, next_: str | None = None) -> str:
        """Begin to sign in; return the address of the issuer's page."""
        away = self.get("/auth/login" + (f"?next={quote(next_, safe='')}" if next_ is not None else ""))
        assert away.status_code == 302, away.text
        return away.headers["location"]

    def approve(self, page: str, name: str) -> str:
        """Sign in on the issuer's *page*; return the path that it sends the browser back to."""
        with httpx2.Client() as there:
            form = there.get(page).text
            transaction = re.search(r'name="transaction_id" value="([^"]+)"', form)
            fields = {"username": name, "password": name}
            back = there.post(page, data=fields | ({"transaction_id": transaction[1]} if transaction else {}))
        assert back.status_code == 302, back.text
        assert back.headers["location"].startswith(f"{CALLBACK}?")
        return back.headers["location"].removeprefix("http://127.0.0.1:8000")

    def sign_in(self, name: str, next_: str | None = None) -> httpx2.Response:
        return self.get(self.approve(self.set_off(next_), name))

    def cookie(self) -> str | None:
        return self.http.cookies.get("session")

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/account").text)
        assert found
        return found[1]

    def sessions(self) -> list[dict[str, Any]]:
        with self.uploads.parts.service.transactions.begin() as session:
            return list(session.scalars(select(WebSession.content)))


@contextmanager
def a_browser(environment: Environment, gitlab: StandInGitLab, issuer: str, **changes: Any) -> Iterator[Browser]:
    asked = {"sso_issuer": issuer, "sso_web_client_secret": WEB_CLIENT_SECRET, "session_secret": SECRET} | changes
    with make_uploads(environment, gitlab, **asked) as uploads:
        yield Browser(uploads, issuer, uploads.http)
