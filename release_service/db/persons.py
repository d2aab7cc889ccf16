"""Persons whom the SSO has proven.  Queries take a session and never commit."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from release_service.db.tables import Person
from release_service.errors import BadChange, shown


def find(session: Session, issuer: str, subject: str) -> Person | None:
    """Return the person that *issuer* calls *subject*."""
    return session.scalar(select(Person).where(Person.issuer == issuer, Person.subject == subject))


def ensure(session: Session, issuer: str, subject: str, login: str) -> Person:
    """Return the person, whom others may write down at once; *login* is kept if we know none."""
    person = find(session, issuer, subject)
    if person is not None:
        return person
    try:
        with session.begin_nested():
            session.add(Person(issuer=issuer, subject=subject, login=login, email="", seen_at=None))
    except IntegrityError:
        pass  # written down meanwhile
    person = find(session, issuer, subject)
    assert person is not None, subject  # noqa: S101 - it was there, or we have just added it
    return person


def see(session: Session, issuer: str, subject: str, login: str, email: str, now: datetime) -> Person:
    """Note the person's present login and mail address (empty: unknown), as the SSO has just proven them."""
    person = ensure(session, issuer, subject, login)
    person.login, person.email, person.seen_at = login, email or person.email, now
    return person


def by_login(session: Session, issuer: str, login: str) -> list[Person]:
    """Return whom the SSO has last shown us under *login*: perhaps several, for logins can be given away.

    Whom nobody has proven yet is not among them, whatever somebody has called them.
    """
    seen = Person.issuer == issuer, Person.login == login, Person.seen_at.is_not(None)
    return list(session.scalars(select(Person).where(*seen)))


def only_one(session: Session, issuer: str, login: str) -> Person:
    """Return the one person who was last seen under *login*; raises BadChange if there are none, or several."""
    found = by_login(session, issuer, login)
    if len(found) != 1:
        how_many = "Nobody has" if not found else f"{len(found)} persons have"
        raise BadChange(
            f"{how_many} signed in as {shown(login)}.",
            remedy="Name the person by the SSO's subject, or let them sign in first: gnome-release login.",
        )
    return found[0]
