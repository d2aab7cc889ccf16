"""Migrations: from whatever the database is to what `tables` say.

They lie in ``alembic/`` at the top of the repository, and as ``release_service/migrations`` in a wheel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from alembic import command
from release_service.errors import DatabaseUnavailable

_PACKAGE = Path(__file__).parent.parent
# A number that only we use: two replicas that migrate at once do so one after the other.
_LOCK = 0x474E4F4D45


def config() -> Config:
    """Return Alembic's configuration; the scripts are found beside or inside the package."""
    inside, beside = _PACKAGE / "migrations", _PACKAGE.parent / "alembic"
    configuration = Config()
    configuration.set_main_option("script_location", str(inside if inside.is_dir() else beside))
    configuration.set_main_option("path_separator", "os")
    return configuration


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database up to *revision*, all of it in one transaction; nothing happens if it is there."""
    with _migrating(engine) as configuration:
        command.upgrade(configuration, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to *revision*, all of it in one transaction; ``base`` is empty."""
    with _migrating(engine) as configuration:
        command.downgrade(configuration, revision)


@contextmanager
def _migrating(engine: Engine) -> Iterator[Config]:
    configuration = config()
    with engine.connect() as connection:
        sqlite = connection.connection.driver_connection if engine.dialect.name == "sqlite" else None
        if sqlite is not None:
            # SQLite makes tables anew under the rows that refer to them.  Inside a transaction it would not listen.
            sqlite.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if sqlite is None:
                connection.execute(text("SET LOCAL statement_timeout = '120s'; SET LOCAL lock_timeout = '120s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            configuration.attributes["connection"] = connection
            yield configuration
            if sqlite is not None and connection.execute(text("PRAGMA foreign_key_check")).all():
                raise RuntimeError("the migration leaves rows that refer to nothing")
        if sqlite is not None:
            sqlite.execute("PRAGMA foreign_keys = ON")


def prepare(engine: Engine) -> None:
    """Bring an embedded database up to date; raise DatabaseUnavailable if another one is not."""
    if engine.dialect.name == "sqlite":
        upgrade(engine)
    elif not is_current(engine):
        raise DatabaseUnavailable("The database is not migrated: run 'release-service migrate' first.")


def is_current(engine: Engine) -> bool:
    """Say whether the database is at the newest revision.  (Raises: DatabaseUnavailable.)"""
    newest = ScriptDirectory.from_config(config()).get_current_head()
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() == newest
    except OperationalError as error:
        raise DatabaseUnavailable("The database does not answer.") from error
