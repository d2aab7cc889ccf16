"""Sign in on another page: OAuth 2.0 Device Authorization Grant (RFC 8628)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from release_service.client import Exit, Failure
from release_service.client.issuer import Issuer, Reply, Tokens
from release_service.errors import shown

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DEFAULT_INTERVAL_S = 5  # RFC 8628, 3.2
_SLOWER_S = 5  # RFC 8628, 3.5
_LONGEST_BACK_OFF_S = 60

_ENDS = {
    "access_denied": "The sign-in was denied on the page.",
    "expired_token": "The code has expired: nobody signed in in time.",
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the maintainer is shown: the page, the code to compare, how long it is good."""

    page: str
    code: str
    lifetime_s: int


def sign_in(
    issuer: Issuer,
    scope: str,
    show: Callable[[Invitation], None],
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Tokens:
    """Show the invitation, wait until it is accepted, return the tokens: a refresh token is among them.

    Raises Failure when it is denied, expires, or the issuer stays away.  *tell* hears what is odd meanwhile.
    """
    started = issuer.post("device_authorization_endpoint", scope=scope)
    if started.is_trouble:
        raise issuer.unavailable(started)
    if not started.is_success or not isinstance(started.body.get("device_code"), str):
        raise Failure(Exit.FAILED, f"The issuer {issuer.url} does not offer to sign in here: {started.reason}.")
    show(_invitation(issuer, started))
    reply = _wait(issuer, started, tell, sleep)
    if reply.is_trouble:
        raise issuer.unavailable(reply)
    if not reply.is_success:
        why = _ENDS.get(reply.error, f"The issuer {issuer.url} refused the sign-in: {reply.reason}.")
        raise Failure(Exit.NO_TOKEN, why, "You are not signed in. Start again: gnome-release login")
    tokens = issuer.tokens(reply)
    if tokens.refresh is None:
        raise Failure(Exit.FAILED, f"The issuer {issuer.url} gave no refresh token (scope offline_access).")
    return tokens


def _invitation(issuer: Issuer, started: Reply) -> Invitation:
    body = started.body
    page = issuer.own(body.get("verification_uri_complete") or body.get("verification_uri"))
    return Invitation(shown(page, 2000), shown(body.get("user_code", "")), _seconds(started, "expires_in", 600))


def _wait(issuer: Issuer, started: Reply, tell: Callable[[str], None], sleep: Callable[[float], None]) -> Reply:
    """Ask until there is an answer; the last reply is the answer."""
    until = time.monotonic() + _seconds(started, "expires_in", 600)
    interval_s = _seconds(started, "interval", _DEFAULT_INTERVAL_S)
    back_off_s, reply = 0, Reply(400, {"error": "expired_token"})
    while time.monotonic() < until:
        sleep(interval_s + back_off_s)
        reply = issuer.post("token_endpoint", grant_type=_GRANT, device_code=started.body["device_code"])
        if reply.is_trouble:
            # RFC 8628, 3.5: exponentially slower, and the code stays good.
            if not back_off_s:
                tell(f"The sign-in service does not answer ({reply.reason}); still trying.")
            back_off_s = min(max(2 * back_off_s, interval_s), _LONGEST_BACK_OFF_S)
            continue
        back_off_s = 0
        if reply.error == "slow_down":
            interval_s += _SLOWER_S
        elif reply.error != "authorization_pending":
            return reply
    return reply if reply.is_trouble else Reply(400, {"error": "expired_token"})


def _seconds(started: Reply, name: str, default: int) -> int:
    value = started.body.get(name, default)
    return max(1, value) if isinstance(value, int) else default
