"""Releases, what stands beside them, what tokens were used for, and what was promised."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from release_service.db.tables.base import Base, Id, UtcSecond
from release_service.db.tables.modules import Module


class Release(Base):
    """One version of one module, claimed by one tarball, and published if `published_at` is set.

    `visible_at`: since when readers have it, indexes and all: through the CDN, where there is one.

    All that is stored beside the tarball is made from this row alone, so that an upload that died
    half-way is finished with the very same bytes.

    It is yanked while `yanked_at` is set; `unyanked_at` is set instead once that was undone; `yank_reason` is why
    the one or the other.  A quarantine is for ever.
    """

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("module_id", "version"), Index(None, "sha256"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    version: Mapped[str] = mapped_column(String(64))
    compression: Mapped[str] = mapped_column(String(8))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    archive: Mapped[dict[str, Any]]
    proof: Mapped[dict[str, Any]]
    claimed_at: Mapped[datetime] = mapped_column(UtcSecond)
    published_at: Mapped[datetime | None]
    visible_at: Mapped[datetime | None]
    yanked_at: Mapped[datetime | None]
    unyanked_at: Mapped[datetime | None]
    yank_reason: Mapped[str | None] = mapped_column(String(500))
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str | None] = mapped_column(String(500))
    # Below the module's; NULL: that of the version's series, as it is of every release but some of an old tree's.
    directory: Mapped[str | None] = mapped_column(String(255))

    module: Mapped[Module] = relationship(lazy="raise")
    files: Mapped[list["ReleaseFile"]] = relationship(lazy="raise", order_by="ReleaseFile.id")
    imported: Mapped[list["ImportedFile"]] = relationship(lazy="raise", order_by="ImportedFile.path")
    signature: Mapped["ReleaseSignature | None"] = relationship(lazy="raise")


class ClaimedDigest(Base):
    """The bytes of a claim, so that claims of the same bytes under two names come one after the other.

    No release refers to it, and none is looked for in it: `releases.sha256` says what bytes are there.
    """

    __tablename__ = "claimed_digests"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)


class ReleaseFile(Base):
    """A file published beside the tarball whose bytes are fixed at the claim: news, changes (zlib-compressed here)."""

    __tablename__ = "release_files"
    __table_args__ = (UniqueConstraint("release_id", "ext"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    ext: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    deflated: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class ImportedFile(Base):
    """A file of an old tree that is in the store, and not here: `path` is below the module's directory.

    Of a release: what cache.json lists beside its tarball, by `ext`: a second tarball, sums, news.  Without
    one: whatever else lay there.
    """

    __tablename__ = "imported_files"
    __table_args__ = (UniqueConstraint("module_id", "path"), Index(None, "release_id"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    release_id: Mapped[int | None] = mapped_column(ForeignKey("releases.id"))
    path: Mapped[str] = mapped_column(String(400))
    ext: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    modified_at: Mapped[datetime]


class ModuleImport(Base):
    """A module of which files of an old tree are imported; until `finished_at` is set its indexes are not written."""

    __tablename__ = "module_imports"

    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"), primary_key=True, autoincrement=False)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ReleaseSignature(Base):
    """The one signature of a release: with the claim, or added later; the indexes name it from `published_at` on."""

    __tablename__ = "release_signatures"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"), unique=True)
    text: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(40))
    signing_fingerprint: Mapped[str] = mapped_column(String(40))
    signed_at: Mapped[datetime] = mapped_column(UtcSecond)
    added_at: Mapped[datetime] = mapped_column(UtcSecond)
    published_at: Mapped[datetime | None]


class ReleaseText(Base):
    """NEWS and ChangeLog as the tarball has them, and its listing, zlib-compressed.

    The next version is compared with the first two; the third is for comparing with the tag (docs/decisions/0014).
    """

    __tablename__ = "release_texts"
    __table_args__ = (UniqueConstraint("release_id", "name"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    name: Mapped[str] = mapped_column(String(32))
    deflated: Mapped[bytes] = mapped_column(LargeBinary)


class TokenUse(Base):
    """What a token was used for: the same job may retry the same bytes, nothing else."""

    __tablename__ = "token_uses"
    __table_args__ = (UniqueConstraint("issuer", "token_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    issuer: Mapped[str] = mapped_column(String(255))
    token_id: Mapped[str] = mapped_column(String(1024))
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime]


class FollowUp(Base):
    """A promise made in the commit of a claim, a release, a signature, a yank, a key or a right; open until kept.

    All moments but `promised_at` and `kept_at` are of the database's clock.  From `due_at` on (none: at once) a worker
    may take it, and holds it until `leased_until`; `fence` counts who took it, so that a worker that lost its lease
    cannot put it off for the next one.  `trouble` says why the last of so many `tries` failed; since `gave_up_at`
    nobody tries any more, and a person has to look.
    """

    __tablename__ = "follow_ups"
    __table_args__ = (Index(None, "module_id", "kept_at"), Index(None, "kept_at", "due_at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    promised_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(server_default="0", default=0)
    fence: Mapped[int] = mapped_column(server_default="0", default=0)
    leased_until: Mapped[datetime | None]
    gave_up_at: Mapped[datetime | None]
    trouble: Mapped[str] = mapped_column(String(500), server_default="", default="")

    release: Mapped[Release] = relationship(lazy="raise")
