"""A process: the real service with ports that ask the world at each effect; it can die."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crash.cdn_model import MISSING_TTL_S
from crash.faults import Died, Effect
from crash.ports import CdnPort, FrontPort, StorePort, TransactionsPort
from release_service.authorize import Policy
from release_service.errors import Unavailable
from release_service.limits import Limits
from release_service.promises import Keeper
from release_service.publish import Service
from release_service.worker import Worker

if TYPE_CHECKING:
    from crash.world import World


class Clock:
    """The one clock of everything; an effect takes `tick`, which is nothing unless a test says."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)  # gpgv has no other clock than this machine's
        self.tick = timedelta(0)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Service(Service):
    """A service whose waits pass at once."""

    def keeper(self) -> Keeper:
        world: Any = self.now.__self__  # type: ignore[attr-defined] # the clock
        return replace(Service.keeper(self), sleep=world.sleep)


@dataclass(eq=False)
class Process:
    """One process: a service whose ports ask the world at each effect."""

    world: "World"
    name: str
    is_alive: bool = True
    sender: str = "release-service@gnome.example"
    service: Service = field(init=False)
    _worker: Worker | None = None

    def __post_init__(self) -> None:
        self.world.processes[self.name] = self
        self.service = self._service()

    def effect(self, effect: Effect, do: Callable[[], Any], failure: BaseException) -> Any:
        self._hold_alive()
        self.world.turns.take(self)
        self._hold_alive()
        return self.world.perform(self, effect, do, failure)

    def wait_to_write(self) -> None:
        self._hold_alive()
        self.world.turns.wait_to_write(self)

    def end_writing(self) -> None:
        self.world.turns.end_writing()

    def die(self) -> None:
        self.is_alive = False
        raise Died

    def work(self, *, anew: bool = False) -> None:
        """Do what a worker of this process does now; *anew*: also what it does once a minute."""
        if self._worker is None or anew:
            self._worker = Worker(self.service, self)  # type: ignore[arg-type] # a mail server: see ports
        with suppress(Unavailable):
            self._worker.work()

    def _hold_alive(self) -> None:
        if not self.is_alive:
            raise Died

    def _service(self) -> Service:
        world = self.world
        return _Service(
            transactions=TransactionsPort(self, world.database.transactions),
            store=StorePort(self, world.store),
            staging=world.staging / self.name,
            policy=Policy(("GNOME",), ("push",), sandbox=False),
            limits=Limits(1000, 100, 100, 1000),
            public_url="https://download.example",
            sends_mail=True,
            purges=CdnPort(self, world.cdn) if world.has_cdn else None,
            front=FrontPort(self, world.cdn) if world.has_cdn else None,
            missing_ttl_s=MISSING_TTL_S,
            now=world.clock.now,
        )
