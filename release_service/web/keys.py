"""The keys of persons over HTTP: their own, and those of others that they may consent to."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from release_service import signing_keys
from release_service.db import signing_keys as rows
from release_service.db.tables import SigningKey
from release_service.errors import BadChange, shown
from release_service.publish import Service
from release_service.signing_keys import Asker
from release_service.web.admission import counted
from release_service.web.bodies import small_body
from release_service.web.callers import a_person, begin, parts_of

router = APIRouter(prefix="/api/v1/keys")

Given = TypeVar("Given")
Made = TypeVar("Made")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("", summary="Your signing keys, and those of others that you may consent to")
async def list_keys(request: Request) -> Response:
    """Answer for the person who asks."""
    begin(request, "key-list")
    asker = await _asker(request)
    mine, others = await run_in_threadpool(signing_keys.known_to, parts_of(request).service, asker)
    found = {"keys": [_object(request, key) for key in mine], "to_consent": [_object(request, key) for key in others]}
    return JSONResponse(found, headers=_NO_STORE)


@router.post("", summary="Register a public key, or its newer form; a revocation, with its key or alone, revokes it")
async def post_key(request: Request) -> Response:
    """Take the certificate as the body, armoured or binary; compare the fingerprint in the answer."""
    begin(request, "key-add")
    asker = await _asker(request)
    data = await small_body(request)
    key, is_new = await _changed(request, asker, signing_keys.add, data)
    return JSONResponse(_object(request, key), 201 if is_new else 200, _NO_STORE)


@router.delete("/{fingerprint}", summary="Remove one of your keys")
async def delete_key(request: Request, fingerprint: str) -> Response:
    """Take nothing; what the key has signed stays good."""
    begin(request, "key-remove")
    asker = await _asker(request)
    key = await _changed(request, asker, signing_keys.remove, _parsed(fingerprint))
    return JSONResponse(_object(request, key), headers=_NO_STORE)


@router.post("/{fingerprint}/consent", summary="Let the new key of somebody you maintain a module with sign at once")
async def post_consent(request: Request, fingerprint: str) -> Response:
    """Take nothing: the fingerprint in the URL is what was compared."""
    begin(request, "key-consent")
    asker = await _asker(request)
    keys = await _changed(request, asker, signing_keys.consent, _parsed(fingerprint))
    return JSONResponse(_object(request, keys[0]), headers=_NO_STORE)


async def _asker(request: Request) -> Asker:
    person = await a_person(request)
    await counted(request, person)
    return Asker(person, request.state.request_id)


async def _changed(
    request: Request, asker: Asker, change: Callable[[Service, Asker, Given], Made], given: Given
) -> Made:
    """Make *change*, then write the keyrings that it is in, as far as that can be done now."""
    service = parts_of(request).service
    made = await run_in_threadpool(change, service, asker, given)
    await run_in_threadpool(signing_keys.changed, service, asker)
    return made


def _parsed(fingerprint: str) -> str:
    """Return the fingerprint as it is kept; raises BadChange if it is none, for example a key id."""
    plain = fingerprint.replace(" ", "").removeprefix("0x").upper()
    if not _FINGERPRINT.fullmatch(plain):
        raise BadChange(f"{shown(fingerprint)!r} is no fingerprint: those have 40 hex digits.")
    return plain


def _object(request: Request, key: SigningKey) -> dict[str, Any]:
    def moment(name: str) -> str | None:
        value = getattr(key, name)
        return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None

    times = ("added_at", "may_sign_from", "expires_at", "removed_at", "revoked_at")
    return {
        "fingerprint": key.fingerprint,
        "signing_fingerprints": key.signing_fingerprints,
        "user_id": key.user_id,
        "owner": shown(key.person.login, 255),
        "state": rows.state(key, parts_of(request).service.now()),
        "consented_by": shown(key.consented_by.login, 255) if key.consented_by else None,
        **{name: moment(name) for name in times},
    }
