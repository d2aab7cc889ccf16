"""The page that says who one is here, and what one may publish."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from release_service.authorize.persons import roles
from release_service.db import modules
from release_service.identity.sso import Person
from release_service.web import pages
from release_service.web.admission import counted
from release_service.web.callers import parts_of
from release_service.web.sessions import signed_in
from release_service.wiring import Parts

router = APIRouter(include_in_schema=False)


@router.get("/account")
async def account(request: Request) -> Response:
    """Show it; who is not signed in is sent to sign in first."""
    caller = await signed_in(request)
    if caller is None:
        return RedirectResponse("/auth/login?next=/account", 303, {"Cache-Control": "no-store"})
    parts, person = parts_of(request), caller.person
    await counted(request, person)
    maintained = await run_in_threadpool(_maintained, parts, person)
    return pages.page(
        request,
        "account.html",
        {
            "person": person,
            "roles": sorted(roles(person, parts.service.policy)),
            "modules": maintained,
            "csrf": caller.csrf,
        },
        {"Cache-Control": "no-store"},
    )


def _maintained(parts: Parts, person: Person) -> list[str]:
    with parts.service.transactions.read() as session:
        return modules.maintained_by(session, person.issuer, person.subject)
