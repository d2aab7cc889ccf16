"""Between who calls and what they send: switches, counts, a lease, and the right to publish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from release_service import limits
from release_service.authorize import Grant, Proven, authorize
from release_service.db import limits as leases
from release_service.db import persons
from release_service.errors import Unavailable
from release_service.identity.sso import Person
from release_service.tarball import TarballName
from release_service.web.callers import address_of, parts_of
from release_service.wiring import Parts


async def counted(request: Request, caller: Proven, *switches: str) -> None:
    """Count one request of *caller*, as soon as they are proven: also what is refused then costs a row.

    Raises SwitchedOff (if their proof, or one of *switches*, is), TooManyRequests.
    """
    await run_in_threadpool(_count, parts_of(request), caller, switches)


@asynccontextmanager
async def admitted(
    request: Request, uploader: Proven, name: TarballName, *, is_signed: bool | None
) -> AsyncIterator[Grant]:
    """Yield the right of *uploader* to publish *name*, while the upload counts as under way.

    *is_signed* says whether a signature comes along; None: it may follow the tarball, and is asked for then.

    Raises NotAuthorized, TooManyRequests.
    """
    grant, lease = await run_in_threadpool(_admit, request, uploader, name, is_signed=is_signed)
    parts = parts_of(request)
    renewing = asyncio.create_task(_renew(parts, lease))
    try:
        yield grant
    finally:
        renewing.cancel()
        await run_in_threadpool(_end, parts, lease)


def _admit(request: Request, uploader: Proven, name: TarballName, *, is_signed: bool | None) -> tuple[Grant, str]:
    parts, address, request_id = parts_of(request), address_of(request), request.state.request_id
    with parts.service.transactions.begin() as session:
        grant = authorize(session, uploader, name, parts.service.policy, request_id, is_signed=is_signed)
        return grant, limits.begin_upload(session, parts.service.limits, uploader, address, parts.service.now())


def _count(parts: Parts, caller: Proven, switches: tuple[str, ...]) -> None:
    now = parts.service.now()
    with parts.service.transactions.begin() as session:
        limits.refuse_switched_off(session, parts.service.limits, limits.switch_of(caller), *switches)
        limits.count_request(session, parts.service.limits, caller, now)
        if isinstance(caller, Person):
            persons.see(session, caller.issuer, caller.subject, caller.login, caller.email, now)


async def _renew(parts: Parts, lease: str) -> None:
    """Keep the lease of an upload that takes long; it ends by itself soon after its replica has died."""
    while True:
        await asyncio.sleep(leases.LEASE_S / 3)
        with suppress(Unavailable):  # the next time, perhaps
            await run_in_threadpool(_renew_now, parts, lease)


def _renew_now(parts: Parts, lease: str) -> None:
    with parts.service.transactions.begin() as session:
        leases.renew_lease(session, lease, parts.service.now())


def _end(parts: Parts, lease: str) -> None:
    # If the database is down, it ends by itself soon, and what happened to the upload is said already.
    with suppress(Unavailable), parts.service.transactions.begin() as session:
        leases.end_lease(session, lease)
