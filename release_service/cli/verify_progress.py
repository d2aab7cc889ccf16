"""The progress of `release-service verify`: how far it is, and the file that an interrupted run goes on from."""

import json
import time
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from sqlalchemy.engine import URL, make_url

from release_service.db.releases import Place
from release_service.errors import shown
from release_service.settings import Settings
from release_service.verify import BEGINNING, Scope, Verified

_SAVED_EVERY_S = 1.0
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verification is of: which releases of which database, and in which store; without passwords."""

    scope: str
    database: str
    store: str

    @classmethod
    def of(cls, settings: Settings, scope: Scope) -> "Subject":
        """Return what *settings* name."""
        if settings.tree is not None:
            store = f"file:{settings.tree.absolute()}"
        else:
            store = f"s3://{settings.bucket} {settings.s3_endpoint_url or ''}".strip()
        return cls(str(scope), _without_secrets(make_url(settings.database_url)), store)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs have read, and this one does not: up to the release *last*, and when."""

    last: str
    started: str
    until: str


@dataclass(slots=True)
class Tally:
    """How far a verification is."""

    after: Place = BEGINNING
    last: str = ""
    releases: int = 0
    objects: int = 0
    bytes: int = 0
    findings: int = 0

    def add(self, verified: Verified) -> None:
        """Count a release."""
        self.after, self.last = verified.place, verified.name
        self.releases += 1
        self.count(verified)

    def count(self, verified: Verified) -> None:
        """Count what was read."""
        self.objects += verified.objects
        self.bytes += verified.size
        self.findings += len(verified.findings)

    def __str__(self) -> str:
        """Return the line that says how much was read."""
        found = "1 finding" if self.findings == 1 else f"{self.findings} findings"
        return f"{self.releases} releases, {self.objects} objects, {self.bytes / 1e6:.1f} MB read, {found}"


class Saved:
    """The progress file: written while releases are verified, removed when the verification has come to its end.

    Indexes and foreign files are looked at anew each time: that is quick, and a part of it proves nothing.
    """

    def __init__(self, path: Path | None, subject: Subject) -> None:
        """Read *path*, if it is there; what it holds must be of the same *subject*."""
        self._path, self._subject = path, subject
        self._at = 0.0
        self._started = _now()
        self.tally = Tally()
        self.earlier: Earlier | None = None
        if path is not None and path.exists():
            self.tally, self.earlier = _read(path, subject)
            self._started = self.earlier.started if self.earlier else self._started

    def save(self, *, at_once: bool = False) -> None:
        """Write it, whole or not at all; not more often than once a second."""
        if self._path is None or (not at_once and time.monotonic() - self._at < _SAVED_EVERY_S):
            return
        when = {"started": self._started, "until": _now()}
        new = self._path.with_name(f".{self._path.name}.new")
        new.write_text(json.dumps(asdict(self._subject) | when | asdict(self.tally)) + "\n", encoding="utf-8")
        new.replace(self._path)
        self._at = time.monotonic()

    def end(self) -> None:
        """Remove it."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _without_secrets(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"sqlite:{Path(url.database or '').absolute()}"
    where = {name: value for name, value in url.query.items() if name in {"host", "port"}}
    return URL.create(url.drivername, None, None, url.host, url.port, url.database, where).render_as_string()


def _read(path: Path, subject: Subject) -> tuple[Tally, Earlier | None]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        tally = Tally(**{field.name: found[field.name] for field in fields(Tally)})
        tally.after = (int(tally.after[0]), str(tally.after[1]))
        earlier = Earlier(str(tally.last), *(_moment(found[name]) for name in ("started", "until")))
        saved = {field.name: str(found[field.name]) for field in fields(Subject)}
    except (ValueError, TypeError, IndexError, KeyError):
        raise typer.BadParameter(f"{path} is no progress of a verification") from None
    for name, value in asdict(subject).items():
        if saved[name] != value:
            raise typer.BadParameter(f"{path} is the progress of another {name}: {shown(saved[name])}, not {value}")
    return tally, earlier if tally.releases else None


def _moment(text: str) -> str:
    datetime.strptime(text, _MOMENT)  # noqa: DTZ007 - only its form is asked for
    return text


def _now() -> str:
    return datetime.now(UTC).strftime(_MOMENT)
