"""The world of one run: the real code in processes that can die, and what outlives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

from crash import invariants
from crash.cdn_model import ModelCdn
from crash.database import Database
from crash.faults import DATABASE, Died, Effect, Fault, Plan, no_faults
from crash.invariants import Seen, hold
from crash.process import Clock, Process
from crash.readers import Reader, Rows, rows_of, urls_of, versions
from crash.requests import Request
from crash.store_model import ModelStore
from crash.turns import Turns
from release_service.errors import Refused, Unavailable

DONE, REFUSED, UNAVAILABLE, DEAD = "done", "refused", "unavailable", "dead"
_MOST_EFFECTS = 1500
_ROUNDS, _ROUND = 8, timedelta(seconds=61)

_TABLES = ("modules", "releases", "release_files", "release_signatures", "token_uses", "publishers", "follow_ups")
_COUNTS = [f"SELECT count(*) FROM {table}" for table in _TABLES]  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Copy:
    """All that outlives a process, and what readers and clients remember."""

    database: bytes
    objects: dict[str, bytes]
    kept: dict[str, tuple[bytes | None, datetime]]
    time: datetime
    mails: list[EmailMessage]
    readers: list[tuple[dict[str, bytes], dict[str, frozenset[str]]]]
    accepted: list[Request]
    refused: list[Request]
    ids: int


class World:
    """One database, one store, one CDN (or none), one mail server, readers, clients."""

    def __init__(self, database: Database, clock: Clock, staging: Path) -> None:
        self.database, self.clock, self.staging = database, clock, staging
        self.store = ModelStore()
        self.cdn = ModelCdn(self.store, clock.now)
        self.turns = Turns()
        self.has_cdn, self.count, self.ids = False, 0, 0
        self.faults: Plan = no_faults
        self.checks = invariants.AFTER_EVERY_EFFECT
        self.mails: list[EmailMessage] = []
        self.accepted: list[Request] = []
        self.refused: list[Request] = []
        self.urls: list[str] = []
        self.processes: dict[str, Process] = {}
        self.watch: Callable[[Effect], None] | None = None
        self._rows: Rows | None = None
        self._last: tuple[object, ...] = ()
        self._readers()

    def _readers(self) -> None:
        self.origin = Reader("origin", self.store.objects.get)
        self.outside = Reader("CDN", self.cdn.read)

    @property
    def readers(self) -> list[Reader]:
        return [self.origin, self.outside] if self.has_cdn else [self.origin]

    # -- what happens at an effect -------------------------------------------------------------------------------

    def perform(self, process: Process, effect: Effect, do: Callable[[], Any], failure: BaseException) -> Any:
        """Do it, unless the plan has a fault for it; hold the invariants after it."""
        index, self.count = self.count, self.count + 1
        hold("I15", self.count < _MOST_EFFECTS, f"it goes round and round: {effect}")
        fault = self.faults(index, effect)
        self.clock.time += self.clock.tick
        if fault is Fault.CRASH_BEFORE:
            process.die()
        if fault is Fault.ERROR:
            raise failure
        done = do()
        if effect.writes and effect.part == DATABASE:
            self._rows = None
        self.check()
        if self.watch is not None:
            self.watch(effect)
        if fault is Fault.CRASH_AFTER:
            process.die()
        if fault is Fault.REPLY_LOST:
            raise failure
        return done

    def rows(self) -> Rows:
        if self._rows is None:
            self._rows = rows_of(self.database)
        return self._rows

    def check(self) -> None:
        """Let both readers poll every URL, and hold what must always hold."""
        rows = self.rows()
        views = [reader.look(self.urls) for reader in self.readers]
        now = (rows, *views)
        if now == self._last:
            return
        self._last = now
        for reader, view in zip(self.readers, views, strict=True):
            seen = Seen(reader, view, rows)
            for invariant in self.checks:
                invariant(seen)

    def deliver(self, message: EmailMessage) -> None:
        """Take a mail.  What it tells of is readable, index and all (I10)."""
        tarball, _, what = message["Subject"].partition(" was ")
        release, _, ext = tarball.partition(".tar.")
        module, _, version = release.rpartition("-")
        series = version.rpartition(".")[0]
        key = f"sources/{module}/{series}/{tarball}" + (".asc" if what == "signed" else "")
        hold("I10", ext == "xz", f"an unknown mail: {message['Subject']}")
        for reader in self.readers:
            view = reader.look(self.urls)
            hold("I10", view[key] is not None, f"{reader.name}: {message['Subject']}, and {key} is not readable")
            hold("I10", version in versions(view, module), f"{reader.name}: {message['Subject']}, and is not named")
        self.mails.append(message)

    # -- processes and clients -----------------------------------------------------------------------------------

    def start(self, name: str = "a") -> Process:
        """Start a process: all that it knows is what is stored."""
        return Process(self, name)

    def send(self, process: Process, request: Request) -> str:
        """Send *request*; return what became of it, and remember what was answered."""
        before = self.substance()
        try:
            request.send(process.service)
        except Died:
            return DEAD
        except Unavailable:
            return UNAVAILABLE
        except Refused:
            self.refused.append(request)
            if not self.turns.is_shared and not request.names_signature:
                hold("I16", self.substance() == before, f"{request} was refused, and has changed something")
            invariants.i7_what_was_refused_is_not_readable(self)
            return REFUSED
        self.accepted.append(request)
        view, name = self.origin.look(self.urls), request.name
        hold("I6", name.version.text in versions(view, name.module), f"2xx, and the index does not name {name}")
        invariants.i6_what_was_answered_with_2xx_stays(self, self.rows())
        return DONE

    def substance(self) -> tuple[object, ...]:
        """Return what a refused upload leaves as it is: all but audit, counts, persons and mail."""
        return self.store.version, *(self.database.rows(question) for question in _COUNTS)

    def new_id(self) -> UUID:
        """Return an id that is the same in the same run."""
        self.ids += 1
        return UUID(int=self.ids)

    def open_promises(self) -> list[Any]:
        """Return what is promised and not kept, but for claims whose bytes never came; and mails that wait."""
        kinds = self.database.rows(
            "SELECT f.kind, m.name, r.version, f.trouble FROM follow_ups f JOIN releases r ON r.id = f.release_id"
            " JOIN modules m ON m.id = r.module_id WHERE f.kept_at IS NULL"
        )
        waits = [row for row in kinds if row[0] != "finish" or self.has_bytes(row[1], row[2])]
        mails = self.database.rows("SELECT subject FROM mails WHERE sent_at IS NULL")
        signatures = self.database.rows(
            "SELECT 'signature' FROM release_signatures s JOIN releases r ON r.id = s.release_id"
            " WHERE s.published_at IS NULL AND r.published_at IS NOT NULL"
        )
        return [
            *waits,
            *mails,
            *(one for (one,) in signatures),
            *self.database.rows("SELECT audit_id FROM audit_pending"),
        ]

    def has_bytes(self, module: str, version: str) -> bool:
        return f"sources/{module}/{version.rpartition('.')[0]}/{module}-{version}.tar.xz" in self.store.objects

    def rest(self, rounds: int = _ROUNDS) -> None:
        """Let workers work until nothing is due."""
        self.faults, self.count = no_faults, 0
        process = self.start("w")
        for _ in range(rounds):
            open_ = self.open_promises()
            if not open_:
                return
            process.work(anew="signature" in open_)
            if self.open_promises():
                self.clock.time += _ROUND

    def hold_at_rest(self, *, chain: bool = True) -> None:
        """Hold what holds when nobody is at work, and a minute has passed."""
        self.clock.time += _ROUND
        self.check()
        rows = self.rows()
        invariants.i15_nothing_is_held(self)
        invariants.i5_index_rows_and_store_are_the_same(self, rows)
        invariants.i6_what_was_answered_with_2xx_stays(self, rows)
        invariants.i7_what_was_refused_is_not_readable(self)
        invariants.i10_each_release_is_announced(self, rows)
        if chain:
            invariants.i11_the_chain_verifies(self)
        invariants.i14_nothing_temporary_is_left(self)
        if self.has_cdn:
            invariants.i12_the_cdn_shows_the_newest_index(self)

    # -- copies --------------------------------------------------------------------------------------------------

    def save(self) -> Copy:
        readers = [(dict(reader.first), dict(reader.listed)) for reader in (self.origin, self.outside)]
        state = self.database.save(), dict(self.store.objects), dict(self.cdn.kept), self.clock.time
        return Copy(*state, list(self.mails), readers, list(self.accepted), list(self.refused), self.ids)

    def state(self) -> int:
        """Return a number that is the same for worlds that go on alike."""
        remembered = [(tuple(reader.first.items()), tuple(reader.listed.items())) for reader in self.readers]
        kept = tuple(sorted(self.cdn.kept.items(), key=lambda item: item[0])) if self.has_cdn else ()
        said = tuple(message["Subject"] for message in self.mails), tuple(self.accepted), tuple(self.refused)
        objects = tuple(sorted(self.store.objects.items()))
        return hash((self.database.save(), objects, kept, self.clock.time, said, tuple(remembered)))

    def load(self, copy: Copy, *, database: bytes | None = None) -> None:
        """Be as *copy* says, but with another *database*, if one is given; no process is running."""
        self.database.load(copy.database if database is None else database)
        self.store = ModelStore()
        self.store.objects |= copy.objects
        self.cdn = ModelCdn(self.store, self.clock.now)
        self.cdn.kept |= copy.kept
        self.clock.time = copy.time
        self.mails, self.accepted, self.refused = list(copy.mails), list(copy.accepted), list(copy.refused)
        self.turns, self.faults, self.count, self.watch = Turns(), no_faults, 0, None
        self.clock.tick = timedelta(0)
        self.checks, self.ids = invariants.AFTER_EVERY_EFFECT, copy.ids
        self._rows, self._last = None, ()
        self._readers()
        for reader, (first, listed) in zip((self.origin, self.outside), copy.readers, strict=True):
            reader.first |= first
            reader.listed |= listed

    def expect(self, requests: Sequence[Request]) -> None:
        """Let readers poll what these requests will publish, too."""
        self.urls = urls_of(request.name for request in requests)
