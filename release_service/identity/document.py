"""A JSON object from somebody else's server, which may be slow, endless, elsewhere or no JSON."""

import functools
import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx2

DEADLINE_S = 10.0  # for all that one question asks: a server that drips must not hold everybody up
MAX_BYTES = 256 * 1024
_TIMEOUT_S = 5.0
# All that can come of asking; what is nested too deeply is a RecursionError.
FAILURES = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    TimeoutError,
    ValueError,
    TypeError,
    LookupError,
    RecursionError,
)

Object = dict[str, Any]


class OtherStatus(ValueError):
    """The answer is none of 200: `status` says which."""

    def __init__(self, status: int) -> None:
        """Keep *status*."""
        super().__init__(f"status {status}")
        self.status = status


def client() -> httpx2.AsyncClient:
    """Return a client that goes where it is sent and nowhere else: no redirect, no proxy of the environment."""
    # No compression: the cap counts what comes over the wire.
    return httpx2.AsyncClient(
        timeout=_TIMEOUT_S,
        follow_redirects=False,
        trust_env=False,
        verify=_authorities(),
        headers={"Accept-Encoding": "identity"},
    )


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Return whose certificates are believed; reading them takes 20 ms, which bad tokens must not cost us each."""
    return httpx2.create_ssl_context(trust_env=False)


async def get(http: httpx2.AsyncClient, url: str, headers: Mapping[str, str] | None = None) -> Object:
    """Return the object at *url*; raises OtherStatus, or another of FAILURES."""
    async with http.stream("GET", url, headers=headers) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise OtherStatus(answer.status_code)
        content = b""
        async for piece in answer.aiter_raw():
            content += piece
            if len(content) > MAX_BYTES:
                raise ValueError("the document is too long")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise TypeError("the document is no object")
    return document
