"""The public keys that maintainers sign tarballs with."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from release_service.db.tables.base import Base, Id
from release_service.db.tables.persons import Person


class SigningKey(Base):
    """A person's registered certificate: it may sign from `may_sign_from` on, or since another maintainer consented.

    A row is never deleted: what it has signed is still to be verified.  Two persons may register the same certificate:
    nobody can keep somebody else's from them.  `expires_at` is when nothing in it can sign any more, None for never;
    `revoked_fingerprints` are subkeys that were revoked: an older copy of the certificate would not know.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (UniqueConstraint("person_id", "fingerprint"), Index(None, "fingerprint"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"))
    fingerprint: Mapped[str] = mapped_column(String(40))
    certificate: Mapped[str] = mapped_column(Text)
    signing_fingerprints: Mapped[list[str]] = mapped_column(JSON)
    revoked_fingerprints: Mapped[list[str]] = mapped_column(JSON)
    user_id: Mapped[str] = mapped_column(String(255))
    added_at: Mapped[datetime]
    may_sign_from: Mapped[datetime]
    consented_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    expires_at: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(lazy="raise", foreign_keys=[person_id])
    consented_by: Mapped[Person | None] = relationship(lazy="raise", foreign_keys=[consented_by_id])
