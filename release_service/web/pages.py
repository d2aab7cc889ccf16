"""HTML for people: one base, one stylesheet, no script; and headers that let nothing else in (threat T17)."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from release_service.settings import Settings
from release_service.web import errors
from release_service.web.callers import parts_of

_STATIC = Path(__file__).parent / "static"
_STATIC_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=300"}


class Static(StaticFiles):
    """The stylesheet and the icon, at /static/."""

    def __init__(self) -> None:
        """Serve what is in the package."""
        super().__init__(directory=_STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve *path*, as what it is."""
        answer = await super().get_response(path, scope)
        answer.headers.update(_STATIC_HEADERS)
        return answer


def page(
    request: Request, template: str, facts: Mapping[str, Any], headers: Mapping[str, str], status: int = 200
) -> HTMLResponse:
    """Return the page that *template* makes of *facts*; whatever they hold is escaped."""
    parts = parts_of(request)
    settings = parts.settings
    about = {
        "sandbox": settings.sandbox,
        "can_sign_in": settings.sso_issuer is not None,
        "sources": "/sources/" if parts.tree is not None else f"{settings.public_url.rstrip('/')}/sources/",
    }
    text = _templates().get_template(template).render(about | dict(facts))
    return HTMLResponse(text, status, _protection(settings) | dict(headers))


async def answer_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that failed: for a browser the same lines, on a page."""
    answer = await errors.answer_error(request, error)
    if not isinstance(answer, PlainTextResponse) or not _wants_html(request):
        return answer
    first, *why, next_ = bytes(answer.body).decode().splitlines()
    what, _, code = first.rpartition(" (")
    facts = {"what": what, "code": code.removesuffix(")"), "why": " ".join(why), "next": next_}
    kept = {name: value for name, value in answer.headers.items() if name not in {"content-length", "content-type"}}
    return page(request, "error.html", facts, kept, answer.status_code)


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("release_service.web")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _protection(settings: Settings) -> dict[str, str]:
    # Signing out goes on to the SSO, and browsers hold a form's redirects to this, too.
    also = f" {'://'.join(urlsplit(settings.sso_issuer)[:2])}" if settings.sso_issuer else ""
    policy = (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        f"form-action 'self'{also}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
