"""Changes of rights: who may publish a module, and how.

Each change is a value that knows how it is made; `change` makes it, with its audit row and the mail
to the module's maintainers, in one commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Protocol

from sqlalchemy.orm import Session

from release_service import letters
from release_service.authorize.stewards import Steward
from release_service.db import audit, mails, modules
from release_service.db.audit import Act
from release_service.db.tables import Person
from release_service.errors import MayNotManage
from release_service.publish import Service


class Change(Protocol):
    """One change to one module."""

    act: ClassVar[str]
    is_for_administrators: ClassVar[bool]

    def make(self, session: Session, module: str, now: datetime) -> bool:
        """Make it; return whether anything is different now.  Raises BadChange, NotFound."""
        ...

    def __str__(self) -> str:
        """Return what it does, in a sentence without a full stop."""
        ...


def change(service: Service, right: Steward, wanted: Change) -> bool:
    """Make the change that *wanted* is, under *right*; return whether anything is different now."""
    return bool(change_all(service, right, [wanted]))


def change_all(service: Service, right: Steward, wanted: Sequence[Change]) -> list[str]:
    """Make all changes of *wanted* or none, under *right*; return what is different now, a sentence each."""
    for one in wanted:
        if one.is_for_administrators and not right.is_administrator:
            raise MayNotManage(f"Only administrators may do this: {one}.")
    with service.transactions.begin() as session:
        told = _maintainers(session, right.module)
        made = [one for one in wanted if one.make(session, right.module, service.now())]
        told |= _maintainers(session, right.module)
        for one in made:
            act = Act(one.act, right.by, right.request_id, module=right.module)
            audit.record(session, act, audit.ACCEPTED, "changed", service.now(), change=str(one))
        if made and service.sends_mail:
            letter = letters.changed(right.module, [str(one) for one in made], right.by)
            mails.promise(session, told.values(), letter.subject, letter.body, service.now())
    return [str(one) for one in made]


def _maintainers(session: Session, module: str) -> dict[int, Person]:
    return {found.person_id: found.person for found in modules.look_up(session, module).maintainers}
