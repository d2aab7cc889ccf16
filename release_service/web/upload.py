"""The two ways in: the CI component's form, and the raw PUT.  Both do the same.

The caller is known before the body is read: FastAPI would read a declared form first, so these
take the bare request and read it themselves, in the order of `publish`.
"""

import asyncio
from collections.abc import AsyncIterator

import structlog
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from release_service import documents, paths
from release_service.authorize import Proven
from release_service.db import signatures
from release_service.db.releases import tarball_name
from release_service.db.tables import Release
from release_service.errors import shown
from release_service.publish import Published, publish_release
from release_service.receive import Body, ended, receive, timed, until_cut_off
from release_service.receive.multipart import Form
from release_service.receive.raw import RawBody, refuse_too_long
from release_service.tarball import TarballName
from release_service.web.admission import admitted, counted
from release_service.web.callers import a_job, anyone, begin, know, parts_of
from release_service.web.errors import wants_json
from release_service.wiring import Parts

log = structlog.get_logger()
router = APIRouter()

# What a form may have around its tarball.
_FORM_BYTES = 64 * 1024


@router.post("/install-module-release", summary="Publish a tarball, as GNOME's CI component sends it")
async def install_module_release(request: Request) -> Response:
    """Take a multipart part ``tarball`` (CONTRACT.md 1), perhaps ``sha256`` and ``signature``, from CI jobs only."""
    begin(request, "upload")
    job = await a_job(request)
    await counted(request, job, "uploads")
    form = Form(_stream(request, parts_of(request)), request.headers.get("content-type", ""))
    filename = await form.open()
    return await _publish(request, job, filename, form, is_signed=True if form.signature else None)


@router.put("/api/v1/tarballs/{filename}", summary="Publish a tarball that is the whole body")
async def put_tarball(request: Request, filename: str) -> Response:
    """Take the tarball as the body; a Repr-Digest header (RFC 9530) is checked, a signature is in Signature-OpenPGP."""
    begin(request, "upload")
    uploader = await anyone(request)
    await counted(request, uploader, "uploads")
    body = RawBody(_stream(request, parts_of(request)), request.headers)
    return await _publish(request, uploader, filename, body, is_signed=body.signature is not None)


async def _publish(
    request: Request, uploader: Proven, filename: str, body: Body, *, is_signed: bool | None
) -> Response:
    """Authorize *uploader* for what *filename* says, then receive and publish *body*."""
    parts = parts_of(request)
    name = TarballName.parse(filename, parts.settings.compressions)
    know(request, module=name.module, version=name.version.text)
    structlog.contextvars.bind_contextvars(tarball=str(name), uploader=uploader.subject, proof=uploader.kind)
    limits, staging = parts.settings.receive_limits(), parts.settings.staging
    async with (
        admitted(request, uploader, name, is_signed=is_signed) as grant,
        receive(name, body, limits, staging, parts.inspector) as tarball,
    ):
        know(request, sha256=tarball.sha256)
        # A future of the executor, not a task: shutting down cancels tasks, and this thread reads the file.
        publishing = asyncio.get_running_loop().run_in_executor(
            parts.publishing, publish_release, parts.service, tarball, grant
        )
        await ended(publishing)
        published = publishing.result()
    log.info("published", sha256=published.release.sha256, is_new=published.is_new)
    return _answer(request, published)


def _stream(request: Request, parts: Parts) -> AsyncIterator[bytes]:
    """Return the request's body: refused at once if it says to be too long, timed while it comes."""
    limits = parts.settings.receive_limits()
    max_bytes = limits.max_tarball_bytes + _FORM_BYTES
    refuse_too_long(request.headers, max_bytes)
    return timed(until_cut_off(request.stream(), ClientDisconnect), limits, max_bytes)


def _answer(request: Request, published: Published) -> Response:
    """201 for a new release, 200 for the same bytes again; the body is the same."""
    release, settings = published.release, parts_of(request).settings
    name = tarball_name(release)
    url = paths.public_url(settings.public_url, paths.tarball_key(name))
    status = 201 if published.is_new else 200
    if wants_json(request):
        body = {
            "module": name.module,
            "version": str(name.version),
            "series": name.series,
            "size": release.size,
            "sha256": release.sha256,
            "url": url,
            "checksum_url": paths.public_url(settings.public_url, paths.release_key(name, "sha256sum")),
            "signature_url": _signature_url(request, release),
            "warnings": release.archive["warnings"],
            "pending": published.pending,
            "yanked": documents.standing(release).get("yanked"),
            "sandbox": settings.sandbox,
        }
        return JSONResponse(body, status, {"Location": url})
    lines = ["SANDBOX: this is no real release."] if settings.sandbox else []
    lines += [
        f"Published {name.module} {name.version} in series {name.series}.",
        url,
        f"sha256 {release.sha256}",
    ]
    signature = _signature_url(request, release)
    lines += [f"signature {signature}"] if signature else []
    if release.yanked_at is not None:
        lines.append(f"It is yanked, and stays so: {shown(release.yank_reason, 500)}")
    lines += [f"warning: {warning}" for warning in release.archive["warnings"]]
    lines += [f"Readers see it soon; pending: {', '.join(published.pending)}."] if published.pending else []
    return PlainTextResponse("\n".join(lines) + "\n", status, {"Location": url})


def _signature_url(request: Request, release: Release) -> str | None:
    if signatures.published(release) is None:
        return None
    name = tarball_name(release)
    return paths.public_url(parts_of(request).settings.public_url, paths.release_key(name, paths.signature_ext(name)))
