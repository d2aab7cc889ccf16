"""A module's own rules: its tags, its signatures."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from release_service.authorize.jobs import PLACES
from release_service.authorize.question import OPTIONAL, REQUIRED
from release_service.authorize.stewards import Steward
from release_service.db import modules
from release_service.errors import BadChange, MayNotManage, shown

_LONGEST_PATTERN = 255


@dataclass(frozen=True, slots=True)
class SetTagPattern:
    """Say which tags say the version: words, each with a place for it; "" for the usual ones."""

    pattern: str
    act: ClassVar[str] = "tag-pattern"
    is_for_administrators: ClassVar[bool] = False

    def make(self, session: Session, right: Steward, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        """Set it."""
        words = self.pattern.split()
        if len(self.pattern) > _LONGEST_PATTERN or not self.pattern.isprintable() or any(map(_is_vague, words)):
            raise BadChange(
                f"Each word of a tag pattern holds exactly one of {', '.join(PLACES)}, as in release-{{version}}."
            )
        home = modules.home(session, right.module)
        before, home.tag_pattern = home.tag_pattern, " ".join(words) or None
        return before != home.tag_pattern

    def __str__(self) -> str:
        """Say so."""
        return f"Its tags are {shown(' '.join(self.pattern.split()), 255) or 'the usual ones'}"


def _is_vague(word: str) -> bool:
    rest = word
    for place in PLACES:
        rest = rest.replace(place, "\0")
    return rest.count("\0") != 1 or "{" in rest or "}" in rest


@dataclass(frozen=True, slots=True)
class SetSignatures:
    """Say whether a signature must come along: optional, required, or "" for the instance's rule."""

    policy: str
    act: ClassVar[str] = "signatures"
    is_for_administrators: ClassVar[bool] = False

    def make(self, session: Session, right: Steward, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        """Set it.  Any maintainer makes it stricter; else an account taken over could do without a signature."""
        if self.policy not in {"", OPTIONAL, REQUIRED}:
            raise BadChange(f"A signature policy is {OPTIONAL} or {REQUIRED}.")
        home = modules.home(session, right.module)
        is_looser = self.policy != (home.signatures or "") and (home.signatures == REQUIRED or self.policy == OPTIONAL)
        if is_looser and not right.is_administrator:
            now_ = home.signatures or "that of the instance"
            raise MayNotManage(
                f"The signature policy of {home.name} is {now_}; only administrators loosen one.",
                remedy="Ask an administrator of the release service to set it, or sign the release: "
                "gnome-release upload --sign.",
            )
        before, home.signatures = home.signatures, self.policy or None
        return before != home.signatures

    def __str__(self) -> str:
        """Say so."""
        return f"Its signature policy is {self.policy or 'that of the instance'}"
