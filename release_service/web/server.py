"""Runs the application under uvicorn."""

import signal
import sys

import uvicorn
from fastapi import FastAPI

from release_service import log
from release_service.db import migrate
from release_service.settings import Settings
from release_service.web.app import create_app
from release_service.web.connection import Connection
from release_service.wiring import build, mail_server
from release_service.worker import Worker

# Of the thirty seconds that Kubernetes gives: requests first; what a worker leaves another one does.
_GRACE_S, _WORKER_GRACE_S = 25, 4


def run(host: str, port: int) -> None:
    """Serve until told to stop."""
    settings = Settings()
    log.configure(settings.log_format)
    parts = build(settings)
    migrate.prepare(parts.service.transactions.engine)

    class Limited(Connection):
        max_header_bytes = settings.max_header_bytes
        header_timeout_s = settings.header_timeout_s

    # uvicorn stops at a signal, and then sends it to this process once more: that is no reason to die of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    worker = Worker(parts.service, mail_server(settings))
    working = worker.start()
    try:
        _serve(create_app(parts), host, port, Limited, settings)
    finally:
        worker.stop()
        working.join(_WORKER_GRACE_S)


def _serve(app: FastAPI, host: str, port: int, connection: type[Connection], settings: Settings) -> None:
    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=connection,
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE_S,
    )
