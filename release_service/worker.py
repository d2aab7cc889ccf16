"""Does what may wait: the audit's chain, mail, what died half-way, warnings, forgetting what is over.

Any number may run at once.
"""

import threading
import time

import structlog

from release_service import audit, signing_keys
from release_service.db import limits, mails, sessions
from release_service.errors import Unavailable
from release_service.mail import MailServer, send_due
from release_service.publish import Service, finish_signatures

log = structlog.get_logger()

_PAUSE_S = 2.0
_SWEEP_S = 600.0


class Worker:
    """Works until it is told to stop; an outage is waited out."""

    def __init__(self, service: Service, mail_server: MailServer | None) -> None:
        """Work on *service*; without a *mail_server* nothing is mailed."""
        self._service, self._mail_server = service, mail_server
        self._is_stopped = threading.Event()
        self._swept_at = float("-inf")

    def run(self) -> None:
        """Work, pause, and so on."""
        while not self._is_stopped.wait(_PAUSE_S):
            try:
                self.work()
            except Unavailable as outage:
                log.warning("worker_waits", detail=outage.detail)
            except Exception:
                log.exception("worker_failed")

    def work(self) -> None:
        """Do what there is to do now.  (Raises: Unavailable.)"""
        audit.link(self._service.transactions)
        if self._mail_server is not None:
            send_due(self._service, self._mail_server)
        if time.monotonic() - self._swept_at > _SWEEP_S:
            self._swept_at = time.monotonic()
            signing_keys.warn_of_expiry(self._service)
            signing_keys.keep_overdue(self._service)
            with self._service.transactions.begin() as session:
                limits.sweep(session, self._service.now())
                sessions.sweep(session, self._service.now())
                mails.sweep(session, self._service.now())
            finish_signatures(self._service)

    def start(self) -> threading.Thread:
        """Work in a thread that ends with the process."""
        thread = threading.Thread(target=self.run, name="worker", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End after what is being done now."""
        self._is_stopped.set()
