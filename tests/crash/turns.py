"""Whose turn it is, of several processes that each run in a thread: one at a time, and the seed chooses which."""

import threading
from dataclasses import dataclass
from random import Random
from typing import Protocol


class Named(Protocol):
    """Who takes turns."""

    name: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """After each of the effects `switch_at` the other one has its turn; without any, by chance.

    `restless`: how probable it is, after each effect, that the other one goes on.
    """

    seed: int
    switch_at: tuple[int, ...] = ()
    restless: float = 0.2


class Turns:
    """Passes the turn on at each effect.  One process alone never waits.

    SQLite has one writer: who wants to write while another does is passed over until that one has ended.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._order = Random(0)  # noqa: S311 - a schedule
        self._schedule, self._taken = Schedule(0), 0
        self.is_shared = False
        self._running: list[str] = []
        self._current = ""
        self.writer: str | None = None
        self._waiting: set[str] = set()

    @property
    def is_alone(self) -> bool:
        """Whether nobody else is under way."""
        return len(self._running) < 2

    def schedule(self, names: list[str], schedule: "Schedule") -> None:
        """Let these take turns, as *schedule* has it."""
        self._order, self._running, self._waiting = Random(schedule.seed), list(names), set()  # noqa: S311 - as above
        self._schedule, self._taken, self.is_shared = schedule, 0, True
        self._current = names[0]

    def take(self, who: Named) -> None:
        """Return when it is *who*'s turn again."""
        if self.is_alone:
            return
        with self._changed:
            self._taken += 1
            if self._current == who.name and self._is_over():
                self._choose()
            self._wait(who)

    def _is_over(self) -> bool:
        if self._schedule.switch_at:
            return self._taken in self._schedule.switch_at
        return self._order.random() < self._schedule.restless

    def begin(self, who: Named) -> None:
        """Return when *who* may begin."""
        with self._changed:
            self._wait(who)

    def end(self, who: Named) -> None:
        """Let the others go on without *who*."""
        with self._changed:
            self._running.remove(who.name)
            if self._running:
                self._choose()

    def wait_to_write(self, who: Named) -> None:
        with self._changed:
            while self.writer not in {None, who.name}:
                self._waiting.add(who.name)
                self._choose()
                self._wait(who)
            self.writer = who.name

    def end_writing(self) -> None:
        with self._changed:
            self.writer = None
            self._waiting.clear()

    def _wait(self, who: Named) -> None:
        if not self._changed.wait_for(lambda: self._current == who.name or len(self._running) == 0, timeout=20):
            raise TimeoutError(f"{who.name} never had its turn: {self._current} has it")

    def _choose(self) -> None:
        able = [name for name in self._running if name not in self._waiting]
        others = [name for name in able if name != self._current]
        self._current = self._order.choice(others or able or self._running)
        self._changed.notify_all()
