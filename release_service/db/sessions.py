"""Web sessions, by the SHA-256 of their ids.  Queries take a session and never commit."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from release_service.db.tables import WebSession


def find(session: Session, id_sha256: str, now: datetime) -> dict[str, Any] | None:
    """Return what the web session holds, None if there is none or its time is over."""
    return session.scalar(
        select(WebSession.content).where(WebSession.id_sha256 == id_sha256, WebSession.expires_at > now)
    )


def write(session: Session, id_sha256: str, content: dict[str, Any], expires_at: datetime) -> None:
    """Keep *content* under that id until *expires_at*."""
    found = session.get(WebSession, id_sha256)
    if found is None:
        session.add(WebSession(id_sha256=id_sha256, content=content, expires_at=expires_at))
    else:
        found.content, found.expires_at = content, expires_at


def end(session: Session, id_sha256: str) -> None:
    """Forget the web session."""
    session.execute(delete(WebSession).where(WebSession.id_sha256 == id_sha256))


def sweep(session: Session, now: datetime) -> None:
    """Forget those whose time is over."""
    session.execute(delete(WebSession).where(WebSession.expires_at < now))
