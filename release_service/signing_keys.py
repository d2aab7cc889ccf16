"""The keys that persons sign with: registered, consented to, renewed, revoked, removed.

A new key may sign only after a while, and all who maintain something together with its owner are told at once: whoever
has taken an account over cannot sign before somebody had the time to notice (threat G6).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from release_service import letters
from release_service.db import audit, follow_ups, mails, persons, signing_keys
from release_service.db.audit import Act
from release_service.db.tables import Person as PersonRow
from release_service.db.tables import SigningKey
from release_service.errors import BadCertificate, BadChange, CertificateNotUsable, MayNotConsent, NotFound, Unavailable
from release_service.identity.sso import Person
from release_service.openpgp import Certificate, armour, certificate, keyring, revocation
from release_service.openpgp.revocation import Revocation
from release_service.publish import Service, keep_promises

log = structlog.get_logger()

MOST_KEYS = 10
_WARNED_AHEAD = timedelta(days=30)
_LONGEST_USER_ID = 255


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a change of keys, in which request."""

    person: Person
    request_id: str


def changed(service: Service, asker: Asker) -> None:
    """After a change of who asks, or that they have consented to: write the keyrings that it is in, if that can be."""
    with service.transactions.read() as session:
        me = persons.find(session, asker.person.issuer, asker.person.subject)
        homes = signing_keys.home_ids(session, me) if me else []
        promised = follow_ups.open_for(session, homes)
    _keep(service, promised)


def add(service: Service, asker: Asker, data: bytes) -> tuple[SigningKey, bool]:
    """Register the certificate in *data*, or take its newer form; a revocation, with it or alone, revokes it.

    Returns the key, and whether it waits anew: it is new, or has a key for signing that it did not have.
    (Raises: BadCertificate and its kinds, BadChange; SignatureCheckUnavailable.)
    """
    now = service.now()
    revoked = revocation.find(data, now=now)
    if revoked is not None:
        return _revoke(service, asker, revoked), False
    mine, _ = known_to(service, asker)
    found = certificate.register(data, now=now, known=[key.fingerprint for key in mine])
    with service.transactions.begin() as session:
        owner = _locked(session, asker)
        copies = signing_keys.registered(session, found.fingerprint)
        _refuse_older(copies, found)
        key, what = _put(session, owner, found, now, service.signing.cooling)
        if what:
            _tell(service, session, asker, key, what)
        for copy in _revoke_subkeys(copies, key, found, now):
            _tell(service, session, asker, copy, "renewed")
        session.flush()
        session.expire(key)  # who had consented, perhaps to an earlier one
        return _found(session, owner, key.fingerprint), what == "added"


def remove(service: Service, asker: Asker, fingerprint: str) -> SigningKey:
    """Let the key sign nothing any more; what it has signed stays good.  (Raises: NotFound.)"""
    with service.transactions.begin() as session:
        key = _found(session, _locked(session, asker), fingerprint)
        if key.removed_at is None:
            key.removed_at = service.now()
            _tell(service, session, asker, key, "removed")
        return key


def consent(service: Service, asker: Asker, fingerprint: str) -> list[SigningKey]:
    """Let somebody else's new key sign at once.  (Raises: NotFound, BadChange, MayNotConsent.)"""
    now = service.now()
    with service.transactions.begin() as session:
        consenter = persons.ensure(session, asker.person.issuer, asker.person.subject, asker.person.login)
        seen = signing_keys.registered(session, fingerprint)
        meant = {key.id: key.added_at for key in seen}
        signing_keys.lock_owners(session, [consenter.id, *(key.person_id for key in seen)])
        waiting = signing_keys.waiting_for(session, consenter, now - service.signing.cooling, now)
        keys = [key for key in waiting if key.fingerprint == fingerprint]
        if not keys:
            _refuse_consent(signing_keys.registered(session, fingerprint), fingerprint, now)
        if any(meant.get(key.id) != key.added_at for key in keys):
            raise BadChange(f"The key {fingerprint} has just changed.", remedy="Look at it again, then consent again.")
        for key in keys:
            key.consented_by = consenter
            _tell(service, session, asker, key, "consented to")
        return keys


