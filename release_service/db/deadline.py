"""Bounds how long anybody waits for PostgreSQL, whatever lies between.

`statement_timeout` is the server's: who waits for an answer that is lost on its way waits for ever.  Nor does TCP tell,
if it is a proxy that takes what is sent: `tcp_user_timeout` is about a peer that takes nothing.
"""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

_INTERVAL_S = 0.1  # of psycopg: how often it looks whether it was interrupted
_T = TypeVar("_T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server says nothing for `longest_s`."""

    longest_s: float | None = None

    def wait(self, gen: PQGen[_T], interval: float = _INTERVAL_S, timeout: float | None = None) -> _T:
        """Wait for the server.  (Raises: psycopg.OperationalError.)"""
        if timeout is not None or self.longest_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.longest_s)
        except psycopg.errors._WaitTimeout as silence:  # noqa: SLF001 - what `wait` is documented to raise
            self.close()
            raise psycopg.OperationalError(f"nothing came for {self.longest_s:.0f} seconds") from silence


def bound(engine: Engine, longest_s: float) -> None:
    """Let no connection of *engine* wait longer than *longest_s* for the server."""

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **named)
        connection.longest_s = longest_s
        return connection
