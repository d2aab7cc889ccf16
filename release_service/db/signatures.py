"""The signatures of releases: at most one each.  Queries take a session and never commit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from release_service.db.tables import Release, ReleaseSignature


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified signature: the `text` that is published, which certificate and which key of it made it, and when."""

    text: str
    fingerprint: str
    signing_fingerprint: str
    signed_at: datetime


def add(session: Session, release: Release, signed: Signed, now: datetime) -> None:
    """Take *signed* as the signature of *release*, unless it has one: that one is finished, and published."""
    row = ReleaseSignature(
        release_id=release.id,
        text=signed.text,
        fingerprint=signed.fingerprint,
        signing_fingerprint=signed.signing_fingerprint,
        signed_at=signed.signed_at,
        added_at=now,
        published_at=None,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        pass  # it has one
    session.expire_all()


def publish(session: Session, release: Release, now: datetime) -> bool:
    """Let the indexes name the signature of *release*, if it has one; return whether that is new."""
    unpublished = ReleaseSignature.release_id == release.id, ReleaseSignature.published_at.is_(None)
    done = session.execute(update(ReleaseSignature).where(*unpublished).values(published_at=now))
    return done.rowcount == 1  # type: ignore[attr-defined,no-any-return]
