"""From a received tarball to a published release.  Read this first.

::

    request headers -- authenticate  identity/   a CI job's token, or a person's, proves an Uploader
    name ------------- authorize     authorize   Uploader + name -> Grant       (before the tarball's bytes)
    request body ----- receive       receive/    capped, timed, hashed, into a private file without a name
                       stage         store/      on their way to the store, not readable there
                       verify        archive/    what is inside, looked at since the first bytes came
                                     signing     the signature, if one came along: good, by a maintainer's key
                       claim         db/releases one row takes (module, version): two uploads cannot race
                       store         store/      tarball, then news, then checksum file and release.json
                       publish       db/releases ONE commit: public + .asc + the promised follow-ups
    follow-ups         tried once here; what is open is kept by the same bytes again, or the worker
                       index         index/      keyring, LATEST-IS, HTML, cache.json last
    201 <------------- when the index is readable

What a death leaves: before *claim* nothing; after *claim* a row that the same bytes finish, or, if the tarball was
stored, a worker (`finish`), while other bytes are refused; of a signature a row that the same one, or a worker,
finishes; after *publish* promises that the same bytes, the module's next release, or a worker keep (`promises`).  A
stored file may be reachable by its exact URL before *publish*; no index names it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from release_service import authorize, beside, documents, letters, limits, paths, promises, signing
from release_service.archive import Inspection
from release_service.authorize import Grant, Policy
from release_service.cdn import Front, Purges
from release_service.db import Transactions, audit, follow_ups, mails, modules, releases, signatures, tokens
from release_service.db.audit import Act
from release_service.db.signatures import Signed
from release_service.db.tables import Release
from release_service.errors import AlreadySigned, NotAuthorized, NotFound
from release_service.identity import Uploader
from release_service.identity.gitlab import GitLabJob
from release_service.letters import Letter
from release_service.limits import Limits
from release_service.promises import Keeper
from release_service.receive import ReceivedTarball
from release_service.signing import Moment, SigningRules
from release_service.store import ReleaseStore, Source
from release_service.tarball import TarballName


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Service:
    """What publishing needs, built once in `wiring`.

    `public_url` is where readers see the tree; private files are made in the directory `staging`.
    """

    transactions: Transactions
    store: ReleaseStore
    staging: Path
    policy: Policy
    limits: Limits
    public_url: str
    sends_mail: bool
    signing: SigningRules = field(default_factory=SigningRules)
    purges: Purges | None = None
    front: Front | None = None
    missing_ttl_s: float = 5
    now: Callable[[], datetime] = field(default=_now)

    def moment(self) -> Moment:
        """Return the rules for signatures, and that it is now."""
        return Moment(self.signing, self.now())

    def keeper(self) -> Keeper:
        """Return what keeping promises needs."""
        cdn = self.purges, self.front, self.missing_ttl_s
        return Keeper(self.transactions, self.store, *cdn, self.signing.cooling, self.now)


@dataclass(frozen=True, slots=True)
class Published:
    """A release that stands in the tree, indexes included; `is_new` says whether by this call.

    `pending`: what a worker still does, for example a purge (the kinds of db/follow_ups).
    """

    release: Release
    is_new: bool
    pending: list[str]


def publish_release(service: Service, tarball: ReceivedTarball, grant: Grant) -> Published:
    """Publish *tarball* under *grant*, or finish what an upload of the same bytes began.

    Raises Refused (nothing is left behind; but AlreadySigned, if another signature was first, when the release
    stands) or Unavailable (the same bytes are right again later).
    """
    if (grant.module, grant.version) != (tarball.name.module, tarball.name.version.text):
        raise NotAuthorized(f"{grant.module} {grant.version} was granted, {tarball.name} was sent.")
    release = _published_before(service, tarball, grant)
    is_new = False
    if release is not None:
        signed = _verified(service, tarball)
    else:
        source = Source(tarball.file, tarball.size, tarball.sha256)
        with service.store.stage(paths.tarball_key(tarball.name), source) as staged:
            found = tarball.inspection()
            signed = _verified(service, tarball)
            release = _claim(service, tarball, found, signed, grant)
            staged.add()
        beside.store(service.store, service.transactions, release)
        release, is_new = make_public(service, release, grant.uploader, grant.request_id)
    if signed is not None and signatures.published(release) is None:
        release, _ = _sign(service, release, signed, grant)
    return _followed(service, release, signed, is_new=is_new)


def add_signature(service: Service, name: TarballName, data: bytes, grant: Grant) -> Published:
    """Publish the detached signature in *data* beside a release that stands in the tree.

    What an earlier attempt has begun is finished first.  (Raises: AlreadySigned, BadSignature, SignatureNotTrusted.)
    """
    with service.transactions.read() as session:
        release = releases.find(session, name)
    if release is None or release.published_at is None:
        raise NotFound(f"There is no release {name.release}.")
    offered = signing.read(service.transactions, name.module, data, service.moment())
    with signing.stored(service.store, paths.tarball_key(name), release.sha256, service.staging) as tarball:
        signed = signing.verify(offered, tarball, service.moment())
    is_new = False
    if signatures.published(release) is None:
        release, is_new = _sign(service, release, signed, grant)
    return _followed(service, release, signed, is_new=is_new)


def _followed(service: Service, release: Release, signed: Signed | None, *, is_new: bool) -> Published:
    """Keep what was promised.  (Raises: AlreadySigned.)"""
    keep_promises(service, release.module_id)
    releases.refuse_quarantined(release)
    _refuse_other(release, signed)
    with service.transactions.read() as session:
        return Published(release, is_new, follow_ups.open_kinds(session, release))


def _refuse_other(release: Release, signed: Signed | None) -> None:
    """Hold that the signature that came is the one that the release has: the first that was taken wins."""
    there = release.signature
    if signed is not None and there is not None and there.text != signed.text:
        raise AlreadySigned(f"{releases.tarball_name(release)} was signed with the key {there.fingerprint}.")


def _sign(service: Service, release: Release, signed: Signed, grant: Grant) -> tuple[Release, bool]:
    """Take the signature, and publish it; return whether this call did.  (Raises: AlreadySigned.)"""
    name = releases.tarball_name(release)
    with service.transactions.begin() as session:
        limits.refuse_switched_off(session, service.limits, "uploads", limits.switch_of(grant.uploader))
        authorize.authorize(session, grant.uploader, name, service.policy, is_signed=True)
        signing.settle(session, service.store, release, signed, service.moment())
        _refuse_other(releases.held(session, name), signed)
    with service.transactions.begin() as session:
        is_new = make_signature_public(service, session, release, grant)
        return releases.held(session, name), is_new


def make_signature_public(service: Service, session: Session, release: Release, grant: Grant | None) -> bool:
    """Publish the signature of a release that is public already, which is an act of its own."""
    taken = signing.publish(session, service.store, release, service.moment())
    if taken is None:
        return False
    name, by = releases.tarball_name(release), grant.uploader if grant else None
    act = Act("sign", by, grant.request_id if grant else "", name.module, release.version, release.sha256)
    audit.record(session, act, audit.ACCEPTED, "signed", service.now(), fingerprint=taken.fingerprint)
    follow_ups.promise(session, release, [follow_ups.INDEX], service.now())
    url = paths.public_url(service.public_url, paths.release_key(name, paths.signature_ext(name)))
    _promise_mail(service, session, name.module, letters.signed(str(name), taken.fingerprint, url, by), release)
    return True


def _published_before(service: Service, tarball: ReceivedTarball, grant: Grant) -> Release | None:
    """Return the release if these bytes are published; raise VersionTaken, DigestKnown if they cannot be."""
    with service.transactions.begin() as session:
        release = releases.find(session, tarball.name)
        if release is None:
            releases.refuse_second_name(session, tarball.name, tarball.sha256)
            return None
        releases.refuse_other_bytes(release, tarball.name, tarball.sha256)
        if release.published_at is None:
            return None
        _use_token(service, session, tarball, grant)
        _record(service, session, release, grant.uploader, grant.request_id, "same_again")
        return release


def _verified(service: Service, tarball: ReceivedTarball) -> Signed | None:
    """Return the signature that came along, if one did: good, and by a key that may sign for the module."""
    if tarball.signature is None:
        return None
    offered = signing.read(service.transactions, tarball.name.module, tarball.signature, service.moment())
    return signing.verify(offered, tarball.file.fileno(), service.moment())


def _claim(
    service: Service, tarball: ReceivedTarball, found: Inspection, signed: Signed | None, grant: Grant
) -> Release:
    """Take the name for these bytes; the project is pinned and the token bound in the same commit."""
    with service.transactions.read() as session:
        previous = releases.previous_texts(session, tarball.name)
    news = documents.news_files(found.texts, previous)
    with service.transactions.begin() as session:
        limits.refuse_switched_off(session, service.limits, "uploads", limits.switch_of(grant.uploader))
        is_signed = signed is not None
        module = authorize.confirm(session, grant, tarball.name, service.policy, service.now(), is_signed=is_signed)
        _use_token(service, session, tarball, grant)
        release = releases.claim(
            session,
            module,
            tarball.name,
            size=tarball.size,
            sha256=tarball.sha256,
            archive=documents.archive(found),
            proof={"kind": grant.uploader.kind, "issuer": grant.uploader.issuer, **grant.uploader.provenance},
            files=news,
            texts={**found.texts, releases.LISTING: found.listing},
            now=service.now(),
        )
        _record(service, session, release, grant.uploader, grant.request_id, audit.CLAIMED)
        follow_ups.promise_once(session, release, follow_ups.FINISH, service.now())
        if signed is None and release.signature is None:
            return release
        signing.settle(session, service.store, release, signed, service.moment())
        return releases.held(session, tarball.name)


def _use_token(service: Service, session: Session, tarball: ReceivedTarball, grant: Grant) -> None:
    """One job's token, one tarball: the same job may retry the same bytes, nothing else."""
    uploader = grant.uploader
    if isinstance(uploader, GitLabJob):
        tokens.use(session, uploader.issuer, uploader.token_id, tarball.name, tarball.sha256, service.now())


