"""Follow-ups: promises made in the commit that they follow from.  Queries never commit."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased, joinedload

from release_service.db import changed, clock, wake
from release_service.db.tables import FollowUp, Module, Release

FINISH = "finish"  # a claim: to be published; kept by whoever sends the tarball, or if it died, from what it has stored
INDEX = "index"  # the module's keyring, cache.json, LATEST-IS, HTML; release.json, if it tells something new
QUARANTINE = "quarantine"  # the same, then a quarantined release's files vanish
ARCHIVE_INDEX = "archive-index"  # the HTML of /sources/: when a module appears for the first time
PURGE = "purge"  # the CDN's copies of these indexes
PURGE_AGAIN = "purge-again"  # what was on its way to the CDN when it was purged
VISIBLE = "visible"  # the release was read through the CDN, as readers do

# So long a promise is left to whoever has made it; then a worker takes it.
_FIRST_TRY = timedelta(seconds=15)
_CLAIM = timedelta(seconds=60)
LONGEST_TROUBLE = 500


def promise(session: Session, release: Release, kinds: Iterable[str], now: datetime) -> None:
    """Promise *kinds* for *release*; who promises tries first."""
    for kind in kinds:
        _add(session, kind, release.module_id, release.id, now, after=_CLAIM if kind == FINISH else _FIRST_TRY)


def promise_once(session: Session, release: Release, kind: str, now: datetime) -> None:
    """Promise *kind* for *release*, unless that is promised already: then its time begins anew."""
    open_ = FollowUp.release_id == release.id, FollowUp.kind == kind, FollowUp.kept_at.is_(None)
    anew = {"promised_at": now, "due_at": clock(session) + _CLAIM, "tries": 0, "gave_up_at": None, "trouble": ""}
    if not changed(session, update(FollowUp).where(*open_).values(**anew)):
        promise(session, release, [kind], now)


def promise_later(
    session: Session, release: Release, kind: str, now: datetime, *, after: timedelta = timedelta(0)
) -> None:
    """Promise *kind* for *release*, due *after* a while: any worker may take it then."""
    _add(session, kind, release.module_id, release.id, now, after=after)


def visible(session: Session, release_id: int, now: datetime) -> None:
    """Note that readers have the release, indexes and all."""
    hidden = Release.id == release_id, Release.visible_at.is_(None), Release.published_at.is_not(None)
    session.execute(update(Release).where(*hidden).values(visible_at=now))


def promise_finishing(session: Session, now: datetime) -> int:
    """Promise to finish every claim of which nobody has promised that; return how many there were."""
    promised = exists().where(FollowUp.release_id == Release.id, FollowUp.kind == FINISH)
    claims = session.execute(
        select(Release.module_id, Release.id).where(Release.published_at.is_(None), ~promised)
    ).all()
    for module_id, release_id in claims:
        _add(session, FINISH, module_id, release_id, now, after=timedelta(0))
    return len(claims)


def _add(session: Session, kind: str, module_id: int, release_id: int, now: datetime, *, after: timedelta) -> None:
    session.add(
        FollowUp(
            kind=kind,
            module_id=module_id,
            release_id=release_id,
            promised_at=now,
            kept_at=None,
            due_at=clock(session) + after,
        )
    )
    wake.call(session)


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
    for module_id, release_id in found:
        _add(session, INDEX, module_id, release_id, now, after=_FIRST_TRY)
    return [module_id for module_id, _ in found]


def open_for(session: Session, home_ids: Iterable[int]) -> list[int]:
    """Return the ids of those modules, and of their aliases, with promises that are not kept."""
    ids = list(home_ids)
    theirs = or_(Module.id.in_(ids), Module.alias_of_id.in_(ids))
    open_ = select(FollowUp.module_id).join(Module, Module.id == FollowUp.module_id)
    return list(session.scalars(open_.where(theirs, FollowUp.kept_at.is_(None)).distinct()))


def claim(session: Session, lease: timedelta) -> FollowUp | None:
    """Return a promise that is due, for *lease* this caller's alone; None if there is none.

    No other worker is at work for its module then, but for one that came at this very moment: what is done for a
    promise may be done twice.
    """
    now, other = clock(session), aliased(FollowUp)
    is_busy = exists().where(other.module_id == FollowUp.module_id, other.kept_at.is_(None), other.leased_until > now)
    due = (
        select(FollowUp)
        .where(FollowUp.kept_at.is_(None), FollowUp.gave_up_at.is_(None), ~is_busy)
        .where(or_(FollowUp.due_at.is_(None), FollowUp.due_at <= now))
        .order_by(FollowUp.due_at, FollowUp.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=FollowUp)
    )
    taken = session.scalar(due)
    if taken is not None:
        taken.leased_until, taken.fence, taken.tries = now + lease, taken.fence + 1, taken.tries + 1
    return taken


def renew(session: Session, taken: FollowUp, lease: timedelta) -> bool:
    """Hold *taken* for *lease* from now on; False if it is somebody else's now, or kept."""
    held = update(FollowUp).where(*_held(taken)).values(leased_until=clock(session) + lease)
    return changed(session, held) == 1


