"""What the operators' commands work on: the service of the settings, and who types."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from release_service import log
from release_service.db.migrate import prepare
from release_service.errors import Refused
from release_service.publish import Service
from release_service.settings import Settings
from release_service.wiring import build_service


@contextmanager
def service() -> Iterator[Service]:
    """Yield the service; an SQLite database is migrated first.  A refusal is told, and ends the command with 3."""
    settings = Settings()
    log.configure(settings.log_format)  # to standard error: what is printed is for pipes
    built = build_service(settings)
    engine = built.transactions.engine
    prepare(engine)
    try:
        yield built
    except Refused as refusal:
        typer.echo(f"{refusal.title}. ({refusal.code})\n{refusal.detail}\n{refusal.next_step}", err=True)
        raise typer.Exit(3) from None
    finally:
        built.store.close()
        engine.dispose()


def login() -> str:
    """Return who types, as this system knows them; behind sudo, root says who that was."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's random UID has no name
        name = f"uid {uid}"
    behind = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    return f"{behind} (sudo)" if behind else name
