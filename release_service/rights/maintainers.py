"""Which persons maintain a module."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from release_service.authorize.stewards import Steward
from release_service.db import modules, persons
from release_service.errors import BadChange, shown
from release_service.rights.blocks import LONGEST_SUBJECT


@dataclass(frozen=True, slots=True)
class AllowPerson:
    """Let a person maintain it; *login* is for people to read."""

    issuer: str
    subject: str
    login: str = ""
    act: ClassVar[str] = "maintainer-allow"
    is_for_administrators: ClassVar[bool] = False

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Add the person; whom administrators have blocked stays blocked."""
        if not self.issuer or not 0 < len(self.subject) <= LONGEST_SUBJECT or not self.subject.isprintable():
            raise BadChange("A maintainer is a subject of the SSO; there is no SSO here, or that is no subject.")
        home = modules.home(session, right.module)
        person = persons.ensure(session, self.issuer, self.subject, shown(self.login or self.subject, LONGEST_SUBJECT))
        return modules.add_maintainer(session, home, person, now, by_administrator=right.is_administrator)

    def __str__(self) -> str:
        """Say so, with the subject."""
        return f"{shown(self.login or self.subject)} ({shown(self.subject)}) maintains it"


@dataclass(frozen=True, slots=True)
class DenyPerson:
    """Take a maintainer's right away."""

    issuer: str
    subject: str
    act: ClassVar[str] = "maintainer-deny"
    is_for_administrators: ClassVar[bool] = False

    def make(self, session: Session, right: Steward, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        """Remove the person."""
        person = persons.find(session, self.issuer, self.subject)
        return person is not None and modules.remove_maintainer(session, modules.home(session, right.module), person)

    def __str__(self) -> str:
        """Say so."""
        return f"{shown(self.subject)} no longer maintains it"
