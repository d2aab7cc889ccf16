"""The database: engine, transactions, and what its failures are called.

SQLAlchemy 2 on SQLite (embedded) and PostgreSQL (production); one schema, one set of migrations.
Queries (`modules`, `releases`, `follow_ups`) take a session and never commit: `publish.py` owns
the transactions.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Engine, Update, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from release_service.db import deadline
from release_service.errors import DatabaseUnavailable

_LOCK_WAIT_S = 30
_ONLY_READS = "only_reads"
_NOW = "now"
# No request waits for ever: not for a peer that has vanished, not for a lock, not for a stuck server.
_POSTGRESQL = {
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
STATEMENT_S = 30
_ANSWER_S = 5  # so much later the server's own word, that it took too long, must have come


def connect(url: str, statement_s: float = STATEMENT_S) -> Engine:
    """Return an engine for *url*; no connection is made yet.  PostgreSQL may work *statement_s* on a statement."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        limits = f"-c statement_timeout={statement_s:.0f}s -c lock_timeout={statement_s * 2 / 3:.0f}s"
        engine = create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=20,
            connect_args=_POSTGRESQL | {"options": f"{limits} -c idle_in_transaction_session_timeout=60s"},
            hide_parameters=True,  # an error's text must not hold what a person's row holds
        )
        deadline.bound(engine, statement_s + _ANSWER_S)
        return engine
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": _LOCK_WAIT_S}, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediately)
    return engine


def _set_up_sqlite(connection, _record) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - DB-API
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a 2xx outlives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediately(connection) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - event
    # A transaction that reads first and writes later would fail instead of waiting.
    only_reads = connection.get_execution_options().get(_ONLY_READS)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _now() -> datetime:
    return datetime.now(UTC)


class Transactions:
    """Begins transactions: ``with transactions.begin() as session:`` commits, or rolls back."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = _now) -> None:
        """Use *engine*; *now* is the clock of a database that has none (see `clock`)."""
        self.engine = engine
        reading = engine.execution_options(**{_ONLY_READS: True})
        self._sessions = sessionmaker(engine, expire_on_commit=False, info={_NOW: now})
        self._readers = sessionmaker(reading, expire_on_commit=False, info={_NOW: now})

    def begin(self) -> contextlib.AbstractContextManager[Session]:
        """Yield a session; raises DatabaseUnavailable when the database does not answer."""
        return self._begin(self._sessions)

    def read(self) -> contextlib.AbstractContextManager[Session]:
        """Yield a session that writes nothing: on SQLite it does not wait for those that do, nor they for it."""
        return self._begin(self._readers)

    @contextlib.contextmanager
    def _begin(self, sessions: sessionmaker[Session]) -> Iterator[Session]:
        try:
            with sessions.begin() as session:
                yield session
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            raise DatabaseUnavailable("The database does not answer.") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable("The database went away.") from error
            raise

    def ping(self) -> None:
        """Ask the database for a sign of life.  (Raises: DatabaseUnavailable.)"""
        try:
            with self.engine.execution_options(**{_ONLY_READS: True}).connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise DatabaseUnavailable("The database does not answer.") from error


def changed(session: Session, statement: Update | Delete) -> int:
    """Execute *statement*; return how many rows it has changed."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def clock(session: Session) -> datetime:
    """Return what time it is (UTC) for the database: leases are judged by it alone, replicas' clocks differ.

    SQLite has no clock but its machine's, which is this one.
    """
    if session.get_bind().dialect.name == "sqlite":
        machine: Callable[[], datetime] = session.info[_NOW]
        return machine()
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now.astimezone(UTC)