def put_off(session: Session, taken: FollowUp, wait: timedelta, trouble: str, *, gives_up: bool) -> bool:
    """Leave *taken* for later, because of *trouble*; or, if nobody should try any more, to a person.

    False if it is somebody else's now, or kept: then nothing changes.
    """
    now = clock(session)
    values = {"due_at": now + wait, "leased_until": None, "trouble": trouble[:LONGEST_TROUBLE]}
    if gives_up:
        values["gave_up_at"] = now
    return changed(session, update(FollowUp).where(*_held(taken)).values(**values)) == 1


def _held(taken: FollowUp) -> list[ColumnElement[bool]]:
    return [FollowUp.id == taken.id, FollowUp.fence == taken.fence, FollowUp.kept_at.is_(None)]


def troubled(session: Session) -> Sequence[FollowUp]:
    """Return the promises that have failed at least once and are not kept: given up ones first, then the oldest."""
    rows = select(FollowUp).where(
        FollowUp.kept_at.is_(None), or_(FollowUp.trouble != "", FollowUp.gave_up_at.is_not(None))
    )
    order = FollowUp.gave_up_at.is_(None), FollowUp.promised_at, FollowUp.id
    return session.scalars(rows.options(joinedload(FollowUp.release).joinedload(Release.module)).order_by(*order)).all()


def try_again(session: Session, ids: Sequence[int] | None) -> int:
    """Let the promises *ids*, or all that were given up, be tried at once; return how many there are."""
    which = FollowUp.gave_up_at.is_not(None) if ids is None else FollowUp.id.in_(ids)
    anew = {"gave_up_at": None, "tries": 0, "due_at": clock(session), "leased_until": None}
    return changed(session, update(FollowUp).where(FollowUp.kept_at.is_(None), which).values(**anew))


def open_kinds(session: Session, release: Release) -> list[str]:
    """Return what is promised for *release* and not kept, each kind once; nobody waits for a second purge."""
    theirs = FollowUp.release_id == release.id, FollowUp.kept_at.is_(None)
    rows = select(FollowUp.kind).where(*theirs, FollowUp.kind.not_in([FINISH, PURGE_AGAIN]))
    return list(dict.fromkeys(session.scalars(rows.order_by(FollowUp.id))))


def open_of(session: Session, module_id: int) -> list[FollowUp]:
    """Return the promises for the module that are not kept, the oldest first."""
    return list(
        session.scalars(
            select(FollowUp)
            .where(FollowUp.module_id == module_id, FollowUp.kept_at.is_(None))
            .options(
                joinedload(FollowUp.release).joinedload(Release.module),
                joinedload(FollowUp.release).joinedload(Release.signature),
                joinedload(FollowUp.release).selectinload(Release.files),
                joinedload(FollowUp.release).selectinload(Release.imported),
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


def keep(session: Session, promised: Iterable[FollowUp], now: datetime) -> int:
    """Note that *promised* are kept, which is so for ever, whoever's lease it was; return how many were not before."""
    return _keep(session, FollowUp.id.in_([follow_up.id for follow_up in promised]), now)


def keep_finishing(session: Session, release: Release, now: datetime) -> None:
    """Note that *release* is finished."""
    _keep(session, (FollowUp.release_id == release.id) & (FollowUp.kind == FINISH), now)


def _keep(session: Session, which: ColumnElement[bool], now: datetime) -> int:
    values = {"kept_at": now, "leased_until": None, "gave_up_at": None}
    return changed(session, update(FollowUp).where(which, FollowUp.kept_at.is_(None)).values(**values))
