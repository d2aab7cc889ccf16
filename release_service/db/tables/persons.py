"""Persons whom the SSO has proven, their web sessions, and the mail that is promised to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from release_service.db.tables.base import Base, Id


class Person(Base):
    """A person, named by issuer and subject for ever; login and address are as last seen."""

    __tablename__ = "persons"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    login: Mapped[str] = mapped_column(String(255), index=True)
    email: Mapped[str] = mapped_column(String(320))
    seen_at: Mapped[datetime | None]


class WebSession(Base):
    """A browser's session.  Its cookie holds the id; here is only the id's SHA-256."""

    __tablename__ = "web_sessions"

    id_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Mail(Base):
    """A mail promised in the commit that it tells of; due until `sent_at` is set, or given up after many tries.

    With a `release_id` it waits until readers have that release.
    """

    __tablename__ = "mails"
    __table_args__ = (Index(None, "sent_at", "due_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"))
    message_id: Mapped[str] = mapped_column(String(255), unique=True)
    subject: Mapped[str] = mapped_column(String(255))
    body: Mapped[str] = mapped_column(Text)
    promised_at: Mapped[datetime]
    due_at: Mapped[datetime]
    tries: Mapped[int]
    sent_at: Mapped[datetime | None]
    release_id: Mapped[int | None] = mapped_column(ForeignKey("releases.id"))
