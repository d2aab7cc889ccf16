"""What a forger can do: tokens of any form, with good signatures of any algorithm; and a canary to lure us to."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import RSAKey

from release_service.demo.issuer import StandInIssuer

Sign = Callable[[bytes], bytes]
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)


class Canary(StandInIssuer):
    """An issuer that would be believed if it were asked; `connections` says how often it was."""

    def __init__(self) -> None:
        super().__init__()
        self.connections = 0
        self._server.verify_request = self._count  # type: ignore[assignment,method-assign]

    def _count(self, *_: object) -> bool:
        self.connections += 1
        return True


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def part(value: object) -> str:
    """Return a part of a token: bytes as they are, anything else as JSON."""
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def token(header: object, claims: object, sign: Sign) -> str:
    """Return the token that *sign* signs, whatever header and claims are."""
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{base64url(sign(signed.encode()))}"


def rsa(key: RSAKey, digest: hashes.HashAlgorithm | None = None, pad: padding.AsymmetricPadding | None = None) -> Sign:
    """Sign as RS256 does, or with another *digest* or padding."""
    private = key.raw_value
    assert isinstance(private, RSAPrivateKey)
    return lambda content: private.sign(content, pad or padding.PKCS1v15(), digest or hashes.SHA256())


def pss(key: RSAKey) -> Sign:
    """Sign as PS256 does."""
    return rsa(key, pad=_PSS)


def hmac_sha256(secret: bytes) -> Sign:
    """Sign as HS256 does."""
    return lambda content: hmac.digest(secret, content, hashlib.sha256)


def nothing(_: bytes) -> bytes:
    """Sign as alg none does."""
    return b""


def with_json(claims: dict[str, Any], name: str, text: str) -> bytes:
    """Return *claims* as JSON in which *text* stands, unquoted, for the claim *name*."""
    return json.dumps(claims | {name: "@"}).replace('"@"', text).encode()


def with_spare_bits(text: str) -> str:
    """Return the token with bits set that its last letter does not need: another spelling of the same bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) | 1]
