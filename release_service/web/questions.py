"""What maintainers may ask before they send anything: would it be accepted, who am I, where do I sign in."""

import json
import re
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from release_service.authorize import Proven
from release_service.authorize.persons import roles
from release_service.check import Acceptance, Answer, Offer, check
from release_service.db import modules
from release_service.errors import BadChange, NotFound, Refused, shown
from release_service.identity.gitlab import GitLabJob
from release_service.web.admission import counted
from release_service.web.bodies import small_body
from release_service.web.callers import anyone, begin, parts_of
from release_service.web.errors import wants_json
from release_service.wiring import Parts

router = APIRouter(prefix="/api/v1")

_LONGEST_NAME = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")


@router.post("/check", summary="Would this be accepted?  All reasons at once, nothing changed")
async def check_offer(request: Request) -> Response:
    """Take {filename, sha256?, size?, signed?}; answer 200 whether the verdict is yes or no."""
    begin(request, "check")
    uploader = await anyone(request)
    await counted(request, uploader, "uploads")
    offer = _offer(await small_object(request))
    answer = await run_in_threadpool(_check, parts_of(request), uploader, offer)
    return _answer(request, answer)


def _check(parts: Parts, uploader: Proven, offer: Offer) -> Answer:
    settings, service = parts.settings, parts.service
    with service.transactions.read() as session:
        takes = Acceptance(settings.compressions, settings.max_tarball_bytes)
        return check(session, uploader, offer, service.policy, takes, service.now())


async def small_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that the body holds; raises BadChange, TooLarge."""
    try:
        found = json.loads(await small_body(request))
    except (ValueError, RecursionError):
        raise BadChange("The body is no JSON.") from None
    if not isinstance(found, dict):
        raise BadChange("The body is no JSON object.")
    return found


def _offer(asked: dict[str, Any]) -> Offer:
    filename, sha256, size = asked.get("filename"), asked.get("sha256"), asked.get("size")
    if not isinstance(filename, str) or not 0 < len(filename) <= _LONGEST_NAME:
        raise BadChange(f"`filename` is text of at most {_LONGEST_NAME} characters, as in gtk-4.18.1.tar.xz.")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256.lower())):
        raise BadChange("`sha256` is 64 hex digits, or is left out.")
    if size is not None and not (type(size) is int and size >= 0):
        raise BadChange("`size` is a number of bytes, or is left out.")
    if not isinstance(is_signed := asked.get("signed", False), bool):
        raise BadChange("`signed` is true, if a signature will come along, or is left out.")
    return Offer(filename, sha256.lower() if sha256 else None, size or 0, is_signed)


def _answer(request: Request, answer: Answer) -> Response:
    sandbox = parts_of(request).settings.sandbox
    name = answer.name
    if not wants_json(request):
        return PlainTextResponse(_as_text(answer, sandbox=sandbox))
    return JSONResponse(
        {
            "accepted": not answer.reasons,
            "published": answer.is_published,
            "module": name.module if name else None,
            "version": str(name.version) if name else None,
            "series": name.series if name else None,
            "reasons": [_as_object(reason) for reason in answer.reasons],
            "warnings": [_as_object(warning) for warning in answer.warnings],
            "sandbox": sandbox,
        }
    )


def _as_object(reason: Refused) -> dict[str, str]:
    return {"code": reason.code, "title": reason.title, "detail": reason.detail, "next": reason.next_step}


def _as_text(answer: Answer, *, sandbox: bool) -> str:
    lines = ["SANDBOX: nothing here is a real release."] if sandbox else []
    if not answer.reasons:
        lines.append("These bytes are published already." if answer.is_published else "This would be accepted.")
    for reason in answer.reasons:
        lines += [f"{reason.title}. ({reason.code})", f"  {reason.detail}", f"  {reason.next_step}"]
    lines += [f"warning: {warning.detail} {warning.next_step}" for warning in answer.warnings]
    return "\n".join(lines) + "\n"


@router.get("/whoami", summary="Who the token proves, and what they may publish")
async def whoami(request: Request) -> Response:
    """Answer for a person or a job."""
    begin(request, "whoami")
    caller = await anyone(request)
    await counted(request, caller)
    found = await run_in_threadpool(_modules_of, parts_of(request), caller)
    parts = parts_of(request)
    has = roles(caller, parts.service.policy) if not isinstance(caller, GitLabJob) else frozenset()
    return JSONResponse(
        {
            "kind": caller.kind,
            "issuer": caller.issuer,
            "subject": caller.subject,
            "login": shown(caller.login, 255),
            "project": caller.project_path if isinstance(caller, GitLabJob) else None,
            "roles": sorted(has),
            "modules": found,
            "sandbox": parts.settings.sandbox,
        },
        headers={"Cache-Control": "no-store"},
    )


def _modules_of(parts: Parts, caller: Proven) -> list[str]:
    with parts.service.transactions.read() as session:
        return modules_of(session, caller)


def modules_of(session: Session, caller: Proven) -> list[str]:
    """Return the names of the modules that *caller* is registered for."""
    if isinstance(caller, GitLabJob):
        return modules.published_by(session, caller.project_id)
    return modules.maintained_by(session, caller.issuer, caller.subject)


@router.get("/sign-in", summary="Where and how gnome-release login signs in")
async def sign_in(request: Request) -> Response:
    """Name the SSO and the client; 404 where there is none."""
    settings = parts_of(request).settings
    if settings.sso_issuer is None:
        raise NotFound("Nobody can sign in here: this instance has no SSO.", remedy="Upload from a CI job.")
    return JSONResponse(
        {
            "issuer": settings.sso_issuer,
            "client_id": settings.sso_cli_client_id,
            "audience": settings.sso_audience,
            "scope": f"{settings.sso_scope} offline_access",
            "sandbox": settings.sandbox,
        }
    )
