"""Lets `release-service serve`, or `worker`, die by SIGKILL before or after its nth effect, counted from its start.

Effects are what others can see: each write to the store, and each commit.  Nothing in the service knows of this:
it is given a store and transactions that count.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from release_service import cli, wiring
from release_service.db import Transactions
from release_service.publish import Service
from release_service.settings import Settings
from release_service.store import Document, ReleaseStore, Source, Staged

# What these do is not of the act that is looked at.
_BESIDE = {"serve": ("worker", "lease"), "worker": ("lease",)}


def die(nth: int, *, after: bool, command: str) -> None:
    """Let the command that is typed next in this process be killed before, or *after*, its effect *nth*."""
    build_service = wiring.build_service
    countdown = Countdown(nth, after=after, beside=_BESIDE[command])

    def build_counting(settings: Settings) -> Service:
        service = build_service(settings)
        store: Any = CountingStore(service.store, countdown)
        return replace(service, store=store, transactions=CountingTransactions(service.transactions, countdown))

    wiring.build_service = cli.build_service = build_counting  # type: ignore[attr-defined] # cli imports it


class Countdown:
    """Kills the process at the nth effect of threads that are not named as those *beside* the act."""

    def __init__(self, nth: int, *, after: bool, beside: tuple[str, ...]) -> None:
        self._left, self._after, self._beside = nth, after, beside
        self._lock = threading.Lock()

    def effect(self, do: Callable[[], Any]) -> Any:
        """Do it, if the process lives so long."""
        if threading.current_thread().name in self._beside:
            return do()
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = do()
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class CountingStore:
    """A store whose writes are effects."""

    def __init__(self, store: ReleaseStore, countdown: Countdown) -> None:
        self._store, self._countdown = store, countdown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def stage(self, key: str, source: Source) -> Iterator[Staged]:
        with self._store.stage(key, source) as staged:
            countdown = self._countdown

            class Counting:
                def add(self) -> None:
                    countdown.effect(staged.add)

            yield Counting()

    def add(self, key: str, content: bytes) -> None:
        self._countdown.effect(lambda: self._store.add(key, content))

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        self._countdown.effect(lambda: self._store.replace(key, content, expected=expected))

    def remove(self, key: str) -> None:
        self._countdown.effect(lambda: self._store.remove(key))


class CountingTransactions(Transactions):
    """Transactions whose commits are effects."""

    def __init__(self, transactions: Transactions, countdown: Countdown) -> None:
        super().__init__(transactions.engine)
        self._countdown = countdown

    def begin(self) -> AbstractContextManager[Session]:
        return self._counting(super().begin())

    @contextmanager
    def _counting(self, transaction: AbstractContextManager[Session]) -> Iterator[Session]:
        session = transaction.__enter__()
        try:
            yield session
        except BaseException as error:
            if not transaction.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            self._countdown.effect(lambda: transaction.__exit__(None, None, None))
