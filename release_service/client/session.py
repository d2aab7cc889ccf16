"""Access tokens from a stored sign-in, renewed without a word as often as one is needed."""

import time
from pathlib import Path

import httpx2

from release_service.client import Exit, Failure, private
from release_service.client.issuer import Issuer
from release_service.client.profiles import Profiles
from release_service.client.refresh_tokens import RefreshTokens

# An access token is renewed before it ends: it has to arrive, too.
_MARGIN_S = 30


class Session:
    """The maintainer's sign-in at one server.  Access tokens are held in memory alone."""

    def __init__(self, http: httpx2.Client, directory: Path, server: str) -> None:
        """Ask nobody yet."""
        self._http = http
        self._directory = directory
        self._server = server
        self._access = ""
        self._until = 0.0

    def token(self) -> str:
        """Return an access token that is good now.

        Raises Failure: nobody is signed in, the sign-in is over, or the issuer is down.
        """
        if time.monotonic() > self._until:
            self._renew()
        return self._access

    def _renew(self) -> None:
        # The lock is held until the new refresh token is kept: the issuer takes each one once,
        # and ends the sign-in when an old one comes again (RFC 9700, 4.14.2).
        with private.locked(self._directory):
            kept = RefreshTokens(self._directory)
            refresh = kept.read(self._server)
            sign_in = Profiles(self._directory).sign_in(self._server)
            if refresh is None or sign_in is None:
                raise _nobody(self._server)
            issuer = Issuer(self._http, sign_in.issuer, sign_in.client_id)
            reply = issuer.post("token_endpoint", grant_type="refresh_token", refresh_token=refresh)
            if reply.is_trouble:
                raise issuer.unavailable(reply)
            if not reply.is_success:
                raise _over(self._server, reply.reason)
            tokens = issuer.tokens(reply)
            if tokens.refresh is not None and tokens.refresh != refresh:
                kept.replace(self._server, tokens.refresh)
        self._access = tokens.access
        self._until = time.monotonic() + tokens.lifetime_s - _MARGIN_S


def sign_in_again(server: str) -> str:
    """Return the line that says how."""
    return f"Sign in again: gnome-release login --server {server}"


def _over(server: str, reason: str) -> Failure:
    return Failure(Exit.NO_TOKEN, f"Your sign-in at {server} is over ({reason}).", sign_in_again(server))


def _nobody(server: str) -> Failure:
    return Failure(
        Exit.NO_TOKEN,
        f"You are not signed in at {server}.",
        f"Sign in: gnome-release login --server {server}",
        "In .gitlab-ci.yml, give the job  id_tokens: { GNOME_RELEASE_TOKEN: { aud: gnome-release-service } }",
    )
