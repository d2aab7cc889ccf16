"""May this uploader publish this module?  Turns a proof into a `Grant`, or says why not.

`jobs` and `persons` hold the rules (DESIGN.md 6), `question` what they are asked about, `stewards`
the other right: to change who may.  A rule is a function that raises; the rules are tuples, in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from release_service.authorize import jobs, persons
from release_service.authorize.question import Policy, Question, it_is_not_blocked, it_may_come_unsigned
from release_service.db import audit, modules
from release_service.db.audit import Act
from release_service.db.tables import Module
from release_service.errors import CaseTwin, Refused
from release_service.identity import Uploader
from release_service.identity.gitlab import GitLabJob
from release_service.identity.sso import Person
from release_service.tarball import TarballName

__all__ = ["Grant", "Policy", "Proven", "authorize", "confirm", "objections", "refuse_blocked"]

Proven = GitLabJob | Person
Asked = Question[Any]
Rule = Callable[[Asked], None]


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to publish one version of one module, by one request.  Only `authorize` makes one."""

    uploader: Proven
    module: str
    version: str
    request_id: str


def authorize(
    session: Session,
    uploader: Proven,
    name: TarballName,
    policy: Policy,
    request_id: str = "",
    *,
    is_signed: bool | None = False,
) -> Grant:
    """Return the right of *uploader* to publish *name*; raises the first of its `objections`."""
    for objection in objections(session, uploader, name, policy, is_signed=is_signed):
        raise objection
    return Grant(uploader, name.module, name.version.text, request_id)


def objections(
    session: Session, uploader: Proven, name: TarballName | None, policy: Policy, *, is_signed: bool | None = False
) -> list[Refused]:
    """Return all that speaks against it, most basic first; without a *name*, what can be said without one.

    *is_signed* says whether a signature comes along, None that it still may.
    """
    try:
        registered = modules.look_up(session, name.module if name else "")
    except CaseTwin as twin:
        return [twin, *_objections(Question(uploader, None, policy, modules.look_up(session, "")))]
    return _objections(Question(uploader, name, policy, registered, is_signed))


def refuse_blocked(session: Session, uploader: Uploader, name: TarballName, policy: Policy) -> None:
    """Hold that *uploader*, who was granted *name* before, was not blocked since.  (Raises: Blocked.)"""
    it_is_not_blocked(Question(uploader, name, policy, modules.look_up(session, name.module)))


def _objections(question: Asked) -> list[Refused]:
    found: list[Refused] = []
    for rule in _rules(question):
        try:
            rule(question)
        except Refused as objection:
            found.append(objection)
    return found


def _rules(question: Asked) -> Sequence[Rule]:
    kind = jobs if isinstance(question.uploader, GitLabJob) else persons
    of_the_name = (*kind.OF_THE_NAME, it_may_come_unsigned) if question.name else ()
    return (it_is_not_blocked, *kind.OF_THE_UPLOADER, *of_the_name)


def confirm(
    session: Session, grant: Grant, name: TarballName, policy: Policy, now: datetime, *, is_signed: bool = False
) -> Module:
    """Ask again in the claim's transaction, and pin the module to the job's project; return the module.

    Rights may have been taken away since the upload began; and two projects may have been free to
    claim the module a moment ago: the first one has it now, and the other is refused here.
    """
    module = modules.ensure(session, grant.module, now)
    home = modules.home(session, grant.module)
    modules.lock(session, home)
    authorize(session, grant.uploader, name, policy, is_signed=is_signed)
    if isinstance(grant.uploader, GitLabJob) and jobs.pin(session, home, grant.uploader, now):
        act = Act("publisher-allow", grant.uploader, grant.request_id, module=home.name)
        audit.record(session, act, audit.ACCEPTED, "claimed", now, project=grant.uploader.project_path)
    return module
