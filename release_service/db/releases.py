"""Releases: who has claimed a version, what is published.  Queries take a session and never commit."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, selectinload, undefer

from release_service import checksum
from release_service.db import changed, follow_ups
from release_service.db.tables import ClaimedDigest, ImportedFile, Module, Release, ReleaseFile, ReleaseText
from release_service.errors import DigestKnown, Quarantined, VersionTaken, shown
from release_service.tarball import TarballName
from release_service.version import Version

# The text that says what is in the tarball (docs/decisions/0014); no archive has a member of this name at its top.
LISTING = "/listing"
# What a release's proof is called that an old tree has brought: nobody uploaded it.
IMPORT = "import"
# The place of a release in `page`: its module's id, and its version.
Place = tuple[int, str]

# What the names of a release's files, and the indexes, are made of; and with what `documents` needs.
_WITH_OTHERS = joinedload(Release.module), joinedload(Release.signature), selectinload(Release.imported)
WITH_FILES = *_WITH_OTHERS, selectinload(Release.files)
WITH_CONTENTS = *_WITH_OTHERS, selectinload(Release.files).options(undefer(ReleaseFile.deflated))


def find(session: Session, name: TarballName) -> Release | None:
    """Return the release that holds or claims this module and version, with its files."""
    return session.scalar(
        select(Release)
        .join(Module)
        .where(Module.folded == name.module.lower(), Release.version == name.version.text)
        .options(*WITH_CONTENTS)
    )


def held(session: Session, name: TarballName) -> Release:
    """Return the release of which we know that it is claimed: claims are for ever."""
    release = find(session, name)
    assert release is not None, name  # noqa: S101 - see above
    return release


def tarball_name(release: Release) -> TarballName:
    """Return the name of *release*'s tarball; imported versions need not be canonical."""
    return TarballName(
        release.module.name, Version.parse_imported(release.version), release.compression, release.directory
    )


def is_imported(release: Release) -> bool:
    """Say whether *release* came with an old tree: what stands beside its tarball came so, too."""
    return bool(release.proof.get("kind") == IMPORT)


def refuse_quarantined(release: Release) -> None:
    """Raise Quarantined if *release* is: whatever comes for it comes too late."""
    if release.quarantined_at is not None:
        raise Quarantined(
            f"{tarball_name(release).release} was quarantined on {release.quarantined_at:%Y-%m-%d}: "
            f"{shown(release.quarantine_reason, 500)}"
        )


def hold_reachable(session: Session, release: Release) -> None:
    """Keep *release* from being quarantined until the transaction ends.  (Raises: Quarantined, if it is already.)"""
    row = select(Release).where(Release.id == release.id).options(joinedload(Release.module))
    row = row.with_for_update(read=True, of=Release).execution_options(populate_existing=True)
    refuse_quarantined(session.scalars(row).one())


def refuse_other_bytes(release: Release, name: TarballName, sha256: str) -> None:
    """Raise VersionTaken unless *release* is of exactly these bytes under this name, Quarantined whatever they are."""
    refuse_quarantined(release)
    if release.sha256 == sha256 and release.compression == name.compression:
        return
    if release.published_at is not None:
        raise VersionTaken(
            f"{name.release} was published on {release.published_at:%Y-%m-%d} with SHA-256 {release.sha256}; "
            f"yours: {sha256}."
        )
    raise VersionTaken(
        f"{name.release} was claimed on {release.claimed_at:%Y-%m-%d %H:%M} UTC by an upload with SHA-256 "
        f"{release.sha256} that did not finish; yours: {sha256}.",
        remedy="Send those same bytes again to finish it, or use a new version number.",
    )


def refuse_second_name(session: Session, name: TarballName, sha256: str) -> None:
    """Raise DigestKnown (Quarantined) if these bytes are a release, or claimed, of another module or version."""
    others = (
        select(Release)
        .join(Module)
        .where(
            Release.sha256 == sha256, (Module.folded != name.module.lower()) | (Release.version != name.version.text)
        )
        .options(joinedload(Release.module))
        .order_by(Release.id)
        .limit(1)
    )
    other = session.scalar(others)
    if other is not None:
        refuse_quarantined(other)
        verb = "claimed" if other.published_at is None else "published"
        raise DigestKnown(
            f"SHA-256 {sha256} was {verb} as {tarball_name(other)} on {other.claimed_at:%Y-%m-%d}; yours: {name}."
        )


def previous_texts(session: Session, name: TarballName) -> dict[str, bytes]:
    """Return NEWS and ChangeLog of the highest published version lower than this one; {} without one.

    A yanked one counts: its news can still be read, and what is compared must not depend on when it was yanked.  A
    quarantined one does not: nobody can read its news any more, so the next version tells it.
    """
    published = session.execute(
        select(Release.id, Release.version)
        .join(Module)
        .where(Module.folded == name.module.lower(), Release.published_at.is_not(None))
        .where(Release.quarantined_at.is_(None))
    )
    lower = [(version, id_) for id_, text in published if (version := Version.parse_imported(text)) < name.version]
    if not lower:
        return {}
    _, id_ = max(lower)
    texts = session.scalars(select(ReleaseText).where(ReleaseText.release_id == id_, ReleaseText.name != LISTING))
    return {text.name: zlib.decompress(text.deflated) for text in texts}


