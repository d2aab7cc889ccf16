"""The public keys of one issuer: fetched when needed, kept for a while, never asked for by a token.

Where they are comes from the settings and the issuer's own discovery document; nothing in a
token (jku, x5u, jwk, kid, iss) ever causes a connection to anywhere else (threat T5).
"""

import asyncio
import time
from urllib.parse import urlsplit

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from release_service.errors import IssuerUnavailable, NotAuthenticated
from release_service.identity import document
from release_service.identity.token import ALGORITHM

log = structlog.get_logger()

_RETRY_S = 1.0
_SHORTEST_KEY_BITS = 2048
# Two, so that one made-up key id does not hide a real new key until the cooldown is over.
_MISSES_PER_COOLDOWN = 2


class IssuerKeys:
    """The RSA keys that *issuer* signs with, by key id.

    Kept for `ttl_s`; used stale up to `stale_s` while the issuer is down.  Key ids that are not
    known make two fetches in `cooldown_s`, and no key id makes two: bad tokens cannot make us knock
    (threat T6).  Fetches are single: whoever comes during one waits for it.
    """

    def __init__(self, issuer: str, *, ttl_s: float = 3600, stale_s: float = 86_400, cooldown_s: float = 60) -> None:
        """Know nothing yet; times in seconds."""
        self._issuer = issuer
        self._ttl_s, self._stale_s, self._cooldown_s = ttl_s, stale_s, cooldown_s
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at = self._failed_at = float("-inf")
        self._missed: dict[str, float] = {}  # key id to when it was asked for in vain
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> RSAKey:
        """Return the key *key_id*.

        Raises NotAuthenticated if the issuer has no such key, IssuerUnavailable if it cannot be asked.
        """
        asked_at = time.monotonic()
        if self._is_settled(key_id):
            return self._known(key_id)
        async with self._fetching:
            if self._fetched_at < asked_at and not self._is_settled(key_id):
                await self._refresh(key_id)
        return self._known(key_id)

    def _is_settled(self, key_id: str) -> bool:
        """Say whether nothing would be gained by a fetch, or too many have been made in vain."""
        now = time.monotonic()
        if now - self._fetched_at >= self._ttl_s:
            return False
        self._missed = {missed: at for missed, at in self._missed.items() if now - at < self._cooldown_s}
        return key_id in self._keys or key_id in self._missed or len(self._missed) >= _MISSES_PER_COOLDOWN

    def _known(self, key_id: str) -> RSAKey:
        if key_id not in self._keys:
            raise NotAuthenticated(
                "The token is signed with a key that its issuer does not have.",
                remedy="Retry the job in a minute: the issuer's keys may have changed just now.",
            )
        return self._keys[key_id]

    async def _refresh(self, key_id: str) -> None:
        """Fetch the keys anew; stale ones do while the issuer is down."""
        try:
            fetched = await self._fetch()
        except IssuerUnavailable:
            if time.monotonic() - self._fetched_at > self._stale_s or key_id not in self._keys:
                raise
            return
        self._log_change(fetched)
        self._keys, self._fetched_at = fetched, time.monotonic()
        if key_id not in fetched:
            self._missed[key_id] = self._fetched_at

    def _log_change(self, fetched: dict[str, RSAKey]) -> None:
        """Tell the administrators: a change that the issuer has not announced may be somebody else's (threat T7)."""
        before, after = ({key.thumbprint() for key in keys.values()} for keys in (self._keys, fetched))
        if before and before != after:
            log.warning(
                "issuer_keys_changed",
                issuer=self._issuer,
                added=sorted(after - before),
                removed=sorted(before - after),
            )

    async def _fetch(self) -> dict[str, RSAKey]:
        if time.monotonic() - self._failed_at < _RETRY_S:
            raise IssuerUnavailable("The issuer's keys could not be fetched a moment ago.", retry_after_s=10)
        try:
            async with asyncio.timeout(document.DEADLINE_S), document.client() as http:
                discovery = await document.get(http, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                return _usable(await document.get(http, self._jwks_uri(discovery)))
        except (*document.FAILURES, JoseError) as error:
            self._failed_at = time.monotonic()
            detail = f"The keys of {self._issuer} cannot be fetched ({type(error).__name__})."
            raise IssuerUnavailable(detail, retry_after_s=30) from error

    def _jwks_uri(self, discovery: document.Object) -> str:
        jwks_uri = str(discovery.get("jwks_uri"))
        if discovery.get("issuer") != self._issuer or _origin(jwks_uri) != _origin(self._issuer):
            raise ValueError("the discovery document names another issuer")
        return jwks_uri


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _usable(jwks: document.Object) -> dict[str, RSAKey]:
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
