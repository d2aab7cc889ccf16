"""Close gently when an answer comes before the body was read.

A client that is told 401 must not have to send 200 MiB first; but a connection that is reset while
it still sends can lose the answer on its way.  So: answer, tell the client to stop
(``Connection: close``), listen a moment longer without keeping what comes, then close.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LINGER_S = 1.0
_LINGER_BYTES = 256 * 1024


class LingeringClose:
    """Middleware around every application that may answer early."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap *app*."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watching whether its body is read to the end."""
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        body_left = True

        async def watched_receive() -> Message:
            nonlocal body_left
            message = await receive()
            body_left = body_left and bool(message.get("more_body"))
            return message

        async def gentle_send(message: Message) -> None:
            if not body_left:
                await send(message)
            elif message["type"] == "http.response.start":
                await send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
            elif message.get("more_body"):
                await send(message)
            else:
                await send({**message, "more_body": True})
                await _drain(receive)
                await send({"type": "http.response.body", "body": b""})

        await self.app(scope, watched_receive, gentle_send)


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


async def _drain(receive: Receive) -> None:
    """Take what is on its way until the client stops; not much, and not for long."""
    taken = 0
    try:
        async with asyncio.timeout(_LINGER_S):
            while taken < _LINGER_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return