def known_to(service: Service, asker: Asker) -> tuple[Sequence[SigningKey], Sequence[SigningKey]]:
    """Return the keys of who asks, and those of others that they may consent to."""
    now = service.now()
    with service.transactions.read() as session:
        me = persons.find(session, asker.person.issuer, asker.person.subject)
        if me is None:
            return [], []
        return signing_keys.of(session, me), signing_keys.waiting_for(session, me, now - service.signing.cooling, now)


def warn_of_expiry(service: Service) -> int:
    """Promise a mail to the owner of each key that stops to sign within 30 days, once; return how many."""
    if not service.sends_mail:
        return 0
    now = service.now()
    with service.transactions.begin() as session:
        keys = signing_keys.expiring(session, now, _WARNED_AHEAD)
        for key in keys:
            key.warned_at = now
            letter = letters.key_expires(key.fingerprint, key.user_id, f"{key.expires_at:%Y-%m-%d}")
            mails.promise(session, [key.person], letter.subject, letter.body, now)
        return len(keys)


def _keep(service: Service, module_ids: Sequence[int]) -> None:
    """Write the modules' keyrings now; what cannot be is left to the worker: the change itself is done."""
    for module_id in module_ids:
        try:
            keep_promises(service, module_id)
        except Unavailable as outage:
            log.warning("promise_put_off", module_id=module_id, detail=outage.detail)


def _locked(session: Session, asker: Asker) -> PersonRow:
    person = persons.ensure(session, asker.person.issuer, asker.person.subject, asker.person.login)
    signing_keys.lock_owners(session, [person.id])
    return person


def _found(session: Session, owner: PersonRow, fingerprint: str) -> SigningKey:
    key = signing_keys.find(session, owner, fingerprint)
    if key is None:
        raise NotFound(
            f"You have no key {fingerprint} here.", remedy="Look at your keys with: gnome-release keys list."
        )
    return key


def _put(
    session: Session, owner: PersonRow, found: Certificate, now: datetime, cooling: timedelta
) -> tuple[SigningKey, str]:
    """Return the key as it is now, and what became of it: added, renewed, or nothing."""
    key = signing_keys.find(session, owner, found.fingerprint)
    if key is None:
        if len(signing_keys.of(session, owner)) >= MOST_KEYS:
            raise BadChange(f"You have {MOST_KEYS} keys.", remedy="Remove one: gnome-release keys remove FINGERPRINT.")
        key = SigningKey(person_id=owner.id, fingerprint=found.fingerprint, signing_fingerprints=[], certificate="")
        key.revoked_fingerprints = []
        session.add(key)
    text = keyring.armoured([found])
    fresh = set(found.signing_fingerprints) - set(key.signing_fingerprints)
    is_new = key.removed_at is not None or not key.certificate
    if is_new:
        certificate.refuse_unusable(found, now)
    waits_anew = is_new or (bool(fresh) and certificate.is_usable(found, now))
    if not waits_anew and key.certificate == text:
        return key, ""
    if waits_anew:
        key.added_at, key.may_sign_from = now, now + cooling
        key.consented_by_id, key.removed_at = None, None
    _write(key, found, text, now)
    if not waits_anew:  # what comes with a key that can sign nothing now waits when it can
        key.signing_fingerprints = [one for one in found.signing_fingerprints if one not in fresh]
    return key, "added" if waits_anew else "renewed"


def _write(key: SigningKey, found: Certificate, text: str, now: datetime) -> None:
    ends = [part.expires_at for part in found.signing if not part.revoked]
    expires_at = None if None in ends else max((end for end in ends if end), default=now)
    if expires_at != key.expires_at:
        key.warned_at = None
    key.certificate, key.expires_at = text, expires_at
    key.user_id = found.user_ids[0][:_LONGEST_USER_ID]
    key.signing_fingerprints = list(found.signing_fingerprints)
    key.revoked_fingerprints = sorted({*key.revoked_fingerprints, *_revoked_in(found)})


def _revoked_in(found: Certificate) -> set[str]:
    return {part.fingerprint for part in found.signing if part.revoked}


