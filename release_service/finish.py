"""Finishes what was begun by somebody who died: a claim whose tarball was stored, a signature that was taken."""

from datetime import timedelta

import structlog

from release_service import authorize, beside, limits, paths, signing
from release_service.db import audit, releases, signatures
from release_service.db.tables import Release
from release_service.errors import AlreadyStored, Refused, Unavailable
from release_service.identity import Uploader
from release_service.promises import NotYet
from release_service.publish import Service, keep_promises, make_public, make_signature_public

log = structlog.get_logger()

# So long an attempt may take before somebody else finishes what it has begun.
_MINUTE = timedelta(minutes=1)


def finish_release(service: Service, release: Release) -> None:
    """Publish what an attempt that died has claimed, if it has stored the tarball; else its sender has to come again.

    (Raises: NotYet, if there is no tarball; AlreadyStored, if there is another; Blocked, if its sender was blocked
    since; SwitchedOff, and what else is Unavailable.)
    """
    name = releases.tarball_name(release)
    with service.transactions.read() as session:
        release = releases.held(session, name)
    if release.published_at is None:
        there = service.store.digest(paths.tarball_key(name))
        if there is None:
            raise NotYet(f"{name} was claimed, and its bytes never came: the same bytes again would finish it.")
        if there != (release.size, release.sha256):
            raise AlreadyStored(paths.tarball_key(name))
        with service.transactions.begin() as session:
            claim = audit.claimant(session, release, name.module)
            if claim is None:
                raise NotYet(f"Nobody knows who has claimed {name}: the same bytes again finish it.")
            public = {key: value for key, value in release.proof.items() if key not in {"kind", "issuer"}}
            by = Uploader(claim.proof, claim.issuer, claim.subject, claim.login, "", public)
            limits.refuse_switched_off(session, service.limits, "uploads", limits.switch_of(by))
            authorize.refuse_blocked(session, by, name, service.policy)
            signing.settle(session, service.store, release, None, service.moment())
            release = releases.held(session, name)
        beside.store(service.store, service.transactions, release)
        make_public(service, release, by, claim.request_id)
        log.info("finished", tarball=str(name))
    keep_promises(service, release.module_id)


def finish_signatures(service: Service) -> None:
    """Publish what an attempt that died a minute ago has taken, if its key may still sign; else take it back."""
    with service.transactions.read() as session:
        unfinished = signatures.unfinished(session, service.now() - _MINUTE)
    for release in unfinished:
        try:
            with service.transactions.begin() as session:
                signing.settle(session, service.store, release, None, service.moment())
                make_signature_public(service, session, release, None)
            keep_promises(service, release.module_id)
        except (Unavailable, Refused) as trouble:  # of one signature, which must not keep the others waiting
            log.warning("signature_put_off", tarball=str(releases.tarball_name(release)), detail=trouble.detail)
