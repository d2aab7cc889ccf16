"""Files of an old tree, and how far its import is.  Queries take a session and never commit."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from release_service.db.tables import ImportedFile, Module, ModuleImport, Release


def others(session: Session, module: str) -> Sequence[ImportedFile]:
    """Return the files of *module*'s directory that belong to no release, in the order of paths."""
    rows = select(ImportedFile).join(Module, Module.id == ImportedFile.module_id)
    mine = rows.where(Module.name == module, ImportedFile.release_id.is_(None))
    return session.scalars(mine.order_by(ImportedFile.path)).all()


def others_of(session: Session, modules: Collection[str]) -> dict[str, list[ImportedFile]]:
    """Return the same of each of *modules* that has some."""
    rows = select(Module.name, ImportedFile).join(Module, Module.id == ImportedFile.module_id)
    found: dict[str, list[ImportedFile]] = {}
    for name, row in session.execute(rows.where(Module.name.in_(modules), ImportedFile.release_id.is_(None))):
        found.setdefault(name, []).append(row)
    return found


def named(session: Session, modules: Collection[str], paths: Collection[str]) -> set[tuple[str, str]]:
    """Return (module, path) of the files of any of the *modules* under any of the *paths*."""
    rows = select(Module.name, ImportedFile.path).join(Module, Module.id == ImportedFile.module_id)
    found = session.execute(rows.where(Module.name.in_(modules), ImportedFile.path.in_(paths)))
    return {(module, path) for module, path in found}


def has_below(session: Session, module: str, directory: str) -> bool:
    """Say whether there are files of *module* below *directory*, which ends in a slash."""
    rows = select(ImportedFile.id).join(Module, Module.id == ImportedFile.module_id)
    mine = rows.where(Module.name == module, ImportedFile.path.startswith(directory, autoescape=True))
    return session.scalar(mine.limit(1)) is not None


def of_module(session: Session, module_id: int) -> Sequence[ImportedFile]:
    """Return all files of the module that an old tree has brought, the releases' tarballs aside."""
    return session.scalars(select(ImportedFile).where(ImportedFile.module_id == module_id)).all()


def releases_of(session: Session, module_id: int) -> Sequence[Release]:
    """Return all releases of the module, those that are only claimed, too."""
    rows = select(Release).where(Release.module_id == module_id).options(joinedload(Release.module))
    return session.scalars(rows).all()


def begin(session: Session, module_id: int, now: datetime) -> None:
    """Note that files of the module were imported, and that its indexes are to be written."""
    row = session.get(ModuleImport, module_id)
    if row is None:
        session.add(ModuleImport(module_id=module_id, started_at=now, finished_at=None))
    else:
        row.started_at, row.finished_at = now, None


def is_finished(session: Session, module_id: int) -> bool:
    """Say whether all that was imported of the module is indexed."""
    row = session.get(ModuleImport, module_id)
    return row is None or row.finished_at is not None


def finish(session: Session, module_id: int, now: datetime) -> None:
    """Note that its indexes are written."""
    session.execute(update(ModuleImport).where(ModuleImport.module_id == module_id).values(finished_at=now))