def _refuse_older(copies: Sequence[SigningKey], found: Certificate) -> None:
    """Hold that nothing that was revoked comes back: an old copy does not know of it.  (Raises: BadCertificate.)"""
    for key in copies:
        if key.revoked_at is not None:
            raise CertificateNotUsable(
                "REVOKED", f"The key {key.fingerprint} was revoked on {key.revoked_at:%Y-%m-%d}."
            )
        back = set(key.revoked_fingerprints) & set(found.signing_fingerprints)
        if back:
            raise BadCertificate("OLDER", f"It is an older copy: the subkey {min(back)} was revoked since.")


def _revoke_subkeys(
    copies: Sequence[SigningKey], key: SigningKey, found: Certificate, now: datetime
) -> Iterator[SigningKey]:
    """Let the subkeys that *found* revokes sign nothing from other persons' copies, either; yield those changed."""
    for copy in copies:
        new = (_revoked_in(found) - set(copy.revoked_fingerprints)) if copy.person_id != key.person_id else set()
        if new:
            copy.certificate = revocation.carried_over(copy.certificate, found, new)
            copy.revoked_fingerprints = sorted({*copy.revoked_fingerprints, *new})
            copy.signing_fingerprints = [one for one in copy.signing_fingerprints if one not in new]
            if not copy.signing_fingerprints:
                copy.expires_at = now
            yield copy


def _revoke(service: Service, asker: Asker, revoked: Revocation) -> SigningKey:
    """Revoke the certificate wherever it is registered: the revocation is its own, whoever brings it."""
    now = service.now()
    with service.transactions.begin() as session:
        owner = _locked(session, asker)
        keys = signing_keys.registered(session, revoked.fingerprint)
        if not keys and revoked.is_proven:
            raise CertificateNotUsable("REVOKED", f"The key {revoked.fingerprint} was revoked by its owner.")
        if not keys:
            raise NotFound(
                f"There is no key {revoked.fingerprint} here that could be revoked.", remedy="There is nothing to do."
            )
        for key in keys:
            known = armour.read(key.certificate.encode("ascii"), armour.PUBLIC_KEY)
            found = revocation.revoke(known, revoked.packet, now=now)
            if key.revoked_at is None:
                key.revoked_at, key.certificate = now, keyring.armoured([found])
                _tell(service, session, asker, key, "revoked")
        return next((key for key in keys if key.person_id == owner.id), keys[0])


def _refuse_consent(keys: Sequence[SigningKey], fingerprint: str, now: datetime) -> None:
    states = {signing_keys.state(key, now) for key in keys} - {signing_keys.REMOVED}
    if not states:
        raise NotFound(f"There is no key {fingerprint}.", remedy="Compare the fingerprint with the one in the mail.")
    if signing_keys.WAITING not in states:
        raise BadChange(
            f"The key {fingerprint} waits for nobody's consent: it is {min(states)}.", remedy="There is nothing to do."
        )
    why = "is your own, you or its owner are new to all modules that you both maintain, or you are blocked"
    raise MayNotConsent(f"The key {fingerprint} {why}.")


def _tell(service: Service, session: Session, asker: Asker, key: SigningKey, what: str) -> None:
    """Write down what became of *key*, and promise a mail to all who maintain something together with its owner."""
    now = service.now()
    owner = session.get_one(PersonRow, key.person_id)
    modules = signing_keys.modules_of(session, owner)
    act = Act(_ACTS[what], asker.person, asker.request_id)
    detail = {"fingerprint": key.fingerprint, "owner": owner.subject, "modules": modules}
    audit.record(session, act, audit.ACCEPTED, "changed", now, **detail)
    if service.sends_mail:
        change = letters.KeyChange(what, key.fingerprint, key.user_id, owner.login, modules)
        letter = letters.key_changed(change, f"{key.may_sign_from:%Y-%m-%d %H:%M} UTC", asker.person)
        mails.promise(session, signing_keys.co_maintainers(session, owner), letter.subject, letter.body, now)
    its = {*signing_keys.home_ids(session, owner), *signing_keys.signed_ids(session, key.fingerprint)}
    follow_ups.promise_index(session, its, now)


_ACTS = {
    "added": "key-add",
    "renewed": "key-renew",
    "consented to": "key-consent",
    "revoked": "key-revoke",
    "removed": "key-remove",
}
