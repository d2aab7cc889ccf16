"""The ports of one process: every side effect goes through `Process.effect`, which may fail, or be the last one."""

import smtplib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from random import Random
from typing import Any, Protocol, Self

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from crash.cdn_model import ModelCdn
from crash.faults import CDN, DATABASE, FRONT, MAIL, STORE, Effect
from crash.store_model import ModelStore
from release_service.db import Transactions
from release_service.errors import CdnUnavailable, DatabaseUnavailable, StoreUnavailable
from release_service.store import Document, Source, Staged, Stored


class Performs(Protocol):
    """Whoever counts effects."""

    def effect(self, effect: Effect, do: Callable[[], Any], failure: BaseException) -> Any: ...

    def wait_to_write(self) -> None: ...

    def end_writing(self) -> None: ...


class StorePort:
    def __init__(self, process: Performs, store: ModelStore) -> None:
        self._process, self._store = process, store

    @contextmanager
    def stage(self, key: str, source: Source) -> Iterator[Staged]:
        self._do(f"stage {key}", lambda: None, writes=False)
        with self._store.stage(key, source) as staged:
            yield _StagedPort(self, key, staged)

    def add(self, key: str, content: bytes) -> None:
        self._do(f"add {key}", lambda: self._store.add(key, content))

    def read(self, key: str) -> Document | None:
        found: Document | None = self._do(f"read {key}", lambda: self._store.read(key), writes=False)
        return found

    def digest(self, key: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self._do(f"digest {key}", lambda: self._store.digest(key), writes=False)
        return found

    def pieces(self, key: str) -> Iterator[bytes]:
        yield from self._do(f"pieces {key}", lambda: self._store.pieces(key), writes=False)

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        self._do(f"replace {key}", lambda: self._store.replace(key, content, expected=expected))

    def remove(self, key: str) -> None:
        self._do(f"remove {key}", lambda: self._store.remove(key))

    def keys(self, prefix: str) -> Iterator[str]:
        yield from self._do(f"keys {prefix}", lambda: self._store.keys(prefix), writes=False)

    def listing(self, prefix: str) -> Iterator[Stored]:
        yield from self._do(f"listing {prefix}", lambda: self._store.listing(prefix), writes=False)

    def sweep(self, before: datetime) -> int:
        swept: int = self._do("sweep", lambda: self._store.sweep(before), writes=False)
        return swept

    def ping(self) -> None:
        self._do("ping", self._store.ping, writes=False)

    def close(self) -> None:
        """Let go of nothing."""

    def _do(self, what: str, do: Callable[[], Any], *, writes: bool = True) -> Any:
        return self._process.effect(Effect(STORE, what, writes), do, StoreUnavailable("The store is down."))


class _StagedPort:
    def __init__(self, port: StorePort, key: str, staged: Staged) -> None:
        self._port, self._key, self._staged = port, key, staged

    def add(self) -> None:
        self._port._do(f"add {self._key}", self._staged.add)


class TransactionsPort(Transactions):
    """Transactions whose commits are the effects.  What a transaction that wrote nothing did is a read."""

    def __init__(self, process: Performs, real: Transactions) -> None:
        self._process, self._real = process, real
        self.engine: Engine = real.engine

    def begin(self) -> AbstractContextManager[Session]:
        return self._open(self._real.begin)

    def read(self) -> AbstractContextManager[Session]:
        return self._open(self._real.read, only_reads=True)

    @contextmanager
    def _open(
        self, begin: Callable[[], AbstractContextManager[Session]], *, only_reads: bool = False
    ) -> Iterator[Session]:
        if not only_reads:
            self._process.wait_to_write()
        context, is_over = begin(), False
        session = context.__enter__()

        def end() -> None:
            nonlocal is_over
            is_over = True
            context.__exit__(None, None, None)

        try:
            before = _changes(session)
            yield session
            session.flush()
            effect = Effect(DATABASE, "read" if only_reads else "commit", _changes(session) != before)
            self._process.effect(effect, end, DatabaseUnavailable("The database is down."))
        except BaseException as error:
            if not is_over:
                with suppress(type(error)):
                    context.__exit__(type(error), error, error.__traceback__)
            raise
        finally:
            if not only_reads:
                self._process.end_writing()


def _changes(session: Session) -> int:
    connection: Any = session.connection().connection.driver_connection
    changes: int = connection.total_changes
    return changes


class CdnPort:
    """Purges that fail half-way: of several URLs the first half is forgotten when it says that it cannot."""

    def __init__(self, process: Performs, cdn: ModelCdn) -> None:
        self._process, self._cdn = process, cdn

    def purge_keys(self, keys: Collection[str]) -> None:
        self._do(f"purge {' '.join(keys)}", lambda: self._cdn.purge_keys(keys))

    def purge_paths(self, keys: Collection[str]) -> None:
        these = list(keys)
        half = len(these) // 2
        self._do(f"purge {' '.join(these[:half])}", lambda: self._cdn.purge_paths(these[:half]))
        self._do(f"purge {' '.join(these[half:])}", lambda: self._cdn.purge_paths(these[half:]))

    def _do(self, what: str, do: Callable[[], None]) -> None:
        self._process.effect(Effect(CDN, what, writes=True), do, CdnUnavailable("The CDN cannot be told."))


class FrontPort:
    def __init__(self, process: Performs, cdn: ModelCdn) -> None:
        self._process, self._cdn = process, cdn

    def digest(self, key: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self._do(key, lambda: self._cdn.digest(key))
        return found

    def read(self, key: str) -> bytes | None:
        found: bytes | None = self._do(key, lambda: self._cdn.read(key))
        return found

    def _do(self, key: str, do: Callable[[], Any]) -> Any:
        return self._process.effect(Effect(FRONT, key, writes=False), do, CdnUnavailable("The CDN is down."))


class MailPort:
    """What stands where `smtplib.SMTP` would; a reply that is lost was a mail that was taken."""

    def __init__(self, process: Performs, deliver: Callable[[EmailMessage], None]) -> None:
        self._process, self._deliver = process, deliver

    def send_message(self, message: EmailMessage) -> None:
        effect = Effect(MAIL, str(message["Subject"]), writes=True)
        self._process.effect(effect, lambda: self._deliver(message), smtplib.SMTPServerDisconnected("gone"))


class OneByOne:
    """An executor that does all tasks in this thread when they are waited for: in order, or as a seed has it."""

    order: Random | None = None

    def __init__(self, *_: object, **__: object) -> None:
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._work()

    def submit(self, do: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.append((future, lambda: do(*arguments)))
        return future

    def map(self, do: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        futures = [self.submit(do, *these) for these in zip(*arguments, strict=True)]
        self._work()
        return (future.result() for future in futures)

    def _work(self) -> None:
        tasks, self._waiting = self._waiting, []
        if self.order is not None:
            self.order.shuffle(tasks)
        for future, do in tasks:
            try:
                future.set_result(do())
            except BaseException as error:  # noqa: BLE001 - as an executor does
                future.set_exception(error)
