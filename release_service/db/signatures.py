"""The signatures of releases: at most one each.  Queries take a session and never commit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from release_service.db.tables import Release, ReleaseSignature


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified signature: the `text` that is published, which certificate and which key of it made it, and when."""

    text: str
    fingerprint: str
    signing_fingerprint: str
    signed_at: datetime


def published(release: Release) -> ReleaseSignature | None:
    """Return the signature that readers are told of: one that was only taken may still be taken back."""
    taken = release.signature
    return taken if taken is not None and taken.published_at is not None else None


def add(session: Session, release: Release, signed: Signed, now: datetime) -> None:
    """Take *signed* as the signature of *release*, unless it has one."""
    row = ReleaseSignature(release_id=release.id, **asdict(signed), added_at=now, published_at=None)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        pass  # it has one
    session.expire_all()


def hold(session: Session, release: Release) -> ReleaseSignature | None:
    """Return the signature that *release* has now, if any, and keep others from it until the transaction ends."""
    rows = select(ReleaseSignature).where(ReleaseSignature.release_id == release.id)
    return session.scalar(rows.with_for_update().execution_options(populate_existing=True))


def take_back(session: Session, taken: ReleaseSignature, instead: Signed | None, now: datetime) -> None:
    """Forget a signature that is held and was never published, and take *instead*, if there is one.

    The row stays then: who waits to hold it finds the other signature in it.
    """
    row = ReleaseSignature.id == taken.id
    if instead is None:
        session.execute(delete(ReleaseSignature).where(row))
    else:
        session.execute(update(ReleaseSignature).where(row).values(**asdict(instead), added_at=now))
    session.expire_all()


def unfinished(session: Session, before: datetime) -> Sequence[Release]:
    """Return the published releases, none quarantined, whose signature was taken *before*, and is not published."""
    taken = ReleaseSignature.published_at.is_(None), ReleaseSignature.added_at < before
    rows = select(Release).join(ReleaseSignature).where(*taken, Release.published_at.is_not(None))
    rows = rows.where(Release.quarantined_at.is_(None))
    return session.scalars(
        rows.options(joinedload(Release.module), joinedload(Release.signature)).order_by(Release.id)
    ).all()
