"""Runs the application under uvicorn."""

import sys

import uvicorn
from pydantic import ValidationError

from release_service import log
from release_service.db import migrate
from release_service.settings import Settings
from release_service.web.app import create_app
from release_service.wiring import build

_GRACE_S = 25


def run(host: str, port: int) -> None:
    """Serve until told to stop.  Exits with 2 and a sentence if the settings make no sense."""
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            print(f"RELEASE_SERVICE_{name}: {problem['msg']}", file=sys.stderr)  # noqa: T201 - no log yet
        sys.exit(2)
    log.configure(settings.log_format)
    parts = build(settings)
    engine = parts.service.transactions.engine
    if engine.dialect.name == "sqlite":
        migrate.upgrade(engine)
    elif not migrate.is_current(engine):
        print(
            "The database is not migrated: run 'release-service migrate' first.",
            file=sys.stderr,
        )  # noqa: T201
        sys.exit(2)
    uvicorn.run(
        create_app(parts),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
    )
