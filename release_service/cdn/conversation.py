"""Requests to the CDN: they go where they are sent, and end in time.

What httpx2 raises carries its request, and that the token; so its name alone is told.
"""

import contextlib
import functools
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2

from release_service.errors import CdnUnavailable

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "gnome-release-service"}


class Answer:
    """The CDN's answer: its *status* and *headers*; the body is read in `pieces`."""

    def __init__(self, response: httpx2.Response, until: float) -> None:
        """Read *response* until the clock is at *until*."""
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response, self._until = response, until

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, as it came over the wire."""
        for piece in self._response.iter_raw():  # as it comes: collecting a whole MiB may take for ever
            if time.monotonic() > self._until:
                raise TimeoutError
            yield piece

    def body(self, max_bytes: int) -> bytes:
        """Return the body; raises ValueError if it is longer than *max_bytes*."""
        content = b""
        for piece in self.pieces():
            content += piece
            if len(content) > max_bytes:
                raise ValueError("the answer is too long")
        return content


class Conversation:
    """Some requests over a few connections, by as many threads as there are, that end *within_s* seconds from now."""

    def __init__(self, *, idle_s: float, within_s: float) -> None:
        """Let nothing come for *idle_s* seconds at most."""
        self._idle_s, self._until = idle_s, time.monotonic() + within_s
        self._http = httpx2.Client(follow_redirects=False, trust_env=False, verify=_authorities(), headers=_HEADERS)

    @contextmanager
    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """Send one request; what goes wrong in it, also while the answer is read, is CdnUnavailable."""
        left_s = self._until - time.monotonic()
        try:
            if left_s <= 0:
                raise TimeoutError  # noqa: TRY301 - as if the request had not been answered
            with self._http.stream(method, url, headers=headers, timeout=min(self._idle_s, left_s)) as response:
                yield Answer(response, self._until)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RecursionError) as failure:
            kind = type(failure).__name__
            raise CdnUnavailable(f"{method} {url} was not answered as it should be ({kind}).") from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@contextmanager
def conversation(*, idle_s: float, within_s: float) -> Iterator[Conversation]:
    """Return a conversation whose connections end with it."""
    with contextlib.closing(Conversation(idle_s=idle_s, within_s=within_s)) as opened:
        yield opened


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Return whose certificates are believed; reading them takes 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)
