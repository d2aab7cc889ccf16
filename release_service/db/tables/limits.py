"""What is counted across replicas, and what is switched off."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from release_service.db.tables.base import Base


class RateCount(Base):
    """How often `key` has happened in the window that began at `began` (seconds since 1970, UTC)."""

    __tablename__ = "rate_counts"
    __table_args__ = (Index(None, "began"),)

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    began: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int]


class UploadLease(Base):
    """An upload that is under way in some replica, renewed while it lasts: without that it ends by itself."""

    __tablename__ = "upload_leases"
    __table_args__ = (Index(None, "uploader"), Index(None, "address"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    uploader: Mapped[str] = mapped_column(String(600))
    address: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]


class Switch(Base):
    """Something that an administrator has switched off; no row: it is on."""

    __tablename__ = "switches"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(1000))
    switched_off_at: Mapped[datetime]