def claim(  # noqa: PLR0913 - everything that the row fixes
    session: Session,
    module: Module,
    name: TarballName,
    *,
    size: int,
    sha256: str,
    archive: dict[str, Any],
    proof: dict[str, Any],
    files: Mapping[str, bytes],
    texts: Mapping[str, bytes],
    now: datetime,
) -> Release:
    """Take module and version for these bytes, or find that these bytes have taken it before.

    Returns the row, which is the first claim's: a later upload of the same bytes finishes what
    that one began.  Raises VersionTaken for other bytes, DigestKnown for the bytes of another release.
    """
    row = Release(
        module_id=module.id,
        version=name.version.text,
        compression=name.compression,
        size=size,
        sha256=sha256,
        archive=archive,
        proof=proof,
        claimed_at=now,
        published_at=None,
        files=[file_row(ext, data) for ext, data in files.items()],
    )
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
            add_texts(session, row, texts)
    except IntegrityError:
        pass  # claimed before: see by whom
    else:
        _claim_digest(session, name, sha256)
    session.expire_all()
    release = held(session, name)
    refuse_other_bytes(release, name, sha256)
    return release


def file_row(ext: str, data: bytes) -> ReleaseFile:
    """Return the row of a file beside a tarball, which is of no release yet."""
    return ReleaseFile(ext=ext, sha256=checksum.digest(data), size=len(data), deflated=zlib.compress(data))


def add_texts(session: Session, release: Release, texts: Mapping[str, bytes]) -> None:
    """Keep what a tarball has inside that later versions are compared with."""
    session.add_all(
        ReleaseText(release_id=release.id, name=name, deflated=zlib.compress(data)) for name, data in texts.items()
    )


def _claim_digest(session: Session, name: TarballName, sha256: str) -> None:
    """Let these bytes have no second name: of two that claim them at once, the later one waits here, then sees."""
    note_digest(session, sha256)
    refuse_second_name(session, name, sha256)


def note_digest(session: Session, sha256: str) -> None:
    """Note that a release has these bytes; those of an old tree may have two names already."""
    try:
        with session.begin_nested():
            session.add(ClaimedDigest(sha256=sha256))
    except IntegrityError:
        pass  # noted before


def publish(session: Session, release: Release, now: datetime) -> bool:
    """Make *release* public; return whether it was this call that did.

    Another upload of the same bytes may have, and it may be quarantined since: what this one has stored goes again.
    """
    hidden = Release.id == release.id, Release.published_at.is_(None)
    if changed(session, update(Release).where(*hidden).values(published_at=now)) == 1:
        return True
    quarantined = Release.id == release.id, Release.quarantined_at.is_not(None)
    if session.scalar(select(Release.id).where(*quarantined)) is not None:
        follow_ups.promise(session, release, [follow_ups.QUARANTINE], now)
    return False


def is_first_of_module(session: Session, release: Release) -> bool:
    """Say whether no other release of its module is published."""
    other = select(Release.id).where(
        Release.module_id == release.module_id, Release.id != release.id, Release.published_at.is_not(None)
    )
    return session.scalar(other.limit(1)) is None


def published(session: Session, module: str) -> list[Release]:
    """Return all published releases of *module*, hidden ones too, with their files, in the order of versions."""
    rows = select(Release).join(Module).where(Module.name == module, Release.published_at.is_not(None))
    return sorted(
        session.scalars(rows.options(*WITH_FILES)),
        key=lambda row: Version.parse_imported(row.version),
    )


def published_modules(session: Session) -> list[str]:
    """Return the names of all modules that have a published release, or files of an old tree."""
    has_one = select(Release.id).where(Release.module_id == Module.id, Release.published_at.is_not(None)).exists()
    has_file = select(ImportedFile.id).where(ImportedFile.module_id == Module.id).exists()
    return list(session.scalars(select(Module.name).where(has_one | has_file)))


def count_published(session: Session, module: str | None, version: str | None) -> int:
    """Return how many releases are published: of *module*, of that *version*, if they are given."""
    rows = select(func.count(Release.id)).join(Module).where(*_published_of(module, version))
    return session.scalar(rows) or 0


def page(session: Session, module: str | None, version: str | None, after: Place, limit: int) -> Sequence[Release]:
    """Return published releases with all that `documents` needs: the first *limit* above *after*, in order."""
    rows = (
        select(Release)
        .join(Module)
        .where(*_published_of(module, version), tuple_(Release.module_id, Release.version) > after)
        .order_by(Release.module_id, Release.version)
        .limit(limit)
        .options(*WITH_CONTENTS)
    )
    return session.scalars(rows).all()


def named(session: Session, modules: Collection[str], versions: Collection[str]) -> Sequence[Release]:
    """Return the releases, claimed ones too, of any of the *modules* in any of the *versions*, with their files."""
    rows = select(Release).join(Module).where(Module.name.in_(modules), Release.version.in_(versions))
    return session.scalars(rows.options(*WITH_FILES)).all()


def published_names(session: Session, modules: Collection[str]) -> list[TarballName]:
    """Return the names of the published tarballs of all these *modules*, each module's in the order of versions."""
    return _names(session, Module.name.in_(modules))


def offered_names(session: Session, modules: Collection[str]) -> list[TarballName]:
    """Return those of them that are neither yanked nor quarantined."""
    return _names(session, Module.name.in_(modules), Release.yanked_at.is_(None), Release.quarantined_at.is_(None))


def _names(session: Session, *conditions: ColumnElement[bool]) -> list[TarballName]:
    rows = session.execute(
        select(Module.name, Release.version, Release.compression, Release.directory)
        .join(Module)
        .where(Release.published_at.is_not(None), *conditions)
    )
    names = [
        TarballName(module, Version.parse_imported(version), compression, directory)
        for module, version, compression, directory in rows
    ]
    return sorted(names, key=lambda name: (name.module, name.version))


def _published_of(module: str | None, version: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Release.published_at.is_not(None)]
    if module is not None:
        conditions.append(Module.name == module)
    if version is not None:
        conditions.append(Release.version == version)
    return conditions
