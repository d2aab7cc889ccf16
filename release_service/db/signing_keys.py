"""Signing keys: whose they are, and for which modules they may sign.  Queries take a session and never commit."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from release_service.db.tables import Maintainer, Module, Person, SigningKey

WAITING, USABLE, EXPIRED, REMOVED, REVOKED = "waiting", "usable", "expired", "removed", "revoked"


def state(key: SigningKey, now: datetime) -> str:
    """Return what has become of *key*: one of WAITING, USABLE, EXPIRED, REMOVED, REVOKED."""
    if key.revoked_at is not None:
        return REVOKED
    if key.removed_at is not None:
        return REMOVED
    if key.expires_at is not None and key.expires_at <= now:
        return EXPIRED
    return WAITING if key.consented_by_id is None and key.may_sign_from > now else USABLE


def lock_owner(session: Session, owner: Person) -> None:
    """Hold the row of *owner* until the transaction ends: changes of one person's keys come one after another."""
    session.execute(select(Person.id).where(Person.id == owner.id).with_for_update(key_share=True))
    session.expire_all()  # what was read before we had to wait is not true any more


def find(session: Session, owner: Person, fingerprint: str) -> SigningKey | None:
    """Return the key that *owner* has registered, also one that was removed."""
    return session.scalar(_keys().where(SigningKey.person_id == owner.id, SigningKey.fingerprint == fingerprint))


def of(session: Session, owner: Person) -> Sequence[SigningKey]:
    """Return the keys of *owner* that were not removed, the oldest first."""
    mine = SigningKey.person_id == owner.id, SigningKey.removed_at.is_(None)
    return session.scalars(_keys().where(*mine).order_by(SigningKey.id)).all()


def registered(session: Session, fingerprint: str) -> Sequence[SigningKey]:
    """Return every registration of the certificate, also those that were removed."""
    return session.scalars(_keys().where(SigningKey.fingerprint == fingerprint).order_by(SigningKey.id)).all()


def of_maintainers(session: Session, module: Module) -> Sequence[SigningKey]:
    """Return the keys of those who maintain *module*, which is no alias; none that was removed."""
    theirs = select(Maintainer.person_id).where(Maintainer.module_id == module.id)
    keys = _keys().where(SigningKey.person_id.in_(theirs), SigningKey.removed_at.is_(None))
    return session.scalars(keys.order_by(SigningKey.id)).all()


def co_maintainers(session: Session, owner: Person) -> Sequence[Person]:
    """Return *owner*, and everybody who maintains a module that *owner* maintains."""
    mine = select(Maintainer.module_id).where(Maintainer.person_id == owner.id)
    theirs = select(Maintainer.person_id).where(Maintainer.module_id.in_(mine))
    return session.scalars(
        select(Person).where(or_(Person.id.in_(theirs), Person.id == owner.id)).order_by(Person.id)
    ).all()


def modules_of(session: Session, owner: Person) -> list[str]:
    """Return the names of the modules that *owner* maintains, without aliases."""
    mine = select(Maintainer.module_id).where(Maintainer.person_id == owner.id)
    return list(session.scalars(select(Module.name).where(Module.id.in_(mine)).order_by(Module.folded)))


def waiting_for(session: Session, consenter: Person, since: datetime, now: datetime) -> Sequence[SigningKey]:
    """Return the keys of others that wait, and that *consenter* may consent to.

    They maintain a module together, the consenter by an administrator's word, or for longer than *since*: whoever
    has taken an account over cannot add a maintainer of their own who then consents.
    """
    theirs, mine = aliased(Maintainer), aliased(Maintainer)
    together = exists().where(
        theirs.person_id == SigningKey.person_id,
        theirs.module_id == mine.module_id,
        mine.person_id == consenter.id,
        or_(mine.by_administrator, mine.created_at <= since),
    )
    waits = SigningKey.consented_by_id.is_(None), SigningKey.may_sign_from > now
    stands = SigningKey.removed_at.is_(None), SigningKey.revoked_at.is_(None)
    keys = _keys().where(SigningKey.person_id != consenter.id, *waits, *stands, together)
    return session.scalars(keys.order_by(SigningKey.id)).all()


def expiring(session: Session, now: datetime, ahead: timedelta) -> Sequence[SigningKey]:
    """Return the keys that stop to sign within *ahead* and whose owners were not warned, held against other workers."""
    soon = SigningKey.expires_at > now, SigningKey.expires_at <= now + ahead, SigningKey.warned_at.is_(None)
    stands = SigningKey.removed_at.is_(None), SigningKey.revoked_at.is_(None)
    keys = select(SigningKey).where(*soon, *stands).options(joinedload(SigningKey.person, innerjoin=True)).limit(100)
    return session.scalars(keys.with_for_update(skip_locked=True, of=SigningKey)).all()


def _keys() -> Select[SigningKey]:
    return select(SigningKey).options(joinedload(SigningKey.person), joinedload(SigningKey.consented_by))
