"""Runs the application under uvicorn."""

import uvicorn

from release_service import log
from release_service.db import migrate
from release_service.settings import Settings
from release_service.web.app import create_app
from release_service.web.connection import Connection
from release_service.wiring import build, mail_server
from release_service.worker import Worker

_GRACE_S = 25


def run(host: str, port: int) -> None:
    """Serve until told to stop."""
    settings = Settings()
    log.configure(settings.log_format)
    parts = build(settings)
    migrate.prepare(parts.service.transactions.engine)

    class Limited(Connection):
        max_header_bytes = settings.max_header_bytes
        header_timeout_s = settings.header_timeout_s

    worker = Worker(parts.service, mail_server(settings))
    working = worker.start()
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
    working.join(_GRACE_S)
