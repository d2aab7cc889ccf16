"""Follow-ups: promises made in the commit that they follow from.  Queries never commit."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, joinedload

from release_service.db.tables import FollowUp, Module, Release

INDEX = "index"  # the module's keyring, cache.json, LATEST-IS, HTML; release.json, if it tells something new
QUARANTINE = "quarantine"  # the same, then a quarantined release's files vanish
ARCHIVE_INDEX = "archive-index"  # the HTML of /sources/: when a module appears for the first time


def promise(session: Session, release: Release, kinds: Iterable[str], now: datetime) -> None:
    """Promise *kinds* for *release*."""
    session.add_all(
        FollowUp(kind=kind, module_id=release.module_id, release_id=release.id, promised_at=now, kept_at=None)
        for kind in kinds
    )


def promise_index(session: Session, home_ids: Iterable[int], now: datetime) -> list[int]:
    """Promise the indexes of these modules and their aliases anew, where something is published; return their ids."""
    ids = list(home_ids)
    newest = (
        select(Release.module_id, func.max(Release.id))
        .join(Module)
        .where(or_(Module.id.in_(ids), Module.alias_of_id.in_(ids)), Release.published_at.is_not(None))
        .group_by(Release.module_id)
        .order_by(Release.module_id)
    )
    found = session.execute(newest).all()
    session.add_all(
        FollowUp(kind=INDEX, module_id=module_id, release_id=release_id, promised_at=now, kept_at=None)
        for module_id, release_id in found
    )
    return [module_id for module_id, _ in found]


def open_for(session: Session, home_ids: Iterable[int]) -> list[int]:
    """Return the ids of those modules, and of their aliases, with promises that are not kept."""
    ids = list(home_ids)
    theirs = or_(Module.id.in_(ids), Module.alias_of_id.in_(ids))
    open_ = select(FollowUp.module_id).join(Module, Module.id == FollowUp.module_id)
    return list(session.scalars(open_.where(theirs, FollowUp.kept_at.is_(None)).distinct()))


def overdue(session: Session, before: datetime) -> list[int]:
    """Return the ids of the modules with promises that were made *before* and are not kept."""
    late = FollowUp.kept_at.is_(None), FollowUp.promised_at < before
    return list(session.scalars(select(FollowUp.module_id).where(*late).distinct().order_by(FollowUp.module_id)))


def open_of(session: Session, module_id: int) -> list[FollowUp]:
    """Return the promises for the module that are not kept, the oldest first."""
    return list(
        session.scalars(
            select(FollowUp)
            .where(FollowUp.module_id == module_id, FollowUp.kept_at.is_(None))
            .options(
                joinedload(FollowUp.release).joinedload(Release.module),
                joinedload(FollowUp.release).joinedload(Release.signature),
            )
            .order_by(FollowUp.id)
        )
    )


def is_open(session: Session, kind: str, module: str | None) -> bool:
    """Say whether a promise of *kind*, for *module* or for any, is not kept."""
    theirs = [Module.name == module] if module is not None else []
    found = select(FollowUp.id).join(Module, Module.id == FollowUp.module_id)
    return session.scalar(found.where(FollowUp.kind == kind, FollowUp.kept_at.is_(None), *theirs).limit(1)) is not None


def last_kept(session: Session, kind: str, module: str) -> FollowUp | None:
    """Return the promise of *kind* for *module* that was kept last, None if none was."""
    found = select(FollowUp).join(Module, Module.id == FollowUp.module_id)
    kept = found.where(FollowUp.kind == kind, FollowUp.kept_at.is_not(None), Module.name == module)
    return session.scalar(kept.order_by(FollowUp.kept_at.desc(), FollowUp.id.desc()).limit(1))


def keep(session: Session, promised: Iterable[FollowUp], now: datetime) -> None:
    """Note that *promised* are kept."""
    ids = [follow_up.id for follow_up in promised]
    session.execute(update(FollowUp).where(FollowUp.id.in_(ids), FollowUp.kept_at.is_(None)).values(kept_at=now))
