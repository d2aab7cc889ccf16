"""Which projects may publish a module."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from release_service.authorize.stewards import Steward
from release_service.db import modules
from release_service.errors import BadChange, shown
from release_service.rights.blocks import check_reason

_ID = re.compile(r"[0-9]{1,20}")
_LONGEST_PATH, _LONGEST_ENVIRONMENT = 512, 255


@dataclass(frozen=True, slots=True)
class AllowProject:
    """Let a GitLab project publish it, as the project is called now.

    That it was denied is forgotten; what administrators have blocked, only they lift.  Without an
    `environment` (None) the one that is registered stays; "" takes it away.
    """

    issuer: str
    project_id: str
    namespace_id: str
    project_path: str
    environment: str | None = None
    act: ClassVar[str] = "publisher-allow"
    is_for_administrators: ClassVar[bool] = False

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Pin the project's ids, path and environment."""
        if not all(_ID.fullmatch(id_) for id_ in (self.project_id, self.namespace_id)):
            raise BadChange("A project's id and its namespace's id are numbers.")
        if not self.project_path.isprintable() or not 0 < len(self.project_path) <= _LONGEST_PATH:
            raise BadChange("A project's path is what stands after the host: GNOME/gtk.")
        environment = self.environment or ""
        if not environment.isprintable() or len(environment) > _LONGEST_ENVIRONMENT:
            raise BadChange("An environment is a name of .gitlab-ci.yml, as in release.")
        home = modules.home(session, right.module)
        is_new = modules.confirm(
            session,
            home,
            now,
            project_id=self.project_id,
            namespace_id=self.namespace_id,
            project_path=self.project_path,
            environment=self.environment,
        )
        kinds = (False, True) if right.is_administrator else (False,)
        who = self.issuer, f"project:{self.project_id}"
        was_denied = [modules.unblock(session, home, *who, by_administrator=by) for by in kinds]
        return is_new or any(was_denied)

    def __str__(self) -> str:
        """Say so, with the ids."""
        where = f", from the environment {shown(self.environment)}" if self.environment else ""
        return (
            f"The project {shown(self.project_path)} (id {self.project_id}, namespace {self.namespace_id}) "
            f"may publish it{where}"
        )


@dataclass(frozen=True, slots=True)
class DenyProject:
    """Take the project's right away, and keep it from claiming the module again."""

    issuer: str
    project_id: str
    reason: str
    act: ClassVar[str] = "publisher-deny"
    is_for_administrators: ClassVar[bool] = False

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Remove and block it."""
        check_reason(self.reason)
        if not _ID.fullmatch(self.project_id):
            raise BadChange("A project is named by its numeric id.")
        home = modules.home(session, right.module)
        modules.unpin(session, home, self.project_id)
        denied = f"project:{self.project_id}"
        modules.block(session, home, self.issuer, denied, self.reason, now, by_administrator=right.is_administrator)
        return True

    def __str__(self) -> str:
        """Say so, and why."""
        return f"The project with the id {shown(self.project_id)} may no longer publish it: {shown(self.reason)}"
