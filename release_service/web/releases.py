"""Published releases: what is known of one, and the signature that a maintainer adds later, having checked it."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from release_service import documents, paths, yank
from release_service.authorize import Grant, authorize
from release_service.db import follow_ups, releases
from release_service.db.tables import Release
from release_service.errors import shown
from release_service.identity.sso import Person
from release_service.publish import Published, add_signature
from release_service.receive import ended
from release_service.tarball import TarballName
from release_service.web.admission import counted
from release_service.web.bodies import small_body
from release_service.web.callers import a_person, begin, know, parts_of
from release_service.wiring import Parts

router = APIRouter()


@router.get("/api/v1/releases/{module}/{version}", summary="What is known of a published release")
async def get_release(request: Request, module: str, version: str) -> Response:
    """Answer with what its release.json says, where its tarball is, and whether readers have it (`visible`) yet.

    `url` is null, if it is quarantined.
    """
    return JSONResponse(await run_in_threadpool(_described, parts_of(request), module, version))


def _described(parts: Parts, module: str, version: str) -> dict[str, Any]:
    with parts.service.transactions.read() as session:
        release = _published(releases.find(session, yank.named(module, version)), module, version)
        pending = follow_ups.open_kinds(session, release)
    known: dict[str, Any] = json.loads(documents.release_json(release))
    url = None
    if release.quarantined_at is None:
        url = paths.public_url(parts.settings.public_url, paths.tarball_key(releases.tarball_name(release)))
    state = {"visible": url is not None and release.visible_at is not None, "pending": pending}
    return known | state | {"url": url, "sandbox": parts.settings.sandbox}


@router.put("/api/v1/releases/{module}/{version}/signature", summary="Sign a published release")
async def put_signature(request: Request, module: str, version: str) -> Response:
    """Take a detached signature over the tarball as the body; 201 if it is published now, 200 if it was before."""
    begin(request, "sign")
    person = await a_person(request)
    know(request, module=shown(module, 100), version=shown(version, 64))
    await counted(request, person, "uploads")
    parts = parts_of(request)
    name, grant = await run_in_threadpool(_granted, parts, person, module, version, request.state.request_id)
    data = await small_body(request)
    # As with uploads: a future of the executor, which shutting down does not cancel.
    signing = asyncio.get_running_loop().run_in_executor(
        parts.publishing, add_signature, parts.service, name, data, grant
    )
    await ended(signing)
    return _answer(parts, name, signing.result())


def _granted(parts: Parts, person: Person, module: str, version: str, request_id: str) -> tuple[TarballName, Grant]:
    with parts.service.transactions.read() as session:
        release = _published(releases.find(session, yank.named(module, version)), module, version)
        releases.refuse_quarantined(release)
        name = releases.tarball_name(release)
        return name, authorize(session, person, name, parts.service.policy, request_id, is_signed=True)


def _published(release: Release | None, module: str, version: str) -> Release:
    if release is None or release.published_at is None or release.module.name != module:
        raise yank.nothing(module, version)
    return release


def _answer(parts: Parts, name: TarballName, published: Published) -> JSONResponse:
    signature = published.release.signature
    assert signature is not None  # noqa: S101 - it was added, or was there
    key = paths.release_key(name, paths.signature_ext(name))
    body = {
        "module": name.module,
        "version": str(name.version),
        "signature_url": paths.public_url(parts.settings.public_url, key),
        "fingerprint": signature.fingerprint,
        "signing_fingerprint": signature.signing_fingerprint,
        "signed_at": signature.signed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sandbox": parts.settings.sandbox,
    }
    return JSONResponse(body, 201 if published.is_new else 200)
