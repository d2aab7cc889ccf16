"""Small bodies: a question, a form.  Capped and timed like an upload's; a peer that hangs up is a refusal."""

from starlette.requests import ClientDisconnect, Request

from release_service.receive import timed, until_cut_off
from release_service.web.callers import parts_of

_LONGEST = 64 * 1024


async def small_body(request: Request) -> bytes:
    """Return the whole body, at most 64 KiB; raises TooLarge, UploadTooSlow, UploadCutOff."""
    limits = parts_of(request).settings.receive_limits()
    pieces = timed(until_cut_off(request.stream(), ClientDisconnect), limits, _LONGEST)
    return b"".join([piece async for piece in pieces])
