"""An archive with all that a release can have, and what its database knows of it."""

import os
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload, undefer

import forked
from builders import a_tarball
from registry import GOOD, NAME, People, make_signers, signature
from release_service.db import Transactions, migrate
from release_service.db.tables import ClaimedDigest, Release, ReleaseFile, ReleaseText
from release_service.demo.gitlab import StandInGitLab
from release_service.store import ReleaseStore
from uploads import Environment, Uploads

OFF = ("switch", "off", "uploads", "--reason", "The database is being restored.")
ON = ("switch", "on", "uploads")


@dataclass(frozen=True, slots=True)
class Archived:
    """People, what they have published, and who types the operators' commands."""

    people: People
    environment: Environment
    home: Path

    @property
    def uploads(self) -> Uploads:
        """The service."""
        return self.people.uploads

    @property
    def store(self) -> ReleaseStore:
        """Its store."""
        return self.uploads.parts.service.store

    def type(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Type ``release-service`` and *words*."""
        done = forked.run(*words, environment=os.environ | self.environment, home=self.home)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def publish(self, filename: str, project: str = "", **texts: str) -> bytes:
        """Publish a tarball by a job, and return it."""
        tarball, claims = a_tarball(filename, **texts), {"project": project} if project else {}
        answer = self.uploads.post(filename, tarball, **claims)
        assert answer.status_code == 201, answer.text
        return tarball

    def objects(self) -> dict[str, bytes]:
        """Return all that is in the store."""
        return {key: self.uploads.read(key) for key in self.uploads.stored()}

    def put(self, key: str, content: bytes) -> None:
        """Write past the service what nobody may replace."""
        self.store.replace(key, content, expected=self.store.read(key))

    def empty(self) -> None:
        """Lose the database."""
        engine = self.uploads.parts.service.transactions.engine
        migrate.downgrade(engine, "base")
        migrate.upgrade(engine)

    def execute(self, statement: Any) -> None:
        """Change the database past the service."""
        with self.uploads.parts.service.transactions.begin() as session:
            session.execute(statement)

    def facts(self) -> dict[str, Any]:
        """Return what the database knows of its releases."""
        return facts(self.uploads.parts.service.transactions)


def facts(transactions: Transactions) -> dict[str, Any]:
    """Return what a database knows of its releases: all but ids, and the time of day of their publication."""
    with transactions.read() as session:
        rows = session.scalars(
            select(Release).options(
                joinedload(Release.module),
                joinedload(Release.signature),
                selectinload(Release.files).options(undefer(ReleaseFile.deflated)),
                selectinload(Release.imported),
            )
        ).all()
        texts: dict[int, dict[str, bytes]] = {}
        for text in session.scalars(select(ReleaseText)):
            texts.setdefault(text.release_id, {})[text.name] = zlib.decompress(text.deflated)
        known: dict[str, Any] = {f"{row.module.name} {row.version}": _facts(row, texts) for row in rows}
        known["modules"] = sorted({row.module.name for row in rows})
        known["digests"] = sorted(session.scalars(select(ClaimedDigest.sha256)))
        return known


def _facts(row: Release, texts: dict[int, dict[str, bytes]]) -> dict[str, Any]:
    names = ("directory", "compression", "size", "sha256", "archive", "proof", "claimed_at")
    signed = ("text", "fingerprint", "signing_fingerprint", "signed_at", "added_at")
    return {
        **{name: getattr(row, name) for name in names},
        "published": row.published_at and row.published_at.date(),
        "files": [(file.ext, file.sha256, file.size, zlib.decompress(file.deflated)) for file in row.files],
        "imported": sorted((f.ext, f.path, f.sha256, f.size, f.modified_at) for f in row.imported),
        "signature": row.signature and {name: getattr(row.signature, name) for name in signed},
        "texts": texts.get(row.id, {}),
    }


NEWS = "{}\n====\n\n* one\n* two\n* three\n\n"


@contextmanager
def make_archived(environment: Environment, gitlab: StandInGitLab, home: Path) -> Iterator[Archived]:
    """Publish nine releases of three modules, one an alias: signed with it and later, with news and without."""
    with make_signers(environment, gitlab) as people:
        archived = Archived(people, environment, home)
        assert people.ask("PUT", "/api/v1/modules/gtk+", "carol", {"alias_of": "gtk"}).is_success
        assert people.uploads.post(NAME, GOOD).status_code == 201
        assert people.ask("PUT", "/api/v1/releases/gtk/4.18.1/signature", "bob", signature()).status_code == 201
        for number in (2, 3):
            texts = {"NEWS": NEWS.format(number) + "1\n2\n3\n4\n", "ChangeLog": NEWS.format(f"log {number}")}
            archived.publish(f"gtk-4.18.{number}.tar.xz", **texts)
        archived.publish("gtk-4.20.0.tar.gz")
        for number in (1, 2, 10):
            archived.publish(f"glib-2.80.{number}.tar.xz", NEWS=NEWS.format(number))
        archived.publish("glib-2.81.0.tar.gz", NEWS="short\n")
        archived.publish("gtk+-3.24.1.tar.xz", project="GNOME/gtk", NEWS=NEWS.format("alias"))
        yield archived
