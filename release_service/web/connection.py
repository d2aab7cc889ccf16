"""A connection that must send its request's header soon, and keep it short.

uvicorn's httptools protocol bounds neither: an unknown peer could fill the memory with one header,
or hold connections for ever by never finishing one (threat S1).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, closed when a header exceeds `max_header_bytes` or `header_timeout_s`."""

    max_header_bytes: int
    header_timeout_s: float

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what uvicorn gives its protocols."""
        super().__init__(*args, **options)
        self._header_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # asyncio gives no other one
        """Wait for the first header."""
        super().connection_made(transport)
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._have_header()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the header of this request; the first line has come."""
        super().on_message_begin()
        self._expect_header()

    def on_headers_complete(self) -> None:
        """Stop waiting: what follows is the body, which `receive` times."""
        self._have_header()
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the header's fields only: nobody reads what follows a chunked body, and nothing would bound it."""
        if self._deadline is not None:
            super().on_header(name, value)

    def data_received(self, data: bytes) -> None:
        """Count what comes while a header is not complete."""
        super().data_received(data)
        if self._deadline is None:
            return
        self._header_bytes += len(data)
        if self._header_bytes > self.max_header_bytes and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _expect_header(self) -> None:
        self._have_header()
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self.header_timeout_s, self.transport.close)

    def _have_header(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
