"""Would this be accepted?  All reasons at once, nothing changed.

The reasons come from the functions that refuse the upload, asked in the same order.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from release_service import authorize
from release_service.authorize import Policy, Proven
from release_service.db import releases, tokens
from release_service.errors import Refused, TokenExpiresSoon
from release_service.identity.gitlab import GitLabJob
from release_service.receive import refuse_too_large
from release_service.tarball import TarballName

T = TypeVar("T")


# An upload that follows at once is begun by then.
_SOON_S = 120


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What this instance takes: the `compressions`, and tarballs of at most `max_bytes`."""

    compressions: Collection[str]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody wants to upload: its name, and what is known of it (SHA-256 in hex, size in bytes).

    `is_signed` says that a signature will come along.
    """

    filename: str
    sha256: str | None = None
    size: int = 0
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`reasons` against it, most basic first; empty: it would be accepted.  `is_published`: these very bytes are.

    `warnings` are no reasons yet, but may become some.
    """

    name: TarballName | None
    reasons: list[Refused]
    is_published: bool = False
    warnings: list[Refused] = field(default_factory=list)


def check(
    session: Session, uploader: Proven, offer: Offer, policy: Policy, limits: Acceptance, now: datetime
) -> Answer:
    """Say whether *uploader* could publish *offer* at *now*."""
    reasons: list[Refused] = []
    warnings = _expires_soon(uploader, now)
    name = _unless_refused(reasons, lambda: TarballName.parse(offer.filename, limits.compressions))
    _unless_refused(reasons, lambda: refuse_too_large(offer.size, limits.max_bytes))
    reasons += authorize.objections(session, uploader, name, policy, is_signed=offer.is_signed)
    if name is None:
        return Answer(None, reasons, warnings=warnings)
    sha256 = offer.sha256 or "you did not say"
    is_published = _unless_refused(reasons, lambda: is_there(session, name, sha256)) or False
    if offer.sha256:
        _unless_refused(reasons, lambda: refuse_used_token(session, uploader, name, sha256))
    return Answer(name, reasons, is_published, warnings)


def _expires_soon(uploader: Proven, now: datetime) -> list[Refused]:
    """Warn of a token that need not be good any more when the tarball is made: an upload is judged when it begins."""
    if uploader.expires_at is None or uploader.expires_at - now.timestamp() > _SOON_S:
        return []
    left_s = max(0, int(uploader.expires_at - now.timestamp()))
    return [
        TokenExpiresSoon(f"The token is good for another {left_s} seconds; an upload that begins later is refused.")
    ]


def is_there(session: Session, name: TarballName, sha256: str) -> bool:
    """Return whether these bytes are published under *name*.

    Raises VersionTaken if others are, or claim it; DigestKnown if these bytes have another name.
    """
    release = releases.find(session, name)
    if release is None:
        releases.refuse_second_name(session, name, sha256)
        return False
    releases.refuse_other_bytes(release, name, sha256)
    return release.published_at is not None


def refuse_used_token(session: Session, uploader: Proven, name: TarballName, sha256: str) -> None:
    """Raise TokenAlreadyUsed if a job's token is bound to another tarball."""
    if isinstance(uploader, GitLabJob):
        tokens.refuse_used(session, uploader.issuer, uploader.token_id, name, sha256)


def _unless_refused(reasons: list[Refused], ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except Refused as refusal:
        reasons.append(refusal)
        return None
