"""The audit: rows that only grow, and the chain that shows if they did anything else.

A row and its AuditPending are written in the transaction of the act.  A follow-up takes what is
pending, in the order of commits, and links it to the chain; no act ever waits for that.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from release_service.db.tables.base import Base, Id


class AuditRow(Base):
    """One act, accepted or refused: who, by which proof, what, and with which verdict."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "module", "version"), Index(None, "issuer", "subject"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    act: Mapped[str] = mapped_column(String(32))
    verdict: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64))
    proof: Mapped[str] = mapped_column(String(32))
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    login: Mapped[str] = mapped_column(String(255))
    module: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]]


class AuditPending(Base):
    """A row that is not in the chain yet."""

    __tablename__ = "audit_pending"

    audit_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audit.id"), primary_key=True, autoincrement=False)


class AuditLink(Base):
    """Place `seq` (from 1, without gaps) of the chain: `sha256` is over the link before it and the row."""

    __tablename__ = "audit_chain"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    audit_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    sha256: Mapped[str] = mapped_column(String(64))


class AuditHead(Base):
    """Where the chain ends: one row, written in the transaction that makes links; `since` is when the audit began."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    since: Mapped[datetime]
