"""Which proof a bearer token is: a fixed table of issuers, and nothing in a token adds to it (threat T2)."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from release_service.errors import NotAuthenticated
from release_service.identity.token import UnprovenToken, parse

Proven_co = TypeVar("Proven_co", covariant=True)


class Prover(Protocol[Proven_co]):
    """One issuer's way to prove a token: `gitlab.GitLab` or `sso.Sso`."""

    async def prove(self, token: UnprovenToken) -> Proven_co:
        """Return whom *token* proves; raises NotAuthenticated or IssuerUnavailable."""


class Bearers(Generic[Proven_co]):
    """The issuers that one way in trusts; each judges its own tokens with its own keys."""

    def __init__(self, provers: Mapping[str, Prover[Proven_co]]) -> None:
        """Trust the issuers that are the keys of *provers*, letter for letter, and nobody else."""
        self._provers = dict(provers)

    async def prove(self, text: str) -> Proven_co:
        """Return whom the bearer token *text* proves.

        Raises NotAuthenticated, TokenExpired; IssuerUnavailable when the keys cannot be had.
        """
        token = parse(text)
        prover = self._provers.get(token.issuer)
        if prover is None:
            raise NotAuthenticated("The token's issuer is not one whose tokens are taken here.")
        return await prover.prove(token)
