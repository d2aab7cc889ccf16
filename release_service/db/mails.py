"""Mail that is promised in the commit that it tells of, and sent later.  Queries never commit."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from release_service.db.follow_ups import INDEX
from release_service.db.tables import FollowUp, Mail, Person, Release

# From ten seconds to an hour, for a day and a half; then a person has to look.
MOST_TRIES = 40
_FIRST_WAIT_S, _LONGEST_WAIT_S = 10, 3600
# How long one sender has a mail for itself.
_IN_HAND_S = 120


def promise(
    session: Session, to: Iterable[Person], subject: str, body: str, now: datetime, release: Release | None = None
) -> None:
    """Promise a mail to each person *to* whose address is known; the others are told nothing, also not later.

    With a *release* it is not sent before readers have that (invariant I10).
    """
    session.add_all(
        Mail(
            person_id=person.id,
            message_id=f"{uuid.uuid4().hex}",
            subject=subject,
            body=body,
            promised_at=now,
            due_at=now,
            tries=0,
            sent_at=None,
            release_id=release.id if release is not None else None,
        )
        for person in to
        if person.email
    )


def take_due(session: Session, now: datetime) -> tuple[Mail, Person] | None:
    """Return a mail that is due and its recipient, held against other senders for two minutes.

    What tells of a release waits until that is visible, and until its indexes are written: a signature may be new.
    """
    is_visible = exists().where(Release.id == Mail.release_id, Release.visible_at.is_not(None))
    is_unwritten = exists().where(
        FollowUp.release_id == Mail.release_id, FollowUp.kind == INDEX, FollowUp.kept_at.is_(None)
    )
    due = (
        select(Mail, Person)
        .join(Person)
        .where(Mail.sent_at.is_(None), Mail.due_at <= now, Mail.tries < MOST_TRIES, Person.email != "")
        .where(or_(Mail.release_id.is_(None), is_visible & ~is_unwritten))
        .order_by(Mail.due_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=Mail)
    )
    found = session.execute(due).first()
    if found is None:
        return None
    mail, person = found
    mail.tries += 1
    mail.due_at = now + timedelta(seconds=_IN_HAND_S)
    return mail, person


def sent(session: Session, id_: int, now: datetime) -> None:
    """Note that the mail was accepted by the mail server."""
    session.get_one(Mail, id_).sent_at = now


def put_off(session: Session, id_: int, now: datetime) -> None:
    """Try it again later, each time later than before."""
    mail = session.get_one(Mail, id_)
    mail.due_at = now + timedelta(seconds=min(_FIRST_WAIT_S * 2 ** min(mail.tries - 1, 20), _LONGEST_WAIT_S))


def sweep(session: Session, now: datetime) -> None:
    """Forget what was sent, or given up, a month ago."""
    session.execute(delete(Mail).where(Mail.promised_at < now - timedelta(days=30)))
