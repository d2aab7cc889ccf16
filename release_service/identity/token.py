"""The form of a bearer token, before any key is looked at (DESIGN.md 6).

Exactly three canonical base64url parts without padding, at most 16 KiB; JSON objects without
duplicate members, at most 16 deep; RS256 and nothing else; a key id; none of the extensions that
made others accept what they should not (crit: CVE-2026-32597, CVE-2025-59420).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from release_service.errors import NotAuthenticated, TokenExpired

MAX_TOKEN_BYTES = 16 * 1024
LONGEST_ID = 255
LEEWAY_S = 30
MAX_LIFETIME_S = 24 * 3600
ALGORITHM = "RS256"
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_DEEPEST = 16
_LATEST = 2**40  # seconds; no clock of ours reads that

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UnprovenToken:
    """A token of good form.  What it says is not proven until its signature is."""

    text: str = field(repr=False)  # neither ever in a log
    key_id: str
    claims: Claims = field(repr=False)

    @property
    def issuer(self) -> str:
        """Who it says has signed it."""
        return text_claim(self.claims, "iss")


def parse(text: str) -> UnprovenToken:
    """Return the token that *text* spells.  (Raises: NotAuthenticated.)"""
    if len(text) > MAX_TOKEN_BYTES:
        raise NotAuthenticated(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
    if not _FORM.fullmatch(text):
        raise NotAuthenticated("The token is not a JWT: three base64url parts, joined by dots.")
    parts = [_decode(part) for part in text.split(".")]
    header, claims = _object(parts[0]), _object(parts[1])
    if header.get("alg") != ALGORITHM:
        raise NotAuthenticated(f"The token is not signed with {ALGORITHM}.")
    if {"crit", "zip", "cty", "b64"} & set(header) or header.get("typ", "JWT") != "JWT":
        raise NotAuthenticated("The token's header asks for something that is not understood here.")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise NotAuthenticated("The token does not name its key (kid).")
    return UnprovenToken(text, key_id, claims)


def text_claim(claims: Claims, name: str) -> str:
    """Return the claim *name*, which must be there and be text."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise NotAuthenticated(f"The token's claim {name} is missing, or is no text.")
    return value


def short_text_claim(claims: Claims, name: str) -> str:
    """Return the claim *name*, which must be there and be printable text of at most 255 characters."""
    value = text_claim(claims, name)
    if len(value) > LONGEST_ID or not value.isprintable():
        raise NotAuthenticated(f"The token's claim {name} is too long, or is not printable.")
    return value


def time_claim(claims: Claims, name: str) -> int:
    """Return the claim *name* in seconds since 1970 (UTC), a plain integer."""
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < _LATEST:
        raise NotAuthenticated(f"The token's claim {name} is missing, or is no time.")
    return value


def check_times(claims: Claims, now: float, max_age_s: int) -> None:
    """Raise TokenExpired if the time of a token is over at *now*, NotAuthenticated if its times make no sense.

    It was made at most *max_age_s* ago and lives for at most a day, whatever it says itself.
    """
    issued, expires = time_claim(claims, "iat"), time_claim(claims, "exp")
    if now > expires + LEEWAY_S or now - issued > max_age_s + LEEWAY_S:
        raise TokenExpired("The token's time is over.")
    not_before = time_claim(claims, "nbf") if "nbf" in claims else issued
    if max(issued, not_before) > now + LEEWAY_S or expires - issued > MAX_LIFETIME_S:
        raise NotAuthenticated("The token's times are not those of a token that was made just now.")


def _decode(part: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise NotAuthenticated("A part of the token is not base64url.") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode("ascii"):
        raise NotAuthenticated("A part of the token is not canonical base64url.")
    return decoded


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = json.loads(part.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotAuthenticated("A part of the token is not JSON of the plain kind.") from None
    if not isinstance(value, dict):
        raise NotAuthenticated("A part of the token is not a JSON object.")
    _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    """Refuse what is nested deeply, whatever this Python's own limit is: others may have to read it."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise NotAuthenticated("A part of the token is nested too deeply.")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