def make_public(service: Service, release: Release, by: Uploader, request_id: str) -> tuple[Release, bool]:
    """Make it public, write that down, and promise what follows, in one commit; False if another upload just did."""
    name = releases.tarball_name(release)
    with service.transactions.begin() as session:
        if not releases.publish(session, release, service.now()):
            _record(service, session, release, by, request_id, "same_again")
            return releases.held(session, name), False
        # A signature that was taken later than this claim is an act of its own.
        taken = signing.publish(session, service.store, release, service.moment()) if release.signature else None
        more = {"fingerprint": taken.fingerprint} if taken else {}
        _record(service, session, release, by, request_id, "published", **more)
        follow_ups.keep_finishing(session, release, service.now())
        is_first = releases.is_first_of_module(session, release)
        kinds = [follow_ups.INDEX, *([follow_ups.ARCHIVE_INDEX] if is_first else [])]
        follow_ups.promise(session, release, kinds, service.now())
        url = paths.public_url(service.public_url, paths.tarball_key(name))
        _promise_mail(service, session, name.module, letters.published(str(name), release.sha256, url, by), release)
        return releases.held(session, name), True


def _record(
    service: Service, session: Session, release: Release, by: Uploader, request_id: str, code: str, **more: str
) -> None:
    """Write the audit row of an upload that goes well."""
    act = Act("upload", by, request_id, release.module.name, release.version, release.sha256)
    audit.record(session, act, audit.ACCEPTED, code, service.now(), size=release.size, **by.provenance, **more)


def _promise_mail(service: Service, session: Session, module: str, letter: Letter, after: Release) -> None:
    told = [found.person for found in modules.look_up(session, module).maintainers] if service.sends_mail else []
    mails.promise(session, told, letter.subject, letter.body, service.now(), after)


def keep_promises(service: Service, module_id: int) -> None:
    """Keep the module's open promises: a release's, a key's, and what an upload that died has left."""
    promises.keep(service.keeper(), module_id)
