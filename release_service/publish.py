"""From a received tarball to a published release.  Read this first.

::

    request headers -- authenticate  identity/   a GitLab CI token proves an Uploader
    name ------------- authorize     authorize   Uploader + name -> Grant       (before the tarball's bytes)
    request body ----- receive       receive/    capped, timed, hashed, into a private file without a name
                       stage         store/      on their way to the store, not readable there
                       verify        archive/    what is inside, looked at since the first bytes came
                                     signing     the signature, if one came along: good, by a maintainer's key
                       claim         db/releases one row takes (module, version): two uploads cannot race
                       store         store/      tarball, then news, then checksum file and release.json
                       publish       db/releases ONE commit: public + the promised follow-ups
    follow-ups         tried once here; what is open is kept by the next upload of the same bytes
                       index         index/      LATEST-IS, HTML, cache.json last
    201 <------------- when the index is readable

What a death leaves: before *claim* nothing; after *claim* a row that the same bytes finish, while
other bytes are refused; after *publish* a promise that the same bytes, or the module's next
release, keep.  A stored file may be reachable by its exact URL before *publish*; no index names it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.orm import Session

from release_service import authorize, documents, letters, limits, paths, signing
from release_service.archive import Inspection
from release_service.authorize import Grant, Policy
from release_service.db import Transactions, audit, follow_ups, mails, modules, releases, signatures
from release_service.db.audit import Act
from release_service.db.signatures import Signed
from release_service.db.tables import Release
from release_service.errors import AlreadySigned, NotAuthorized, NotFound
from release_service.identity.gitlab import GitLabJob
from release_service.index import write as index
from release_service.letters import Letter
from release_service.limits import Limits
from release_service.receive import ReceivedTarball
from release_service.signing import SigningRules
from release_service.store import ReleaseStore, Source
from release_service.store.rewrite import rewrite
from release_service.tarball import TarballName


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Service:
    """What publishing needs, built once in `wiring`.  `public_url` is where readers see the tree."""

    transactions: Transactions
    store: ReleaseStore
    policy: Policy
    limits: Limits
    public_url: str
    sends_mail: bool
    signing: SigningRules = field(default_factory=SigningRules)
    now: Callable[[], datetime] = field(default=_now)


@dataclass(frozen=True, slots=True)
class Published:
    """A release that stands in the tree, indexes included; `is_new` says whether by this call."""

    release: Release
    is_new: bool


def publish_release(service: Service, tarball: ReceivedTarball, grant: Grant) -> Published:
    """Publish *tarball* under *grant*, or finish what an upload of the same bytes began.

    Raises Refused (nothing is left behind) or Unavailable (the same bytes are right again later).
    """
    if (grant.module, grant.version) != (tarball.name.module, tarball.name.version.text):
        raise NotAuthorized(f"{grant.module} {grant.version} was granted, {tarball.name} was sent.")
    release = _published_before(service, tarball, grant)
    is_new = False
    if release is None:
        source = Source(tarball.file, tarball.size, tarball.sha256)
        with service.store.stage(paths.tarball_key(tarball.name), source) as staged:
            found = tarball.inspection()
            signed = _verified(service, tarball)
            release = _claim(service, tarball, found, signed, grant)
            staged.add()
        _store_beside(service, release)
        is_new = _publish(service, release, grant)
    elif (signed := _verified(service, tarball)) and not _is_signed(release):
        release = _sign(service, release, signed, grant)
    keep_promises(service, release.module_id)
    return Published(release, is_new)


def add_signature(service: Service, name: TarballName, data: bytes, grant: Grant) -> Published:
    """Publish the detached signature in *data* beside a release that stands in the tree.

    What an earlier attempt has begun is finished first.  (Raises: AlreadySigned, BadSignature, SignatureNotTrusted.)
    """
    with service.transactions.read() as session:
        release = releases.find(session, name)
    if release is None or release.published_at is None:
        raise NotFound(f"There is no release {name.release}.")
    with signing.stored(service.store, paths.tarball_key(name), release.sha256) as tarball:
        signed = signing.verify(
            service.transactions, service.signing, signing.Offered(name.module, data, tarball), service.now()
        )
    was_signed = _is_signed(release)
    if not was_signed:
        release = _sign(service, release, signed, grant)
    keep_promises(service, release.module_id)
    if was_signed and release.signature and release.signature.text != signed.text:
        raise AlreadySigned(f"{name} was signed with the key {release.signature.fingerprint}.")
    return Published(release, is_new=not was_signed)


def _is_signed(release: Release) -> bool:
    return release.signature is not None and release.signature.published_at is not None


def _sign(service: Service, release: Release, signed: Signed, grant: Grant) -> Release:
    """Take the signature, store it, and let the indexes name it; as with a release, the row comes first."""
    name = releases.tarball_name(release)
    with service.transactions.begin() as session:
        limits.refuse_switched_off(session, service.limits, "uploads", limits.switch_of(grant.uploader))
        authorize.authorize(session, grant.uploader, name, service.policy, is_signed=True)
        release = _take_signature(service, session, release, signed)
    _store_beside(service, release)
    with service.transactions.begin() as session:
        if signatures.publish(session, release, service.now()):
            act = Act("sign", grant.uploader, grant.request_id, grant.module, grant.version, release.sha256)
            audit.record(session, act, audit.ACCEPTED, "signed", service.now(), fingerprint=signed.fingerprint)
            follow_ups.promise(session, release, [follow_ups.INDEX], service.now())
            if service.sends_mail:
                url = paths.public_url(service.public_url, paths.release_key(name, paths.signature_ext(name)))
                letter = letters.signed(str(name), signed.fingerprint, url, grant.uploader)
                _promise_mail(service, session, grant, letter)
    return release


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
        _record(service, session, release, grant, "same_again")
        return release


def _verified(service: Service, tarball: ReceivedTarball) -> Signed | None:
    """Return the signature that came along, if one did: good, and by a key that may sign for the module."""
    if tarball.signature is None:
        return None
    offered = signing.Offered(tarball.name.module, tarball.signature, tarball.file.fileno())
    return signing.verify(service.transactions, service.signing, offered, service.now())


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
        return _take_signature(service, session, release, signed) if signed else release


def _take_signature(service: Service, session: Session, release: Release, signed: Signed) -> Release:
    """Write the signature down, and return the row with it; its key may have been removed since it was verified."""
    name = releases.tarball_name(release)
    signing.confirm(session, service.signing, name.module, signed, service.now())
    signatures.add(session, release, signed, service.now())
    taken = releases.find(session, name)
    assert taken is not None  # noqa: S101 - we hold it
    return taken


def _use_token(service: Service, session: Session, tarball: ReceivedTarball, grant: Grant) -> None:
    """One job's token, one tarball: the same job may retry the same bytes, nothing else."""
    uploader = grant.uploader
    if isinstance(uploader, GitLabJob):
        releases.use_token(session, uploader.issuer, uploader.token_id, tarball.name, tarball.sha256, service.now())


