"""Signing keys: whose they are, and for which modules they may sign.  Queries take a session and never commit."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from release_service.db import modules
from release_service.db.tables import Maintainer, Module, Person, Release, ReleaseSignature, SigningKey
from release_service.openpgp import armour

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


def usable(session: Session, module: str, now: datetime) -> list[SigningKey]:
    """Return the keys that may sign for *module*: of its maintainers, unless they are blocked."""
    return [key for key in of_unblocked(session, module) if state(key, now) == USABLE]


def of_unblocked(session: Session, module: str) -> list[SigningKey]:
    """Return the keys of *module*'s maintainers who are not blocked, in any state but removed."""
    registered = modules.look_up(session, module)
    blocked = {(block.issuer, block.subject) for block in registered.blocks}
    keys = of_maintainers(session, registered.home) if registered.home else []
    return [key for key in keys if (key.person.issuer, key.person.subject) not in blocked]


def keyring(session: Session, module: str, now: datetime) -> str:
    """Return what *module*'s signatures are verified with, in armour; "" if there is nothing.

    The keys that may sign for it, and those that have signed a release of it: also those that were removed since,
    and with their revocations.
    """
    signers = select(ReleaseSignature.fingerprint).join(Release).join(Module).where(Module.name == module)
    signed = _keys().where(SigningKey.fingerprint.in_(signers)).order_by(SigningKey.revoked_at.is_(None), SigningKey.id)
    texts: dict[str, str] = {}
    for key in (*session.scalars(signed), *usable(session, module, now)):
        texts.setdefault(key.fingerprint, key.certificate)
    packets = b"".join(armour.read(texts[one].encode("ascii"), armour.PUBLIC_KEY) for one in sorted(texts))
    return armour.write(packets, armour.PUBLIC_KEY) if packets else ""


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


def home_ids(session: Session, owner: Person) -> list[int]:
    """Return the ids of the modules that *owner* maintains, without aliases."""
    return list(session.scalars(select(Maintainer.module_id).where(Maintainer.person_id == owner.id)))


def signed_ids(session: Session, fingerprint: str) -> list[int]:
    """Return the ids of the modules, aliases among them, with a release that the certificate has signed."""
    theirs = select(Release.module_id).join(ReleaseSignature).where(ReleaseSignature.fingerprint == fingerprint)
    return list(session.scalars(theirs.distinct()))


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
