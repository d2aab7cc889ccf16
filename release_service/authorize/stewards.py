"""May this person change who publishes a module, or how?  Turns a proof into a `Steward`, or refuses.

Administrators may change everything; the release team and a module's own maintainers may change
that module's publishers, maintainers and policy (DESIGN.md 6).
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from release_service.authorize.persons import ADMINISTRATOR, RELEASE_TEAM, roles
from release_service.authorize.question import Policy, Question, it_is_not_blocked
from release_service.db import modules
from release_service.errors import MayNotManage, shown
from release_service.identity import Uploader
from release_service.identity.sso import Person


@dataclass(frozen=True, slots=True)
class Steward:
    """The right to change one module's rights; an administrator's also to make modules and to block.

    Only `steward` and `operator` make one.
    """

    by: Uploader
    module: str
    is_administrator: bool
    request_id: str


def steward(session: Session, person: Person, module: str, policy: Policy, request_id: str) -> Steward:
    """Return the right of *person* over *module*; raises MayNotManage, Blocked, CaseTwin."""
    registered = modules.look_up(session, module)
    has = roles(person, policy)
    if ADMINISTRATOR not in has:
        it_is_not_blocked(Question(person, None, policy, registered))
        if RELEASE_TEAM not in has and not registered.is_maintainer(person.issuer, person.subject):
            raise MayNotManage(
                f"You are signed in as {shown(person.login, 40)}, and are no maintainer of {shown(module)}."
            )
    return Steward(person, module, ADMINISTRATOR in has, request_id)


def confirm(session: Session, right: Steward, policy: Policy) -> None:
    """Judge *right* again: raises MayNotManage if it was taken away since it was given."""
    if isinstance(right.by, Person):
        steward(session, right.by, right.module, policy, right.request_id)


def operator(login: str, module: str) -> Steward:
    """Return the right of who types a command in the service's own shell, known to that system as *login*."""
    return Steward(shell_user(login), module, is_administrator=True, request_id="")


def shell_user(login: str) -> Uploader:
    """Return who types a command in the service's own shell: its surroundings have let them in."""
    return Uploader(kind="shell", issuer="", subject=shown(login, 255), login=login, token_id="", provenance={})
