"""Modules, and who may publish them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from release_service.db.tables.base import Base, Id
from release_service.db.tables.persons import Person


class Module(Base):
    """A module; `folded` is its name in lower case, unique: gtk and GTK cannot both be.

    An alias (gtk+ of gtk) is a module, too, with `alias_of_id`: it has releases and a directory of
    its own, and the rights of the module that it stands for.
    """

    __tablename__ = "modules"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    folded: Mapped[str] = mapped_column(String(100), unique=True)
    alias_of_id: Mapped[int | None] = mapped_column(ForeignKey("modules.id"))
    tag_pattern: Mapped[str | None] = mapped_column(String(255))
    signatures: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]


class Publisher(Base):
    """A GitLab project that may publish a module: pinned by both ids, its path beside them.

    `environment`, where it is not empty, is the deployment environment that the job must name.
    """

    __tablename__ = "publishers"
    __table_args__ = (UniqueConstraint("module_id", "project_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    project_id: Mapped[str] = mapped_column(String(32))
    namespace_id: Mapped[str] = mapped_column(String(32))
    project_path: Mapped[str] = mapped_column(String(512))
    environment: Mapped[str] = mapped_column(String(255), server_default="")
    created_at: Mapped[datetime]


class Maintainer(Base):
    """A person who may publish a module, and change who else may; `by_administrator`: one has said so."""

    __tablename__ = "maintainers"
    __table_args__ = (UniqueConstraint("module_id", "person_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("modules.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"))
    by_administrator: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


class Block(Base):
    """Who may not publish, whatever else they may.

    Without a module: nothing at all.  With an empty issuer and subject: nobody may publish the
    module.  Subjects are those of `identity.Uploader`: ``project:1665``, or a person's.
    Only administrators lift what administrators have blocked.
    """

    __tablename__ = "blocks"
    __table_args__ = (Index(None, "module_id"), Index(None, "issuer", "subject"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    module_id: Mapped[int | None] = mapped_column(ForeignKey("modules.id"))
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(String(1000))
    by_administrator: Mapped[bool]
    created_at: Mapped[datetime]