def _store_beside(service: Service, release: Release) -> None:
    """Store what stands beside the tarball, each step's files at once."""
    for files in documents.beside(release):
        with ThreadPoolExecutor(len(files) or 1) as together:
            list(together.map(partial(_store_one, service, release), files.keys(), files.values()))


def _store_one(service: Service, release: Release, key: str, content: bytes) -> None:
    if not paths.is_mutable(key):
        service.store.add(key, content)
        return
    # release.json: a signature may be added by others at this moment, so the row is read after the document.
    name = releases.tarball_name(release)

    def build(_before: bytes | None) -> bytes:
        with service.transactions.read() as session:
            return documents.release_json(releases.find(session, name) or release)

    rewrite(service.store, key, build)


def _publish(service: Service, release: Release, grant: Grant) -> bool:
    """Make it public, write that down, and promise what follows, in one commit; False if another upload just did."""
    with service.transactions.begin() as session:
        is_new = releases.publish(session, release, service.now())
        # Only what this upload has stored: another may just have taken a signature, and is storing it.
        is_signed = release.signature is not None and signatures.publish(session, release, service.now())
        _record(service, session, release, grant, "published" if is_new else "same_again")
        kinds = [follow_ups.INDEX] if is_new or is_signed else []
        if is_new and releases.is_first_of_module(session, release):
            kinds.append(follow_ups.ARCHIVE_INDEX)
        follow_ups.promise(session, release, kinds, service.now())
        if is_new and service.sends_mail:
            name = releases.tarball_name(release)
            url = paths.public_url(service.public_url, paths.tarball_key(name))
            letter = letters.published(str(name), release.sha256, url, grant.uploader)
            _promise_mail(service, session, grant, letter)
        return is_new


def _record(service: Service, session: Session, release: Release, grant: Grant, code: str) -> None:
    """Write the audit row of an upload that ends well."""
    act = Act("upload", grant.uploader, grant.request_id, grant.module, grant.version, release.sha256)
    audit.record(session, act, audit.ACCEPTED, code, service.now(), size=release.size, **grant.uploader.provenance)


def _promise_mail(service: Service, session: Session, grant: Grant, letter: Letter) -> None:
    told = [found.person for found in modules.look_up(session, grant.module).maintainers]
    mails.promise(session, told, letter.subject, letter.body, service.now())


def keep_promises(service: Service, module_id: int) -> None:
    """Keep the module's open promises: a release's, a key's, and what an upload that died has left."""
    with service.transactions.read() as session:
        promised = follow_ups.open_of(session, module_id)
    for promise in promised:
        if promise.kind == follow_ups.INDEX:
            name = releases.tarball_name(promise.release)
            index.write_module(service.store, service.transactions, name, service.now(), service.signing.cooling)
        else:
            index.write_archive(service.store, service.transactions)
    with service.transactions.begin() as session:
        follow_ups.keep(session, promised, service.now())
