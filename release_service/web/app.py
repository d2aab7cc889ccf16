"""`create_app`: the routes, the handlers, the request id.  Nothing is built at import."""

import uuid
from http import HTTPStatus
from pathlib import Path

import structlog
from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from release_service.errors import NotFound, Refused, Unavailable, shown
from release_service.web import account, keys, modules, pages, questions, releases, sign_in, tree, upload, yanks
from release_service.web.cut_short import CutShort
from release_service.web.linger import LingeringClose
from release_service.web.pages import answer_error
from release_service.web.sessions import Cookies
from release_service.web.sso import SingleSignOn
from release_service.wiring import Parts

router = APIRouter()


def create_app(parts: Parts) -> FastAPI:
    """Return the application over *parts*."""
    app = FastAPI(title="GNOME Release Service", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.state.cookies = Cookies.of(parts.settings)
    app.state.sso = SingleSignOn(parts.settings, parts.settings.sso_issuer) if parts.settings.sso_issuer else None
    app.include_router(upload.router)
    app.include_router(questions.router)
    app.include_router(modules.router)
    app.include_router(keys.router)
    app.include_router(releases.router)
    app.include_router(yanks.router)
    app.include_router(sign_in.router)
    app.include_router(account.router)
    app.include_router(router)
    app.mount("/static", pages.Static())
    if parts.tree is not None:
        app.router.routes.extend(tree.routes(Path(parts.tree)))
    app.add_exception_handler(Refused, answer_error)
    app.add_exception_handler(Unavailable, answer_error)
    app.add_exception_handler(HTTPException, _answer_routing)
    app.add_middleware(CutShort)
    app.add_middleware(LingeringClose)
    app.add_middleware(RequestId)
    return app


class RequestId:
    """Names each request, in its log lines and in its answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap *app*."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the request's name while it is handled."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = name
        with structlog.contextvars.bound_contextvars(request_id=name):
            await self.app(scope, receive, send)


async def _answer_routing(request: Request, error: Exception) -> Response:
    """No such route, or not by this method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    if error.status_code == HTTPStatus.NOT_FOUND:
        return await answer_error(request, NotFound(f"There is no {shown(request.url.path)}."))
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


@router.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
async def home(request: Request) -> HTMLResponse:
    """Say what this is, and lead to the tree."""
    return pages.page(request, "home.html", {}, {})


@router.get("/healthz", response_class=PlainTextResponse, summary="Liveness")
async def healthz() -> PlainTextResponse:
    """Answer while the process can."""
    return PlainTextResponse("ok\n")


@router.get("/readyz", response_class=PlainTextResponse, summary="Readiness: database and store")
async def readyz(request: Request) -> PlainTextResponse:
    """Answer 200 when uploads can be taken; else 503, saying what is down."""
    parts: Parts = request.app.state.parts
    await run_in_threadpool(parts.service.transactions.ping)
    await run_in_threadpool(parts.service.store.ping)
    return PlainTextResponse("ready\n")
