"""`Refused` and `Unavailable` to answers: status, and a body for people or for programs.

Problem details (RFC 9457) for who asks for JSON; else three lines for a CI log: what, why, what to do.
"""

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from release_service import errors
from release_service.errors import Refused, Unavailable

log = structlog.get_logger()

# A class not named here has its nearest ancestor's status.
STATUS: dict[type[Exception], int] = {
    Refused: 400,
    errors.NotAuthenticated: 401,
    errors.NotAuthorized: 403,
    errors.NotFound: 404,
    errors.UploadTooSlow: 408,
    errors.VersionTaken: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.CompressionNotAccepted: 415,
    errors.SignatureNotAccepted: 422,
    errors.DigestMismatch: 422,
    Unavailable: 503,
}


def status_of(error: Refused | Unavailable) -> int:
    """Return the HTTP status that *error* is answered with."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def answer_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that was refused, or that could not be finished."""
    assert isinstance(error, Refused | Unavailable)  # noqa: S101 - registered for these two
    status = status_of(error)
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
        log.error("unavailable", code=error.code, detail=error.detail)
    else:
        log.warning("refused", code=error.code, detail=error.detail)
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error.title}"'
    return _body(request, error, status, headers)


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
