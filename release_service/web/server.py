"""Runs the application under uvicorn."""

import sys
from typing import NoReturn

import uvicorn
from pydantic import ValidationError

from release_service import log
from release_service.db import migrate
from release_service.settings import Settings
from release_service.web.app import create_app
from release_service.web.connection import Connection
from release_service.wiring import build, mail_server
from release_service.worker import Worker

_GRACE_S = 25


def run(host: str, port: int) -> None:
    """Serve until told to stop.  Exits with 2 and a sentence if the settings make no sense."""
    try:
        settings = Settings()
    except ValidationError as error:
        _stop(*(f"RELEASE_SERVICE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()))
    log.configure(settings.log_format)
    parts = build(settings)
    engine = parts.service.transactions.engine
    if engine.dialect.name == "sqlite":
        migrate.upgrade(engine)
    elif not migrate.is_current(engine):
        _stop("The database is not migrated: run 'release-service migrate' first.")

    class Limited(Connection):
        max_header_bytes = settings.max_header_bytes
        header_timeout_s = settings.header_timeout_s

    worker = Worker(parts.service, mail_server(settings))
    worker.start()
    uvicorn.run(
        create_app(parts),
        host=host,
        port=port,
        loop="uvloop",
        http=Limited,
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE_S,
    )
    worker.stop()


def _stop(*why: str) -> NoReturn:
    sys.stderr.writelines(f"{line}\n" for line in why)
    sys.exit(2)
