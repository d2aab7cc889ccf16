"""Follow-ups: promises made in the commit that published a release.  Queries never commit."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from release_service.db.tables import FollowUp, Release

INDEX = "index"  # cache.json, LATEST-IS and the HTML of the module
ARCHIVE_INDEX = "archive-index"  # the HTML of /sources/: when a module appears for the first time


def promise(session: Session, release: Release, kinds: Iterable[str], now: datetime) -> None:
    """Promise *kinds* for *release*."""
    session.add_all(
        FollowUp(kind=kind, module_id=release.module_id, release_id=release.id, promised_at=now, kept_at=None)
        for kind in kinds
    )


def open_of(session: Session, release: Release) -> list[FollowUp]:
    """Return the promises for *release*'s module that are not kept, the oldest first."""
    return list(
        session.scalars(
            select(FollowUp)
            .where(FollowUp.module_id == release.module_id, FollowUp.kept_at.is_(None))
            .options(joinedload(FollowUp.release).joinedload(Release.module))
            .order_by(FollowUp.id)
        )
    )


def keep(session: Session, promised: Iterable[FollowUp], now: datetime) -> None:
    """Note that *promised* are kept."""
    ids = [follow_up.id for follow_up in promised]
    session.execute(update(FollowUp).where(FollowUp.id.in_(ids), FollowUp.kept_at.is_(None)).values(kept_at=now))
