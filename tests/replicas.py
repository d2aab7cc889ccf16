"""Several replicas over one database, whose clock the test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.testclient import TestClient

from databases import migrate_if_empty
from release_service.demo.gitlab import StandInGitLab
from release_service.refusals import Refusals
from release_service.settings import Settings
from release_service.web.app import create_app
from release_service.wiring import build
from uploads import Environment, Uploads


@dataclass(slots=True)
class Clock:
    """A clock that stands still, in the middle of a minute and of an hour, until it is moved."""

    now: datetime = field(default=datetime(2126, 3, 18, 12, 30, 20, tzinfo=UTC))

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


@contextmanager
def replica(
    environment: Environment, gitlab: StandInGitLab, clock: Clock, address: str = "203.0.113.7", **changes: Any
) -> Iterator[Uploads]:
    """Build a service over *environment* that goes by *clock*, and is asked from *address*; *changes* are settings."""
    given = {name.removeprefix("RELEASE_SERVICE_").lower(): value for name, value in environment.items()}
    built = build(Settings(_env_file=None, **given | changes))
    service = replace(built.service, now=clock)
    parts = replace(built, service=service, refusals=Refusals(service))
    engine = service.transactions.engine
    migrate_if_empty(engine)
    with TestClient(create_app(parts), client=(address, 50000)) as http:
        yield Uploads(parts, http, gitlab)
    parts.publishing.shutdown()
    service.store.close()
    engine.dispose()
