"""The public keys of one issuer: fetched when needed, kept for a while, never asked for by a token.

Where they are comes from the settings and the issuer's own discovery document; nothing in a
token (jku, x5u, jwk, kid, iss) ever causes a connection to anywhere else (threat T5).
"""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from release_service.errors import IssuerUnavailable, NotAuthenticated
from release_service.identity.token import ALGORITHM

_TIMEOUT_S = 5.0
_DEADLINE_S = 10.0  # for both documents: one that drips must not hold everybody up
_MAX_BYTES = 256 * 1024
_RETRY_S = 1.0
_SHORTEST_KEY_BITS = 2048
# What a document that is no key set can make of us; nested too deeply, it is a RecursionError.
_UNUSABLE = (JoseError, ValueError, TypeError, LookupError, RecursionError)
_UNREACHABLE = (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError)


class IssuerKeys:
    """The RSA keys that *issuer* signs with, by key id.

    Kept for `ttl_s`; used stale up to `stale_s` while the issuer is down.  A key id that is not
    known makes one fetch, and then none for `cooldown_s`: bad tokens cannot make us knock
    (threat T6).  Fetches are single: whoever comes during one waits for it.
    """

    def __init__(self, issuer: str, *, ttl_s: float = 3600, stale_s: float = 86_400, cooldown_s: float = 60) -> None:
        """Know nothing yet; times in seconds."""
        self._issuer = issuer
        self._ttl_s, self._stale_s, self._cooldown_s = ttl_s, stale_s, cooldown_s
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at = self._failed_at = self._missed_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> RSAKey:
        """Return the key *key_id*.

        Raises NotAuthenticated if the issuer has no such key, IssuerUnavailable if it cannot be asked.
        """
        if self._is_settled(key_id):
            return self._known(key_id)
        async with self._fetching:
            if not self._is_settled(key_id):
                await self._refresh(key_id)
        return self._known(key_id)

    def _is_settled(self, key_id: str) -> bool:
        """Say whether nothing would be gained by a fetch."""
        now = time.monotonic()
        fresh = now - self._fetched_at < self._ttl_s
        return fresh and (key_id in self._keys or now - self._missed_at < self._cooldown_s)

    def _known(self, key_id: str) -> RSAKey:
        if key_id not in self._keys:
            raise NotAuthenticated("The token is signed with a key that its issuer does not have.")
        return self._keys[key_id]

    async def _refresh(self, key_id: str) -> None:
        """Fetch the keys anew; stale ones do while the issuer is down."""
        try:
            self._keys = await self._fetch()
            self._fetched_at = time.monotonic()
        except IssuerUnavailable:
            if time.monotonic() - self._fetched_at > self._stale_s or key_id not in self._keys:
                raise
        if key_id not in self._keys:
            self._missed_at = time.monotonic()

    async def _fetch(self) -> dict[str, RSAKey]:
        if time.monotonic() - self._failed_at < _RETRY_S:
            raise IssuerUnavailable("The issuer's keys could not be fetched a moment ago.", retry_after_s=10)
        try:
            async with (
                asyncio.timeout(_DEADLINE_S),
                httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False) as http,
            ):
                discovery = await _document(http, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                return _usable(await _document(http, self._jwks_uri(discovery)))
        except (*_UNREACHABLE, *_UNUSABLE) as error:
            self._failed_at = time.monotonic()
            detail = f"The keys of {self._issuer} cannot be fetched ({type(error).__name__})."
            raise IssuerUnavailable(detail, retry_after_s=30) from error

    def _jwks_uri(self, discovery: dict[str, Any]) -> str:
        jwks_uri = str(discovery.get("jwks_uri"))
        if discovery.get("issuer") != self._issuer or _origin(jwks_uri) != _origin(self._issuer):
            raise ValueError("the discovery document names another issuer")
        return jwks_uri


async def _document(http: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    async with http.stream("GET", url) as answer:
        answer.raise_for_status()
        content = b""
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > _MAX_BYTES:
                raise ValueError("the document is too long")
    if not answer.is_success:
        raise ValueError(f"status {answer.status_code}")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise TypeError("the document is no object")
    return document


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _usable(jwks: dict[str, Any]) -> dict[str, RSAKey]:
    keys: dict[str, RSAKey] = {}
    for key in jwks["keys"]:
        if not isinstance(key, dict):
            raise TypeError("a key is no object")
        wanted = {"kty": "RSA", "use": "sig", "alg": ALGORITHM}
        if key.get("kid") and all(key.get(name, value) == value for name, value in wanted.items()):
            loaded = RSAKey.import_key({name: key[name] for name in ("kty", "n", "e", "kid")})
            if loaded.raw_value.key_size >= _SHORTEST_KEY_BITS:
                keys[key["kid"]] = loaded
    if not keys:
        raise ValueError("no usable key")
    return keys
