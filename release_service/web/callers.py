"""Who calls?  From the headers alone, before a byte of the body is read.

Each function says by its return type whom its routes believe.  The API takes the Authorization
header (or JOB-TOKEN) only, never a cookie (threat T17).
"""

from dataclasses import replace
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from release_service import limits
from release_service.authorize import Proven
from release_service.db import limits as counts
from release_service.db.audit import Act
from release_service.errors import NotAuthenticated, TooManyRequests
from release_service.identity.bearer import Bearers
from release_service.identity.gitlab import GitLabJob
from release_service.identity.sso import Person
from release_service.limits import MINUTE_S
from release_service.wiring import Parts

_QUESTIONS_PER_MINUTE = 300
# In what is to be done, not in what is wrong: the latter is logged, and no log ever holds the name of that header.
_HOW = (
    "Send the header 'Authorization: Bearer <token>': in CI the job's ID token "
    "(id_tokens: {NAME: {aud: gnome-release-service}}), else what gnome-release login gives you."
)
Caller = TypeVar("Caller", GitLabJob, Person, Proven)


def parts_of(request: Request) -> Parts:
    """Return what the application was made of."""
    parts: Parts = request.app.state.parts
    return parts


def address_of(request: Request) -> str:
    """Return the caller's address, as limits count it."""
    return limits.network_of(request.client.host) if request.client else ""


def begin(request: Request, act: str) -> None:
    """Say what the request tries to do: if it is refused, that is what is written down."""
    request.state.act = Act(act, None, request.state.request_id)


def know(request: Request, **facts: str) -> None:
    """Add to what is known of the act: module, version, sha256."""
    request.state.act = replace(request.state.act, **facts)


async def a_job(request: Request) -> GitLabJob:
    """Return the CI job that calls; persons have other ways in (threat T2)."""
    token = _job_token(request)
    if token is not None:
        return await _by_job_token(request, token)
    return _called(request, await _by_bearer(request, parts_of(request).proofs.jobs))


async def a_person(request: Request) -> Person:
    """Return the person who calls."""
    return _called(request, await _by_bearer(request, parts_of(request).proofs.persons))


async def anyone(request: Request) -> Proven:
    """Return the job or the person who calls."""
    token = _job_token(request)
    if token is not None:
        return await _by_job_token(request, token)
    return _called(request, await _by_bearer(request, parts_of(request).proofs.anyone))


def _called(request: Request, caller: Caller) -> Caller:
    request.state.act = replace(request.state.act, by=caller)
    return caller


def _job_token(request: Request) -> str | None:
    sent = request.headers.getlist("job-token")
    if not sent:
        return None
    if len(sent) > 1 or "authorization" in request.headers:
        raise NotAuthenticated(
            "The request has two tokens.", remedy="Send one header: Authorization: Bearer <token>, or JOB-TOKEN."
        )
    return sent[0]


async def _by_job_token(request: Request, token: str) -> GitLabJob:
    """GitLab is asked for each of these: not for addresses that only send bad ones, and not when switched off."""
    parts = parts_of(request)
    left_s = parts.refusals.silenced_for_s(address_of(request))
    if left_s:
        raise TooManyRequests("From your address came too many bad tokens.", retry_after_s=left_s)
    await run_in_threadpool(_may_ask_gitlab, parts, address_of(request))
    return _called(request, await parts.proofs.job_tokens.prove(token))


def _may_ask_gitlab(parts: Parts, address: str) -> None:
    """Refuse to ask for an address that makes us ask too often: each question costs GitLab three."""
    now = parts.service.now()
    with parts.service.transactions.begin() as session:
        limits.refuse_switched_off(session, parts.service.limits, "job-tokens")
        if counts.count(session, f"job-tokens:{address}", MINUTE_S, now) > _QUESTIONS_PER_MINUTE:
            raise TooManyRequests(
                "From your address came too many job tokens.", retry_after_s=limits.until_next(MINUTE_S, now)
            )


async def _by_bearer(request: Request, bearers: Bearers[Caller]) -> Caller:
    sent = request.headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("The request has no bearer token.", remedy=_HOW)
    return await bearers.prove(token)
