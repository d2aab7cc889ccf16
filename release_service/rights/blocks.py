"""What administrators block, and lift again."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from release_service.authorize.stewards import Steward
from release_service.db import modules
from release_service.db.tables import Module
from release_service.errors import BadChange, shown

# In place of a module's name: whatever the module.
EVERYTHING = "*"
LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Block:
    """Let nobody publish the module, or one subject not; or, of EVERYTHING, one subject nothing."""

    reason: str
    issuer: str = ""
    subject: str = ""
    act: ClassVar[str] = "block"
    is_for_administrators: ClassVar[bool] = True

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Block it."""
        check_reason(self.reason)
        if bool(self.issuer) != bool(self.subject) or max(len(self.issuer), len(self.subject)) > LONGEST_SUBJECT:
            raise BadChange("A block has a subject only together with its issuer.")
        if right.module == EVERYTHING and not self.subject:
            raise BadChange("Uploads as a whole are stopped by: release-service switch off uploads.")
        home = _blocked(session, right.module)
        modules.block(session, home, self.issuer, self.subject, self.reason, now, by_administrator=True)
        return True

    def __str__(self) -> str:
        """Say so, and why."""
        return f"{shown(self.subject) or 'Everybody'} is blocked from publishing: {shown(self.reason)}"


@dataclass(frozen=True, slots=True)
class Unblock:
    """Lift such a block."""

    issuer: str = ""
    subject: str = ""
    act: ClassVar[str] = "unblock"
    is_for_administrators: ClassVar[bool] = True

    def make(self, session: Session, right: Steward, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        """Lift it."""
        home = _blocked(session, right.module)
        lifted = [
            modules.unblock(session, home, self.issuer, self.subject, by_administrator=by) for by in (True, False)
        ]
        return any(lifted)

    def __str__(self) -> str:
        """Say so."""
        return f"{shown(self.subject) or 'Everybody'} is no longer blocked from publishing"


def check_reason(reason: str) -> None:
    """Raise BadChange unless *reason* says something, in a sentence that can be shown."""
    if not 0 < len(reason.strip()) <= modules.LONGEST_REASON or not reason.isprintable():
        raise BadChange(f"A reason is printable text of at most {modules.LONGEST_REASON} characters.")


def _blocked(session: Session, module: str) -> Module | None:
    return None if module == EVERYTHING else modules.home(session, module)
