"""A service built in this process, spoken to over ASGI, with a look at what it leaves behind."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import func, select
from starlette.testclient import TestClient

from databases import migrate_if_empty
from release_service.db import audit
from release_service.db.tables import Base, FollowUp
from release_service.demo.gitlab import StandInGitLab
from release_service.settings import Settings
from release_service.store import ReleaseStore
from release_service.store.local import LocalStore
from release_service.store.s3 import S3Store
from release_service.web.app import create_app
from release_service.wiring import Parts, build

Environment = dict[str, str]
# What counts, and what is written down, whatever the verdict.
ALSO_FOR_REFUSALS = {"audit", "audit_pending", "audit_head", "rate_counts", "persons", "mails"}


@dataclass(frozen=True, slots=True)
class Uploads:
    """A service of one kind, spoken to over ASGI; what it has stored and written down can be looked at."""

    parts: Parts
    http: TestClient
    gitlab: StandInGitLab

    def post(self, filename: str, content: bytes, *, token: str | None = None, **claims: Any) -> httpx2.Response:
        """Send a tarball as GNOME's CI component does; *claims* change what the job's token says."""
        headers = {"Authorization": f"Bearer {token or self.token(filename, **claims)}"}
        files = {"tarball": (filename, content)}
        return self.http.post("/install-module-release", headers=headers, files=files)

    def token(self, filename: str, **claims: Any) -> str:
        """Return the ID token of a job that may publish *filename*, unless *claims* say otherwise."""
        module, _, version = filename.partition(".tar.")[0].rpartition("-")
        project = claims.pop("project", f"GNOME/{module}")
        return self.gitlab.token(project, claims.pop("tag", version), **claims)

    def stored(self) -> list[str]:
        """Return every key in the store."""
        return list(self.parts.service.store.keys(""))

    def read(self, key: str) -> bytes:
        """Return the object under *key*, which must be there."""
        document = self.parts.service.store.read(key)
        assert document is not None, key
        return document.content

    def rows(self) -> dict[str, int]:
        """Return how many rows each table has, but for those that also a refusal writes."""
        with self.parts.service.transactions.begin() as session:
            tables = [table for table in Base.metadata.sorted_tables if table.name not in ALSO_FOR_REFUSALS]
            return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}

    def pass_by(self, span: timedelta) -> None:
        """Let what was promised, and is not kept, be older: a lease, and what is due, go by the database's clock."""
        with self.parts.service.transactions.begin() as session:
            for promised in session.scalars(select(FollowUp).where(FollowUp.kept_at.is_(None))):
                promised.promised_at -= span
                promised.due_at = promised.due_at and promised.due_at - span
                promised.leased_until = promised.leased_until and promised.leased_until - span

    def audited(self) -> list[dict[str, Any]]:
        """Return the rows of the audit, oldest first."""
        with self.parts.service.transactions.begin() as session:
            return [audit.as_object(row) for row in audit.exported(session, 0)]

    def staged(self) -> list[Path]:
        """Return what lies in the staging directory."""
        return list(self.parts.settings.staging.glob("*"))


@contextmanager
def open_store(environment: Environment) -> Iterator[ReleaseStore]:
    """Open the store that *environment* names, beside the service that uses it."""
    url = environment["RELEASE_SERVICE_STORE_URL"]
    if url.startswith("file:"):
        yield LocalStore(Path(url.removeprefix("file:")))
        return
    with closing(S3Store(url.removeprefix("s3://"), environment["RELEASE_SERVICE_S3_ENDPOINT_URL"])) as store:
        yield store


@contextmanager
def make_uploads(environment: Environment, gitlab: StandInGitLab, **changes: Any) -> Iterator[Uploads]:
    """Build a service over *environment*; *changes* are further settings."""
    given = {name.removeprefix("RELEASE_SERVICE_").lower(): value for name, value in environment.items()}
    parts = build(Settings(_env_file=None, **given | changes))
    engine = parts.service.transactions.engine
    migrate_if_empty(engine)
    with TestClient(create_app(parts)) as http:
        yield Uploads(parts, http, gitlab)
    parts.publishing.shutdown()
    parts.service.store.close()
    engine.dispose()
