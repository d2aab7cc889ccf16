"""`Refused` and `Unavailable` to answers: status, and a body for people or for programs.

Problem details (RFC 9457) for who asks for JSON; else three lines for a CI log: what, why, what to do.
"""

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from release_service import errors
from release_service.errors import NotAuthenticated, Refused, TooManyRequests, Unavailable
from release_service.web.callers import address_of, parts_of

log = structlog.get_logger()

# A class not named here has its nearest ancestor's status.
STATUS: dict[type[Exception], int] = {
    Refused: 400,
    errors.NotAuthenticated: 401,
    errors.NotAuthorized: 403,
    errors.FormExpired: 403,
    errors.SignatureNotTrusted: 403,
    errors.NotFound: 404,
    errors.UploadTooSlow: 408,
    errors.AlreadySigned: 409,
    errors.VersionTaken: 409,
    errors.DigestKnown: 409,
    errors.Quarantined: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.CompressionNotAccepted: 415,
    errors.BadCertificate: 422,
    errors.BadSignature: 422,
    errors.DigestMismatch: 422,
    errors.SignatureRequired: 422,
    errors.TooManyRequests: 429,
    Unavailable: 503,
    errors.OutOfSpace: 507,
}


# These change nothing: of their refusals only the bad tokens are written down.
QUESTIONS = frozenset({"check", "key-list", "whoami"})


def status_of(kind: type[Refused | Unavailable]) -> int:
    """Return the HTTP status that errors of *kind* are answered with."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


async def answer_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that was refused, or that could not be finished."""
    assert isinstance(error, Refused | Unavailable)  # noqa: S101 - registered for these two
    if isinstance(error, Refused):
        error = await _note(request, error)
    else:
        log.error("unavailable", code=error.code, detail=error.detail)
    status = status_of(type(error))
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unavailable | TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error.title}"'
    return _body(request, error, status, headers)


async def _note(request: Request, refusal: Refused) -> Refused:
    """Write the refusal of an act down; return what is to be answered."""
    act = getattr(request.state, "act", None)
    if act is None or (act.act in QUESTIONS and not isinstance(refusal, NotAuthenticated)):
        log.warning("refused", code=refusal.code, detail=refusal.detail)
        return refusal
    refusals, address = parts_of(request).refusals, address_of(request)
    if isinstance(refusal, NotAuthenticated) and (left_s := refusals.silenced_for_s(address)):
        return TooManyRequests("From your address came too many bad tokens.", retry_after_s=left_s)
    log.warning("refused", code=refusal.code, detail=refusal.detail)
    return await run_in_threadpool(refusals.note, act, refusal, address)


def _body(request: Request, error: Refused | Unavailable, status: int, headers: dict[str, str]) -> Response:
    if wants_json(request):
        problem = {
            "type": f"{request.app.state.parts.settings.base_url}/errors/{error.code}",
            "title": error.title,
            "status": status,
            "detail": error.detail,
            "code": error.code,
            "next": error.next_step,
        }
        return JSONResponse(problem, status, headers, media_type="application/problem+json")
    text = f"{error.title}. ({error.code})\n{error.detail}\n{error.next_step}\n"
    return PlainTextResponse(text, status, headers)


def wants_json(request: Request) -> bool:
    """Say whether the client asks for JSON by name."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept or "application/problem+json" in accept
