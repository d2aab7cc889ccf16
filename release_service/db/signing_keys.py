"""Signing keys: whose they are, and for which modules they may sign.  Queries take a session and never commit."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, exists, not_, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from release_service.db import modules
from release_service.db.tables import Block, Maintainer, Module, Person, Release, ReleaseSignature, SigningKey
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


@dataclass(frozen=True, slots=True)
class Entitled:
    """A key of one who maintains a module and is not blocked; `may_sign_from`: when it may sign for that module.

    A person who became a maintainer waits as a new key does, unless an administrator has said so: whoever has taken an
    account over could make somebody a maintainer whose key has waited long ago.
    """

    key: SigningKey
    may_sign_from: datetime
    is_newcomers: bool

    def state(self, now: datetime) -> str:
        """Return what `state` says of the key; WAITING also while its owner waits."""
        its = state(self.key, now)
        return WAITING if its == USABLE and self.may_sign_from > now else its


def lock_owners(session: Session, person_ids: Iterable[int]) -> None:
    """Hold the rows of these persons until the transaction ends: changes of one person's keys come one after another.

    The lower id first: who wants the same rows waits for us, and we do not wait for them.
    """
    these = select(Person.id).where(Person.id.in_(set(person_ids))).order_by(Person.id)
    session.execute(these.with_for_update(key_share=True))
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


def entitled(session: Session, module: str, cooling: timedelta) -> list[Entitled]:
    """Return the keys of *module*'s maintainers who are not blocked, in any state but removed."""
    known = modules.look_up(session, module)
    blocked = {(block.issuer, block.subject) for block in known.blocks}
    by_person = {
        one.person_id: one for one in known.maintainers if (one.person.issuer, one.person.subject) not in blocked
    }
    theirs = SigningKey.person_id.in_(by_person), SigningKey.removed_at.is_(None)
    return [
        _entitled(key, by_person[key.person_id], cooling)
        for key in session.scalars(_keys().where(*theirs).order_by(SigningKey.id))
    ]


def _entitled(key: SigningKey, maintainer: Maintainer, cooling: timedelta) -> Entitled:
    own = key.added_at if key.consented_by_id is not None else key.may_sign_from
    its = maintainer.created_at + (timedelta() if maintainer.by_administrator else cooling)
    return Entitled(key, max(own, its), is_newcomers=its > own)


def is_revoked(session: Session, certificate: str, fingerprint: str) -> bool:
    """Say whether any copy of *certificate*, whoever has registered it, is revoked, or its key *fingerprint* is."""
    copies = registered(session, certificate)
    return any(copy.revoked_at is not None or fingerprint in copy.revoked_fingerprints for copy in copies)


def published(session: Session, module: str, now: datetime, cooling: timedelta) -> list[SigningKey]:
    """Return the keys in *module*'s keyring, at most one copy of each certificate.

    The keys that may sign for it, and those that have signed a release of it: also those that were removed since,
    and with their revocations; and after a rebuild all that its keyring had (`nobody`).  Of several copies the one of
    a maintainer, and among theirs the fullest, unless it lacks what has signed: anybody may register an old copy of
    anybody's key.
    """
    signers = select(ReleaseSignature.fingerprint, ReleaseSignature.signing_fingerprint).join(Release).join(Module)
    signed = defaultdict[str, set[str]](set)
    for certificate, part in session.execute(signers.where(Module.name == module)):
        signed[certificate].add(part)
    theirs = entitled(session, module, cooling)
    maintained = {one.key.id for one in theirs}

    def rank(key: SigningKey) -> tuple[bool, int, bool, int, int]:
        parts = {*key.signing_fingerprints, *key.revoked_fingerprints}
        lacks = len(signed[key.fingerprint] - parts)
        return key.revoked_at is None, lacks, key.id not in maintained, -len(parts), key.id

    have_signed = session.scalars(_keys().where(SigningKey.fingerprint.in_(signed))).all()
    issuer, subject = nobody(module)
    owner = select(Person.id).where(Person.issuer == issuer, Person.subject == subject).scalar_subquery()
    had = session.scalars(_keys().where(SigningKey.person_id == owner)).all()
    may_sign = [one.key for one in theirs if one.state(now) == USABLE]
    best: dict[str, SigningKey] = {}
    for key in sorted({key.id: key for key in (*have_signed, *had, *may_sign)}.values(), key=rank):
        best.setdefault(key.fingerprint, key)
    return [best[one] for one in sorted(best)]


def nobody(module: str) -> tuple[str, str]:
    """Return issuer and subject of who owns the keys that *module*'s keyring had when its rows were made anew.

    No issuer has this name, so nobody can be proven to be this person (docs/decisions/0019).
    """
    return "", f"keyring:{module}"


def keyring(session: Session, module: str, now: datetime, cooling: timedelta) -> str:
    """Return what *module*'s signatures are verified with, in armour; "" if there is nothing."""
    texts = [key.certificate.encode("ascii") for key in published(session, module, now, cooling)]
    packets = b"".join(armour.read(text, armour.PUBLIC_KEY) for text in texts)
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

    They maintain a module together, both by an administrator's word, or for longer than *since*: whoever has taken an
    account over can neither add a maintainer of their own who then consents, nor be added to the consenter's module.
    Who is blocked for that module, or for all, consents to nothing.
    """
    theirs, mine = aliased(Maintainer), aliased(Maintainer)
    blocked = exists().where(
        Block.issuer == consenter.issuer,
        Block.subject == consenter.subject,
        or_(Block.module_id.is_(None), Block.module_id == mine.module_id),
    )
    together = exists().where(
        theirs.person_id == SigningKey.person_id,
        theirs.module_id == mine.module_id,
        mine.person_id == consenter.id,
        *(or_(both.by_administrator, both.created_at <= since) for both in (theirs, mine)),
        not_(blocked),
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
