"""Yanks over HTTP, and their undoing: by persons alone, a job's token opens nothing here."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from release_service import documents, yank
from release_service.authorize.stewards import Steward, steward
from release_service.errors import BadChange, shown
from release_service.identity.sso import Person
from release_service.publish import Service
from release_service.web.admission import counted
from release_service.web.callers import a_person, begin, know, parts_of
from release_service.web.questions import small_object
from release_service.wiring import Parts
from release_service.yank import Changed, Reason

router = APIRouter(prefix="/api/v1/releases/{module}/{version}")

Change = Callable[[Service, Steward, str, Reason], Changed]


@router.post("/yank", summary="Offer a release to no program any more")
async def post_yank(request: Request, module: str, version: str) -> Response:
    """Take {reason}, which everybody can read; maintainers and the release team.  The same again is right, too."""
    return await _changed(request, module, version, "yank", yank.yank)


@router.post("/unyank", summary="Offer a yanked release again")
async def post_unyank(request: Request, module: str, version: str) -> Response:
    """Take {reason}; maintainers and the release team.  The same again is right, too."""
    return await _changed(request, module, version, "unyank", yank.unyank)


async def _changed(request: Request, module: str, version: str, act: str, change: Change) -> Response:
    begin(request, act)
    person = await a_person(request)
    know(request, module=shown(module, 100), version=shown(version, 64))
    await counted(request, person)
    parts = parts_of(request)
    right = await run_in_threadpool(_right, parts, person, module, version, request.state.request_id)
    reason = (await small_object(request)).get("reason")
    if not isinstance(reason, str):
        raise BadChange("`reason` is text: why.")
    made = await run_in_threadpool(change, parts.service, right, version, Reason.parse(reason))
    return JSONResponse(_object(made, module, version, sandbox=parts.settings.sandbox))


def _right(parts: Parts, person: Person, module: str, version: str, request_id: str) -> Steward:
    yank.named(module, version)  # what cannot be a release is not there, whoever asks
    with parts.service.transactions.read() as session:
        return steward(session, person, module, parts.service.policy, request_id)


def _object(made: Changed, module: str, version: str, *, sandbox: bool) -> dict[str, object]:
    """Return what has become of the release; `changed` is false if it was so before."""
    return {
        "module": module,
        "version": version,
        "changed": made.is_new,
        "yanked": documents.standing(made.release).get("yanked"),
        "sandbox": sandbox,
    }
