"""Claims that nobody has published.  Queries take a session and never commit."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from release_service.db.releases import WITH_FILES
from release_service.db.tables import Module, Release


def unpublished(session: Session, module: str, before: datetime) -> Sequence[Release]:
    """Return the releases of *module* that were claimed *before*, and are not published."""
    rows = select(Release).join(Module).where(Module.name == module, Release.published_at.is_(None))
    theirs = rows.where(Release.claimed_at < before).order_by(Release.id).options(*WITH_FILES)
    return session.scalars(theirs).all()
