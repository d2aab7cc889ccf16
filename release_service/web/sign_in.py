"""Signing in by browser: away to the SSO, back with a code, and out again.

The session in which one is away holds Authlib's state, nonce and verifier, and lasts ten minutes.
Coming back makes a new one under a new id, so a planted cookie is worth nothing.
"""

import re
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from release_service import limits
from release_service.db import audit, persons, sessions
from release_service.db import limits as counts
from release_service.db.audit import Act
from release_service.errors import FormExpired, NotAuthenticated, NotFound, SignInFailed, TooManyRequests
from release_service.identity.sso import Person
from release_service.limits import MINUTE_S
from release_service.web.callers import address_of, begin, parts_of
from release_service.web.sessions import Cookies, Sessions, SignedIn, cookies_of, look_up, posted, signed_in, start
from release_service.web.sso import Answer, SingleSignOn
from release_service.wiring import Parts

router = APIRouter(prefix="/auth", include_in_schema=False)

HOME = "/account"
_NEXT = "next"
# A path of ours: browsers take // and /\ for another host, and longer ones are nobody's bookmark.
_OURS = re.compile(r"/(?![/\\]).{0,199}")
_SEE_OTHER = 303
_NO_STORE = {"Cache-Control": "no-store"}
# Each writes a row; people do not sign in so often, not even a conference behind one address.
_MOST_PER_ADDRESS_PER_MINUTE = 120


@router.get("/login")
async def log_in(request: Request) -> Response:
    """Send the browser to the SSO."""
    sso, parts, away = _sso_of(request), parts_of(request), cookies_of(request).signing_in
    begin(request, "sign-in")
    await run_in_threadpool(_admit, parts, address_of(request))
    content: dict[str, Any] = {_NEXT: _local(request.query_params.get("next", HOME))}
    request.scope["session"] = content  # where Authlib puts what it must find again
    answer = await sso.send_away(request)
    away.give(answer, await run_in_threadpool(_remember, parts, away, content))
    answer.headers.update(_NO_STORE)
    return answer


@router.get("/callback")
async def come_back(request: Request) -> Response:
    """Take the browser back from the SSO, and begin its session."""
    sso, parts, cookies = _sso_of(request), parts_of(request), cookies_of(request)
    begin(request, "sign-in")
    await run_in_threadpool(_admit, parts, address_of(request))
    key = cookies.signing_in.key(request)
    content = await run_in_threadpool(look_up, parts, key) if key else None
    if key is None or content is None:
        raise SignInFailed("This browser has no sign-in under way that was begun here in the last ten minutes.")
    request.scope["session"] = content
    person = await _prove(parts, await sso.answer(request))
    request.state.act = replace(request.state.act, by=person)
    ended = [key, cookies.signed_in.key(request)]
    cookie = await run_in_threadpool(_welcome, parts, cookies, request.state.act, person, ended)
    answer = RedirectResponse(content[_NEXT], _SEE_OTHER, _NO_STORE)
    cookies.signing_in.take_back(answer)
    cookies.signed_in.give(answer, cookie)
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session here, then at the SSO."""
    caller = await signed_in(request)
    if caller is None:
        raise FormExpired("You are not signed in.")
    request.state.act = Act("sign-out", caller.person, request.state.request_id)
    await posted(request, caller.csrf)
    await run_in_threadpool(_part, parts_of(request), request.state.act, caller)
    sso: SingleSignOn | None = request.app.state.sso
    answer = RedirectResponse((await sso.farewell() if sso else None) or "/", _SEE_OTHER, _NO_STORE)
    cookies_of(request).signed_in.take_back(answer)
    return answer


def _sso_of(request: Request) -> SingleSignOn:
    sso: SingleSignOn | None = request.app.state.sso
    if sso is None:
        raise NotFound("Nobody can sign in here: this instance has no SSO.", remedy="Upload from a CI job.")
    return sso


def _local(path: str) -> str:
    return path if _OURS.fullmatch(path) and path.isprintable() else HOME


def _admit(parts: Parts, address: str) -> None:
    with parts.service.transactions.begin() as session:
        limits.refuse_switched_off(session, parts.service.limits, "sso")
        now = parts.service.now()
        if counts.count(session, f"sign-ins:{address}", MINUTE_S, now) > _MOST_PER_ADDRESS_PER_MINUTE:
            raise TooManyRequests(
                "From your address came too many sign-ins.", retry_after_s=limits.until_next(MINUTE_S, now)
            )


async def _prove(parts: Parts, answer: Answer) -> Person:
    """Return whom the SSO's answer proves, by the same strict rules as a token that the API is sent."""
    try:
        person = await parts.proofs.persons.prove(answer.access_token)
    except NotAuthenticated as refusal:
        raise SignInFailed(f"The single sign-on's token proves nothing here: {refusal.detail}") from None
    if person.subject != answer.subject:
        raise SignInFailed("The single sign-on's two tokens name two persons.")
    return person


def _remember(parts: Parts, away: Sessions, content: dict[str, Any]) -> str:
    with parts.service.transactions.begin() as session:
        return away.start(session, content, parts.service.now())


def _welcome(parts: Parts, cookies: Cookies, act: Act, person: Person, ended: list[str | None]) -> str:
    """Write down who has come; return the cookie of the session that begins, where those that are *ended* were."""
    now = parts.service.now()
    with parts.service.transactions.begin() as session:
        for key in filter(None, ended):
            sessions.end(session, key)
        persons.see(session, person.issuer, person.subject, person.login, person.email, now)
        audit.record(session, act, audit.ACCEPTED, "signed_in", now)
        return start(session, cookies, person, now)


def _part(parts: Parts, act: Act, caller: SignedIn) -> None:
    with parts.service.transactions.begin() as session:
        sessions.end(session, caller.key)
        audit.record(session, act, audit.ACCEPTED, "signed_out", parts.service.now())
