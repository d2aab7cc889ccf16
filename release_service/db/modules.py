"""Modules and the projects that may publish them.  Queries take a session and never commit."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from release_service.db.tables import Module, Publisher
from release_service.errors import CaseTwin


def find(session: Session, name: str) -> Module | None:
    """Return the module *name*.  Raises CaseTwin if it is registered in other letters."""
    module = session.scalar(select(Module).where(Module.folded == name.lower()))
    if module is not None and module.name != name:
        raise CaseTwin(f"{name} is registered as {module.name}.")
    return module


def publishers(session: Session, module: Module | None) -> list[Publisher]:
    """Return the projects that may publish *module*."""
    if module is None:
        return []
    return list(session.scalars(select(Publisher).where(Publisher.module_id == module.id)))


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


def pin(
    session: Session, module: Module, now: datetime, *, project_id: str, namespace_id: str, project_path: str
) -> None:
    """Let the project publish *module*; nothing happens if it may already."""
    try:
        with session.begin_nested():
            session.add(
                Publisher(
                    module_id=module.id,
                    project_id=project_id,
                    namespace_id=namespace_id,
                    project_path=project_path,
                    created_at=now,
                )
            )
    except IntegrityError:
        pass  # pinned before


def confirm(
    session: Session, module: Module, now: datetime, *, project_id: str, namespace_id: str, project_path: str
) -> None:
    """Let the project publish *module* as what it is now: its new path and namespace, if it was moved."""
    pin(session, module, now, project_id=project_id, namespace_id=namespace_id, project_path=project_path)
    session.execute(
        update(Publisher)
        .where(Publisher.module_id == module.id, Publisher.project_id == project_id)
        .values(namespace_id=namespace_id, project_path=project_path)
    )


def lock(session: Session, module: Module) -> None:
    """Hold the row of *module* until the transaction ends: first claims come one after another.

    FOR NO KEY UPDATE: rows that refer to the module can still be written by others, who would
    otherwise wait for us while we wait for them.
    """
    session.execute(select(Module.id).where(Module.id == module.id).with_for_update(key_share=True))


def all_with_publishers(session: Session) -> list[tuple[Module, list[Publisher]]]:
    """Return every module, by name, with the projects that may publish it."""
    modules = session.scalars(select(Module).order_by(Module.folded))
    return [(module, publishers(session, module)) for module in modules]
