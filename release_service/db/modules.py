"""Modules, and who may publish them.  Queries take a session and never commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from release_service.db import changed
from release_service.db.tables import Block, Maintainer, Module, Person, Publisher
from release_service.errors import CaseTwin, NotFound, shown

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry knows of the name of a module.

    `module` is the row of that name, None if there is none; `home` the module whose rights count:
    the same, or the one that it is an alias of.
    """

    name: str
    module: Module | None
    home: Module | None
    publishers: Sequence[Publisher] = ()
    maintainers: Sequence[Maintainer] = ()
    blocks: Sequence[Block] = ()

    @property
    def is_claimable(self) -> bool:
        """Whether a project may claim it unasked: it has none, and none was ever denied it.

        Where one was, another project may have taken its path since (threat T10): people decide.
        """
        was_denied = any(block.module_id is not None and block.subject.startswith("project:") for block in self.blocks)
        return not self.publishers and not was_denied

    @property
    def home_name(self) -> str:
        """The name of the module whose rights count."""
        return self.home.name if self.home else self.name

    def is_maintainer(self, issuer: str, subject: str) -> bool:
        """Say whether the person maintains it."""
        return any((m.person.issuer, m.person.subject) == (issuer, subject) for m in self.maintainers)


def find(session: Session, name: str) -> Module | None:
    """Return the module *name*.  Raises CaseTwin if it is registered in other letters."""
    module = session.scalar(select(Module).where(Module.folded == name.lower()))
    if module is not None and module.name != name:
        raise CaseTwin(f"{name} is registered as {module.name}.")
    return module


def look_up(session: Session, name: str) -> Registered:
    """Return what is known of the module *name*; raises CaseTwin if it is registered in other letters.

    The blocks are those of this module, and all that hold for every module.
    """
    module = find(session, name)
    home = module if module is None or module.alias_of_id is None else session.get_one(Module, module.alias_of_id)
    blocks = session.scalars(
        select(Block).where(or_(Block.module_id.is_(None), Block.module_id == (home.id if home else None)))
    ).all()
    if home is None:
        return Registered(name, None, None, blocks=blocks)
    return Registered(name, module, home, publishers(session, home), maintainers(session, home), blocks)


def home(session: Session, name: str) -> Module:
    """Return the module whose rights count for *name*.  Raises NotFound if nothing of that name is registered."""
    found = look_up(session, name).home
    if found is None:
        raise NotFound(f"There is no module {shown(name)}.", remedy="An administrator must register it first.")
    return found


def publishers(session: Session, module: Module) -> Sequence[Publisher]:
    """Return the projects that may publish *module*."""
    return session.scalars(select(Publisher).where(Publisher.module_id == module.id).order_by(Publisher.id)).all()


def maintainers(session: Session, module: Module) -> Sequence[Maintainer]:
    """Return the persons who may, with the persons' rows."""
    rows = select(Maintainer).where(Maintainer.module_id == module.id).options(joinedload(Maintainer.person))
    return session.scalars(rows.order_by(Maintainer.id)).all()


def aliases(session: Session, module: Module) -> Sequence[Module]:
    """Return the other names that *module* is published under."""
    return session.scalars(select(Module).where(Module.alias_of_id == module.id).order_by(Module.folded)).all()


def maintained_by(session: Session, issuer: str, subject: str) -> list[str]:
    """Return the names of all modules, aliases included, that the person maintains."""
    person = Person.issuer == issuer, Person.subject == subject
    mine = select(Maintainer.module_id).join(Person).where(*person)
    names = select(Module.name).where(or_(Module.id.in_(mine), Module.alias_of_id.in_(mine)))
    return list(session.scalars(names.order_by(Module.folded)))


def published_by(session: Session, project_id: str) -> list[str]:
    """Return the names of all modules that the project may publish."""
    mine = select(Publisher.module_id).where(Publisher.project_id == project_id)
    names = select(Module.name).where(or_(Module.id.in_(mine), Module.alias_of_id.in_(mine)))
    return list(session.scalars(names.order_by(Module.folded)))


def ensure(session: Session, name: str, now: datetime) -> Module:
    """Return the module *name*, registering it if need be; another transaction may do so at once."""
    module = find(session, name)
    if module is not None:
        return module
    try:
        with session.begin_nested():
            session.add(Module(name=name, folded=name.lower(), created_at=now))
    except IntegrityError:
        pass  # registered meanwhile
    module = find(session, name)
    assert module is not None, name  # noqa: S101 - it was there, or we have just added it
    return module


