"""Changes of rights: who may publish a module, and how.

Each change is a value that knows how it is made; `change` makes it, with its audit row and the mail
to the module's maintainers, in one commit.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, Protocol

from sqlalchemy.orm import Session

from release_service import letters
from release_service.authorize import stewards
from release_service.authorize.stewards import Steward
from release_service.db import audit, follow_ups, mails, modules, persons, signing_keys
from release_service.db.audit import Act
from release_service.db.tables import Person
from release_service.errors import MayNotManage, Unavailable
from release_service.publish import Service, keep_promises
from release_service.rights.blocks import Block, Unblock
from release_service.rights.maintainers import AllowPerson, DenyPerson

_CHANGES_KEYRINGS = {AllowPerson.act, DenyPerson.act, Block.act, Unblock.act}


class Change(Protocol):
    """One change to one module."""

    act: ClassVar[str]
    is_for_administrators: ClassVar[bool]

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Make it to the module of *right*; return whether anything is different now.  Raises BadChange, NotFound."""
        ...

    def __str__(self) -> str:
        """Return what it does, in a sentence without a full stop."""
        ...


def change(service: Service, right: Steward, *wanted: Change) -> list[str]:
    """Make all changes of *wanted* or none, under *right*; return what is different now, a sentence each.

    The right is judged again here, in the transaction of the change: it may have been taken away meanwhile.
    """
    with service.transactions.begin() as session:
        _lock(session, right.module)
        stewards.confirm(session, right, service.policy)
        for one in wanted:
            if one.is_for_administrators and not right.is_administrator:
                raise MayNotManage(f"Only administrators may do this: {one}.")
        told = _maintainers(session, right.module)
        made = [one for one in wanted if one.make(session, right, service.now())]
        told |= _maintainers(session, right.module)
        for one in made:
            act = Act(one.act, right.by, right.request_id, module=right.module)
            audit.record(session, act, audit.ACCEPTED, "changed", service.now(), change=str(one))
        promised = _promise_keyrings(service, session, right, made)
        if made and service.sends_mail:
            letter = letters.changed(right.module, [str(one) for one in made], right.by)
            mails.promise(session, told.values(), letter.subject, letter.body, service.now())
    for module_id in promised:
        with suppress(Unavailable):  # the worker keeps it, or the next release
            keep_promises(service, module_id)
    return [str(one) for one in made]


def _promise_keyrings(service: Service, session: Session, right: Steward, made: Sequence[Change]) -> list[int]:
    """Promise anew the keyrings that *made* has changed: who maintains, and who of them is blocked.

    Returns the ids of the modules: of all that they maintain, where a person was blocked for everything, or is no more.
    """
    home = modules.look_up(session, right.module).home
    ids = {home.id} if home and any(one.act in _CHANGES_KEYRINGS for one in made) else set()
    if home is None:
        for one in made:
            if isinstance(one, Block | Unblock):
                person = persons.find(session, one.issuer, one.subject)
                ids |= set(signing_keys.home_ids(session, person)) if person else set()
    return follow_ups.promise_index(session, ids, service.now())


def _lock(session: Session, module: str) -> None:
    """Let changes and claims of one module come one after another, each seeing what the other has done."""
    home = modules.look_up(session, module).home
    if home is not None:
        modules.lock(session, home)


def _maintainers(session: Session, module: str) -> dict[int, Person]:
    return {found.person_id: found.person for found in modules.look_up(session, module).maintainers}
