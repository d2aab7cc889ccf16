"""Wakes the workers when something is promised: PostgreSQL tells them, with SQLite they look."""

import time
from collections.abc import Callable
from contextlib import suppress

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from release_service.db.deadline import BoundedConnection

_CHANNEL = "follow_ups"
_LONGEST_S = 5


def call(session: Session) -> None:
    """Wake the workers when the transaction commits, and nobody if it does not."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {_CHANNEL}"))


class Waiter:
    """Waits for a call, on a connection of its own; where there is none, for as long as may be."""

    def __init__(self, engine: Engine, wait: Callable[[float], object] = time.sleep) -> None:
        """Listen at the database of *engine*; *wait* waits where nobody calls."""
        self._engine, self._wait = engine, wait
        self._connection: BoundedConnection | None = None

    def wait(self, longest_s: float) -> None:
        """Return when the workers are called, or after *longest_s* seconds: also when the database does not answer."""
        if self._engine.dialect.name != "postgresql":
            self._wait(longest_s)
            return
        try:
            for _call in self._listening().notifies(timeout=longest_s, stop_after=1):
                pass
        except psycopg.Error:
            self.close()
            self._wait(longest_s)

    def _listening(self) -> BoundedConnection:
        if self._connection is None:
            url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = BoundedConnection.connect(url, autocommit=True, connect_timeout=_LONGEST_S)
            self._connection.longest_s = _LONGEST_S
            self._connection.execute(f"LISTEN {_CHANNEL}")
        return self._connection

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