def pin(  # noqa: PLR0913 - what names a project
    session: Session,
    module: Module,
    now: datetime,
    *,
    project_id: str,
    namespace_id: str,
    project_path: str,
    environment: str = "",
) -> bool:
    """Let the project publish *module*; return whether that is new."""
    try:
        with session.begin_nested():
            session.add(
                Publisher(
                    module_id=module.id,
                    project_id=project_id,
                    namespace_id=namespace_id,
                    project_path=project_path,
                    environment=environment,
                    created_at=now,
                )
            )
    except IntegrityError:
        return False
    return True


def confirm(  # noqa: PLR0913 - what names a project
    session: Session,
    module: Module,
    now: datetime,
    *,
    project_id: str,
    namespace_id: str,
    project_path: str,
    environment: str | None = None,
) -> bool:
    """Let the project publish *module* as what it is now: its new path and namespace, if it was moved.

    Without an *environment* the registered one stays.  Returns whether anything is different now.
    """
    names = {"namespace_id": namespace_id, "project_path": project_path}
    if environment is not None:
        names["environment"] = environment
    this = Publisher.module_id == module.id, Publisher.project_id == project_id
    before = session.scalar(select(Publisher).where(*this))
    if before is None:
        pin(session, module, now, project_id=project_id, **names)
        return True
    is_new = any(getattr(before, name) != value for name, value in names.items())
    session.execute(update(Publisher).where(*this).values(**names))
    return is_new


def unpin(session: Session, module: Module, project_id: str) -> bool:
    """Take the project's right away; return whether it had it."""
    theirs = Publisher.module_id == module.id, Publisher.project_id == project_id
    return changed(session, delete(Publisher).where(*theirs)) > 0


def add_maintainer(
    session: Session, module: Module, person: Person, now: datetime, *, by_administrator: bool = False
) -> bool:
    """Let the person maintain *module*, or have an administrator confirm it; return whether that is new."""
    try:
        with session.begin_nested():
            session.add(
                Maintainer(module_id=module.id, person_id=person.id, by_administrator=by_administrator, created_at=now)
            )
    except IntegrityError:
        return by_administrator and _confirm_maintainer(session, module, person)
    return True


def _confirm_maintainer(session: Session, module: Module, person: Person) -> bool:
    theirs = Maintainer.module_id == module.id, Maintainer.person_id == person.id, ~Maintainer.by_administrator
    return changed(session, update(Maintainer).where(*theirs).values(by_administrator=True)) > 0


def remove_maintainer(session: Session, module: Module, person: Person) -> bool:
    """Take the person's right away; return whether they had it."""
    theirs = Maintainer.module_id == module.id, Maintainer.person_id == person.id
    return changed(session, delete(Maintainer).where(*theirs)) > 0


def block(  # noqa: PLR0913 - what a block is
    session: Session,
    module: Module | None,
    issuer: str,
    subject: str,
    reason: str,
    now: datetime,
    *,
    by_administrator: bool,
) -> None:
    """Block the subject (everybody, if it is empty) for *module* (all, if it is None).

    An administrator's block and a maintainer's stand beside each other; a new one replaces the old of its kind.
    """
    unblock(session, module, issuer, subject, by_administrator=by_administrator)
    session.add(
        Block(
            module_id=module.id if module else None,
            issuer=issuer,
            subject=subject,
            reason=reason,
            by_administrator=by_administrator,
            created_at=now,
        )
    )
    session.flush()


def unblock(session: Session, module: Module | None, issuer: str, subject: str, *, by_administrator: bool) -> bool:
    """Lift the block of that kind; return whether there was one."""
    this = (
        Block.module_id == module.id if module else Block.module_id.is_(None),
        Block.issuer == issuer,
        Block.subject == subject,
        Block.by_administrator == by_administrator,
    )
    return changed(session, delete(Block).where(*this)) > 0


def lock(session: Session, module: Module) -> None:
    """Hold the row of *module* until the transaction ends: claims and changes of rights come one after another.

    FOR NO KEY UPDATE: rows that refer to the module can still be written by others, who would
    otherwise wait for us while we wait for them.
    """
    session.execute(select(Module.id).where(Module.id == module.id).with_for_update(key_share=True))
    session.expire_all()  # what was read before we had to wait is not true any more


def names(session: Session, after: str = "", limit: int | None = None) -> list[str]:
    """Return the names of the modules, aliases included, in order: those above *after*, at most *limit*."""
    above = select(Module.name).where(Module.folded > after.lower()).order_by(Module.folded).limit(limit)
    return list(session.scalars(above))
