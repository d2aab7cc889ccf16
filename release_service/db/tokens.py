"""What tokens were used for: one job's token, one tarball.  Queries take a session and never commit."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from release_service.db.tables import TokenUse
from release_service.errors import TokenAlreadyUsed
from release_service.tarball import TarballName


def use(session: Session, issuer: str, token_id: str, name: TarballName, sha256: str, now: datetime) -> None:
    """Bind the token to this tarball.  Raises TokenAlreadyUsed if it is bound to another."""
    try:
        with session.begin_nested():
            session.add(TokenUse(issuer=issuer, token_id=token_id, filename=str(name), sha256=sha256, used_at=now))
    except IntegrityError:
        pass  # used before: see for what
    refuse_used(session, issuer, token_id, name, sha256)


def refuse_used(session: Session, issuer: str, token_id: str, name: TarballName, sha256: str) -> None:
    """Raise TokenAlreadyUsed if the token is bound to another tarball than this; it may be bound to none."""
    use = session.scalar(select(TokenUse).where(TokenUse.issuer == issuer, TokenUse.token_id == token_id))
    if use is not None and (use.filename, use.sha256) != (str(name), sha256):
        raise TokenAlreadyUsed(f"It was used for {use.filename} with SHA-256 {use.sha256}.")
