"""Says so when a request is cut short because its replica stops: another one takes the same bytes."""

import asyncio
import contextlib

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from release_service.errors import Stopping
from release_service.web.errors import answer_error

log = structlog.get_logger()


class CutShort:
    """Middleware that answers a request that is cancelled: uvicorn would call it a bug of ours, with a 500."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap *app*."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer it if nothing is answered when it is cancelled."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_answered = False

        async def watched_send(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except asyncio.CancelledError:
            log.warning("cut_short", is_answered=is_answered)
            if not is_answered:
                answer = await answer_error(Request(scope), Stopping("This replica stops, and could wait no longer."))
                with contextlib.suppress(asyncio.CancelledError):  # it is cancelled again when the loop ends
                    await answer(scope, receive, send)
