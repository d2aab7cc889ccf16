"""The proof by an access token of GNOME's single sign-on: which person, in which groups.

Keycloak and nanoidp spell the same facts differently: the token's kind is ``typ`` or ``token_use``,
the client ``azp`` or ``client_id``.  What the person may publish is for `authorize` to say.
"""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeGuard

from release_service.errors import NotAuthenticated
from release_service.identity import Uploader
from release_service.identity.keys import IssuerKeys
from release_service.identity.signature import check_signature
from release_service.identity.token import LONGEST_ID, Claims, UnprovenToken, check_times, short_text_claim, time_claim

MAX_AGE_S = 24 * 3600
# One plain address: neither a name, nor a list, nor anything that a header would read otherwise.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_REMEDY = "Sign in again (gnome-release login), and send what that gives you."
# An ID or logout token has these; an access token has not.  (Keycloak before 25 writes a nonce into both.)
_OF_OTHER_KINDS = ("at_hash", "c_hash", "s_hash", "events")
# Keycloak adds these where a client speaks for itself.
_OF_SERVICE_ACCOUNTS = ("clientHost", "clientAddress", "clientId")


@dataclass(frozen=True, slots=True)
class Person(Uploader):
    """A person who has signed in, proven.

    `groups` are exact names without Keycloak's leading slash: ``/release-team`` is ``release-team``,
    ``/a/release-team`` is not.  `email` is "" unless there is one that nobody doubts; it is never published.
    """

    groups: frozenset[str]
    email: str = field(repr=False)


class Sso:
    """One OpenID provider (a Keycloak realm) as an issuer of access tokens."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        clients: Collection[str],
        keys: IssuerKeys,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept tokens of *issuer* made for *audience* and given to one of *clients*; *clock*: seconds since 1970."""
        self.issuer = issuer
        self._audience = audience
        self._clients = frozenset(clients)
        self._keys = keys
        self._clock = clock

    async def prove(self, token: UnprovenToken) -> Person:
        """Return the person whom *token* proves.

        Raises NotAuthenticated, TokenExpired; IssuerUnavailable when the keys cannot be had.
        """
        try:
            return await self._prove(token)
        except NotAuthenticated as refusal:
            refusal.next_step = _REMEDY  # the usual one is for jobs
            raise

    async def _prove(self, token: UnprovenToken) -> Person:
        if token.issuer != self.issuer:
            raise NotAuthenticated("The token's issuer is not the single sign-on that this service trusts.")
        self._check_audience(token.claims)
        _check_kind(token.claims)
        self._check_client(token.claims)
        _check_is_a_person(token.claims, self._clients)
        check_times(token.claims, self._clock(), MAX_AGE_S)
        await check_signature(token, self._keys)
        return _person(token)

    def _check_audience(self, claims: Claims) -> None:
        audience = claims.get("aud")
        if not (audience == self._audience or (_is_list_of_text(audience) and self._audience in audience)):
            raise NotAuthenticated(f"The token is not made for this service: its aud must hold {self._audience}.")

    def _check_client(self, claims: Claims) -> None:
        # Keycloak's azp, RFC 9068's client_id; where both are sent, both say the same one.
        said = [claims[name] for name in ("azp", "client_id") if name in claims]
        if not said or not any(all(name == client for name in said) for client in self._clients):
            raise NotAuthenticated("The token was given to another program than those of this service.")


def _check_kind(claims: Claims) -> None:
    """Let pass what says in one of two ways that it is an access token, and in none that it is something else."""
    said = [claims[name] == kind for name, kind in (("typ", "Bearer"), ("token_use", "access")) if name in claims]
    if not said or not all(said) or any(name in claims for name in _OF_OTHER_KINDS):
        raise NotAuthenticated("The token is no access token (an ID or refresh token proves nothing here).")
    if "cnf" in claims:
        raise NotAuthenticated("The token is bound to a key of its holder (cnf); it is not for a Bearer header.")


def _check_is_a_person(claims: Claims, clients: Collection[str]) -> None:
    name = claims.get("preferred_username")
    if (
        (isinstance(name, str) and name.startswith("service-account-"))
        or any(name in claims for name in _OF_SERVICE_ACCOUNTS)
        or short_text_claim(claims, "sub") in clients
    ):
        raise NotAuthenticated("The token is a program's own (a service account), not a person's.")


def _person(token: UnprovenToken) -> Person:
    claims = token.claims
    subject = short_text_claim(claims, "sub")
    login = _optional(claims, "preferred_username") or subject
    email = _optional(claims, "email")
    return Person(
        kind="sso",
        issuer=token.issuer,
        subject=subject,
        login=login,
        token_id=_optional(claims, "jti"),
        provenance={"login": login},
        groups=_groups(claims),
        email=email if _ADDRESS.fullmatch(email) and claims.get("email_verified", True) is True else "",
        expires_at=time_claim(claims, "exp"),
    )


def _groups(claims: Claims) -> frozenset[str]:
    groups = claims.get("groups", [])
    if not _is_list_of_text(groups):
        raise NotAuthenticated("The token's claim groups is no list of names.")
    names = frozenset(group.removeprefix("/") for group in groups)
    if not all(name and name.isprintable() and len(name) <= LONGEST_ID for name in names):
        raise NotAuthenticated("A group in the token has no name, or one that is too long or not printable.")
    return names


def _optional(claims: Claims, name: str) -> str:
    """Return the claim *name*, or "" where it is not sent; anything but short text proves nothing."""
    return "" if claims.get(name) is None else short_text_claim(claims, name)


def _is_list_of_text(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
