"""A real SQLite database that can be copied, and set back to any earlier copy, in less than a millisecond."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

from release_service.db import Transactions, connect, migrate


class Database:
    """One engine, which keeps what it has compiled, over one file after another."""

    def __init__(self, directory: Path, now: Callable[[], Any]) -> None:
        self._directory, self._number = directory, 0
        self._path = directory / "0.sqlite"
        self.engine = connect(f"sqlite:///{self._path}")
        event.listen(self.engine, "do_connect", self._redirect)
        self.transactions = Transactions(self.engine, now)
        migrate.upgrade(self.engine)
        self._look = self._open()

    def save(self) -> bytes:
        """Return a copy of what is committed."""
        return self._look.serialize()

    def load(self, copy: bytes) -> None:
        """Be *copy* from now on."""
        self.engine.dispose()
        self._look.close()
        for path in self._directory.glob(f"{self._number}.sqlite*"):
            path.unlink()
        self._number += 1
        self._path = self._directory / f"{self._number}.sqlite"
        self._path.write_bytes(copy)
        self._look = self._open()

    def rows(self, question: str, *values: object) -> list[Any]:
        """Look at what is committed."""
        return self._look.execute(question, values).fetchall()

    def close(self) -> None:
        self._look.close()
        self.engine.dispose()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)

    def _redirect(self, _dialect: object, _record: object, arguments: list[Any], _named: dict[str, Any]) -> None:
        arguments[0] = str(self._path)
