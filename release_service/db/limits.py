"""Counts and leases that all replicas share, and what is switched off.  Queries never commit."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from release_service.db import changed
from release_service.db.tables import RateCount, Switch, UploadLease

LEASE_S = 120
# Two numbers that only we lock by, beside that of `migrate`: one for uploaders, one for addresses.
_LOCKS = 0x474E4F


def count(session: Session, key: str, window_s: int, now: datetime) -> int:
    """Count one more of *key* in the present window of *window_s* seconds; return how many there are now."""
    began = began_at(window_s, now)
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    one_more = (
        dialect.insert(RateCount)
        .values(key=key, began=began, count=1)
        .on_conflict_do_update(index_elements=["key", "began"], set_={"count": RateCount.count + 1})
        .returning(RateCount.count)
    )
    counted: int = session.execute(one_more).scalar_one()
    return counted


def began_at(window_s: int, now: datetime) -> int:
    """Return when the window that *now* lies in began, in seconds since 1970 (UTC)."""
    seconds = int(now.timestamp())
    return seconds - seconds % window_s


def lease(session: Session, uploader: str, address: str, now: datetime) -> tuple[str, int, int]:
    """Begin an upload; return its lease, how many the uploader has under way now, and how many the address.

    Two that begin at once see each other: the second one waits until the first one's transaction has ended.
    """
    if session.get_bind().dialect.name != "sqlite":  # there, transactions come one after another anyway
        for kind, key in enumerate((uploader, address)):
            session.execute(select(func.pg_advisory_xact_lock(_LOCKS + kind, func.hashtext(key))))
    id_ = uuid.uuid4().hex
    session.add(UploadLease(id=id_, uploader=uploader, address=address, expires_at=now + timedelta(seconds=LEASE_S)))
    session.flush()
    live = select(
        func.count().filter(UploadLease.uploader == uploader), func.count().filter(UploadLease.address == address)
    ).where(UploadLease.expires_at > now, or_(UploadLease.uploader == uploader, UploadLease.address == address))
    of_uploader, of_address = session.execute(live).one()
    return id_, of_uploader, of_address


def end_lease(session: Session, id_: str) -> None:
    """Note that the upload is over."""
    session.execute(delete(UploadLease).where(UploadLease.id == id_))


def renew_lease(session: Session, id_: str, now: datetime) -> None:
    """Say that the upload is still under way."""
    session.execute(
        update(UploadLease).where(UploadLease.id == id_).values(expires_at=now + timedelta(seconds=LEASE_S))
    )


def sweep(session: Session, now: datetime) -> None:
    """Forget windows that are over for a day, and leases of replicas that have died."""
    session.execute(delete(RateCount).where(RateCount.began < int(now.timestamp()) - 86_400))
    session.execute(delete(UploadLease).where(UploadLease.expires_at < now))


def switches(session: Session) -> list[Switch]:
    """Return what is switched off."""
    return list(session.scalars(select(Switch).order_by(Switch.name)))


def switch_off(session: Session, name: str, reason: str, now: datetime) -> None:
    """Switch *name* off, for *reason*; a new reason replaces an old one."""
    switch_on(session, name)
    session.add(Switch(name=name, reason=reason, switched_off_at=now))
    session.flush()


def switch_on(session: Session, name: str) -> bool:
    """Switch *name* on; return whether it was off."""
    return changed(session, delete(Switch).where(Switch.name == name)) == 1
