"""What one uploader, and one address, may ask of all replicas together, and what is switched off.

Counts and leases are rows, so they hold for any number of replicas, and outlive each of them.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from release_service.db import limits
from release_service.errors import SwitchedOff, TooManyRequests, shown
from release_service.identity import Uploader

HOUR_S, MINUTE_S = 3600, 60
SWITCHES = ("uploads", "sso", "gitlab-id-tokens", "job-tokens")
_SWITCH_OF_PROOF = {"sso": "sso", "gitlab-id-token": "gitlab-id-tokens", "gitlab-job-token": "job-tokens"}
_LEASE_RETRY_S = 15
_NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is too much.  `switched_off` is what the settings switch off, beside what the table does."""

    requests_per_uploader_per_hour: int
    uploads_at_once_per_uploader: int
    uploads_at_once_per_address: int
    refusals_per_address_per_minute: int
    switched_off: frozenset[str] = frozenset()


def refuse_switched_off(session: Session, rules: Limits, *names: str) -> None:
    """Raise SwitchedOff if one of *names*, of SWITCHES, is."""
    for off in limits.switches(session):
        if off.name in names:
            when = f"{off.switched_off_at:%Y-%m-%d %H:%M} UTC"
            raise SwitchedOff(f"{off.name}: switched off at {when}: {shown(off.reason, 400)}")
    for name in names:
        if name in rules.switched_off:
            raise SwitchedOff(f"{name}: switched off by the settings of this instance.")


def switch_of(uploader: Uploader) -> str:
    """Return the switch that the uploader's kind of proof hangs on."""
    return _SWITCH_OF_PROOF[uploader.kind]


def count_request(session: Session, rules: Limits, uploader: Uploader, now: datetime) -> None:
    """Count one request of *uploader*; raises TooManyRequests above the hour's limit."""
    key = f"requests:{_key(uploader)}"
    most = rules.requests_per_uploader_per_hour
    if limits.count(session, key, HOUR_S, now) > most:
        raise TooManyRequests(
            f"{shown(uploader.login or uploader.subject)} may ask {most} times an hour.",
            retry_after_s=until_next(HOUR_S, now),
        )


def begin_upload(session: Session, rules: Limits, uploader: Uploader, address: str, now: datetime) -> str:
    """Return a lease for one upload; raises TooManyRequests above the caps."""
    id_, of_uploader, of_address = limits.lease(session, _key(uploader), address, now)
    if of_uploader > rules.uploads_at_once_per_uploader:
        raise TooManyRequests(
            f"{shown(uploader.login or uploader.subject)} has {rules.uploads_at_once_per_uploader} uploads under way.",
            retry_after_s=_LEASE_RETRY_S,
        )
    if of_address > rules.uploads_at_once_per_address:
        raise TooManyRequests(
            f"From your address {rules.uploads_at_once_per_address} uploads are under way.",
            retry_after_s=_LEASE_RETRY_S,
        )
    return id_


def until_next(window_s: int, now: datetime) -> int:
    """Return how many seconds are left of the present window."""
    return limits.began_at(window_s, now) + window_s - int(now.timestamp())


def network_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that an IPv6 one lies in."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return shown(address, 64)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _key(uploader: Uploader) -> str:
    return f"{uploader.issuer} {uploader.subject}"[:250]
