"""The tables.  No behaviour: what may happen to a row is in the queries beside this module."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# Migrations name constraints, so every constraint has a name that can be derived.
_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC.  SQLite keeps no zone: what it gives back is UTC because nothing else goes in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Store *value*, which must have a zone, as UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """Return what was stored, with its zone."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own form
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
    }


_Id = BigInteger().with_variant(Integer, "sqlite")


class Module(Base):
    """A module; `folded` is its name in lower case, unique: gtk and GTK cannot both be."""

    __tablename__ = "modules"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    folded: Mapped[str] = mapped_column(String(100), unique=True)
    created_at: Mapped[datetime]


class Publisher(Base):
    """A GitLab project that may publish a module: pinned by both ids, its path beside them."""

    __tablename__ = "publishers"
    __table_args__ = (UniqueConstraint("module_id", "project_id"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    project_id: Mapped[str] = mapped_column(String(32))
    namespace_id: Mapped[str] = mapped_column(String(32))
    project_path: Mapped[str] = mapped_column(String(512))
    created_at: Mapped[datetime]


class Release(Base):
    """One version of one module, claimed by one tarball, and published if `published_at` is set.

    All that is stored beside the tarball is made from this row alone, so that an upload that died
    half-way is finished with the very same bytes.
    """

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("module_id", "version"), Index(None, "sha256"))

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    version: Mapped[str] = mapped_column(String(64))
    compression: Mapped[str] = mapped_column(String(8))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    archive: Mapped[dict[str, Any]]
    proof: Mapped[dict[str, Any]]
    claimed_at: Mapped[datetime]
    published_at: Mapped[datetime | None]

    module: Mapped[Module] = relationship(lazy="raise")
    files: Mapped[list["ReleaseFile"]] = relationship(lazy="raise", order_by="ReleaseFile.id")


class ReleaseFile(Base):
    """A file published beside the tarball whose bytes are fixed at the claim: news, changes (zlib-compressed here)."""

    __tablename__ = "release_files"
    __table_args__ = (UniqueConstraint("release_id", "ext"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    ext: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    deflated: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class ReleaseText(Base):
    """NEWS and ChangeLog as the tarball has them, zlib-compressed: the next version is compared with these."""

    __tablename__ = "release_texts"
    __table_args__ = (UniqueConstraint("release_id", "name"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    name: Mapped[str] = mapped_column(String(32))
    deflated: Mapped[bytes] = mapped_column(LargeBinary)


class TokenUse(Base):
    """What a token was used for: the same job may retry the same bytes, nothing else."""

    __tablename__ = "token_uses"
    __table_args__ = (UniqueConstraint("issuer", "token_id"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    issuer: Mapped[str] = mapped_column(String(255))
    token_id: Mapped[str] = mapped_column(String(1024))
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime]


class FollowUp(Base):
    """A promise made in the commit that published a release, open until `kept_at` is set."""

    __tablename__ = "follow_ups"
    __table_args__ = (Index(None, "module_id", "kept_at"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    promised_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]

    release: Mapped[Release] = relationship(lazy="raise")
