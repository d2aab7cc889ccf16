"""Which modules there are, and under which other names."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from release_service.authorize.stewards import Steward
from release_service.db import modules
from release_service.errors import BadChange, shown
from release_service.tarball import parse_module


@dataclass(frozen=True, slots=True)
class Register:
    """Make the module known."""

    act: ClassVar[str] = "module-add"
    is_for_administrators: ClassVar[bool] = True

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Register it, unless it is."""
        is_new = modules.find(session, parse_module(right.module)) is None
        modules.ensure(session, right.module, now)
        return is_new

    def __str__(self) -> str:
        """Say so."""
        return "The module is registered"


@dataclass(frozen=True, slots=True)
class MakeAlias:
    """Let the module be published by whoever may publish the module *of*."""

    of: str
    act: ClassVar[str] = "alias-add"
    is_for_administrators: ClassVar[bool] = True

    def make(self, session: Session, right: Steward, now: datetime) -> bool:
        """Make it one; chains of aliases are not made."""
        home = modules.find(session, self.of)
        alias = modules.ensure(session, parse_module(right.module), now)
        if home is None or home.alias_of_id is not None or home.id == alias.id or modules.aliases(session, alias):
            raise BadChange(
                f"{shown(right.module)} cannot be an alias of {shown(self.of)}: that is not registered, "
                "or one of them has an alias, or is one."
            )
        if alias.alias_of_id == home.id:
            return False
        own = modules.look_up(session, right.module)
        if own.publishers or own.maintainers or any(block.module_id == alias.id for block in own.blocks):
            raise BadChange(
                f"{alias.name} has publishers, maintainers or blocks of its own, which an alias has not.",
                remedy="Take those away first, or lift them.",
            )
        alias.alias_of_id = home.id
        return True

    def __str__(self) -> str:
        """Say so."""
        return f"It is an alias of {shown(self.of)}"
