"""Does what may wait: promises, the audit's chain, mail, what died half-way, warnings, forgetting what is over.

Any number may run at once, in any replica: what each does is a row that it holds for a while, and what it holds when
it dies is another's soon.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from release_service import audit, promises, signing_keys
from release_service.db import follow_ups, limits, mails, sessions
from release_service.db.tables import FollowUp
from release_service.db.wake import Waiter
from release_service.errors import AlreadyStored, CdnUnavailable, IndexWouldShrink, Refused, Unavailable
from release_service.finish import finish_release, finish_signatures
from release_service.mail import MailServer, send_due
from release_service.promises import NotYet
from release_service.publish import Service

log = structlog.get_logger()

_PAUSE_S = 1.0
_MINUTE_S, _SWEEP_S, _DAY_S = 60.0, 600.0, 86_400.0
_LONGEST_WRITE = timedelta(days=1)
_MOST_AT_ONCE = 100
_LEASE, _RENEWAL_S = timedelta(seconds=20), 6.0
# An outage, or bytes that have not come, need nobody; what else fails so often needs a person.
_LONGEST_WAIT_S, _MOST_TRIES = 60, 12
_LONGEST_UNFINISHED = timedelta(days=1)


class Worker:
    """Works until it is told to stop; an outage is waited out."""

    def __init__(self, service: Service, mail_server: MailServer | None) -> None:
        """Work on *service*; without a *mail_server* nothing is mailed."""
        self._service, self._mail_server = service, mail_server
        self._is_stopped = threading.Event()
        self._waiter = Waiter(service.transactions.engine, self._is_stopped.wait)
        self._reconciled_at = self._swept_at = self._store_swept_at = float("-inf")

    def run(self) -> None:
        """Work, wait until there is more to do, and so on."""
        while not self._is_stopped.is_set():
            try:
                self.work()
            except Unavailable as outage:
                log.warning("worker_waits", detail=outage.detail)
            except Exception:  # a bug in one kind of work, which must not end the others
                log.exception("worker_failed")
            self._waiter.wait(_PAUSE_S)
        self._waiter.close()

    def work(self) -> None:
        """Do what there is to do now.  (Raises: Unavailable.)"""
        if _is_time(self._reconciled_at, _MINUTE_S):
            self._reconciled_at = time.monotonic()
            self._reconcile()
        for _ in range(_MOST_AT_ONCE):
            if self._is_stopped.is_set() or not keep_next(self._service):
                break
        audit.link(self._service.transactions)
        if self._mail_server is not None:
            send_due(self._service, self._mail_server)
        if _is_time(self._swept_at, _SWEEP_S):
            self._swept_at = time.monotonic()
            self._sweep()
        if _is_time(self._store_swept_at, _DAY_S):
            self._store_swept_at = time.monotonic()
            swept = self._service.store.sweep(self._service.now() - _LONGEST_WRITE)
            log.info("store_swept", unfinished=swept)

    def _reconcile(self) -> None:
        """See to it that whatever was begun is promised to be finished."""
        with self._service.transactions.begin() as session:
            follow_ups.promise_finishing(session, self._service.now())
        finish_signatures(self._service)

    def _sweep(self) -> None:
        signing_keys.warn_of_expiry(self._service)
        with self._service.transactions.begin() as session:
            limits.sweep(session, self._service.now())
            sessions.sweep(session, self._service.now())
            mails.sweep(session, self._service.now())

    def start(self) -> threading.Thread:
        """Work in a thread that ends with the process."""
        thread = threading.Thread(target=self.run, name="worker", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End after what is being done now."""
        self._is_stopped.set()


def keep_next(service: Service) -> bool:
    """Keep the promise that is due longest, or put it off; return whether there was one.

    (Raises: DatabaseUnavailable.)
    """
    with service.transactions.begin() as session:
        taken = follow_ups.claim(session, _LEASE)
    if taken is None:
        return False
    with _renewed(service, taken):
        try:
            _keep(service, taken)
        except (Unavailable, NotYet, Refused) as trouble:
            _put_off(service, taken, str(trouble), trouble)
        except Exception as bug:  # of one promise, which must not keep the others from being kept
            log.exception("promise_failed", promise=taken.kind, id=taken.id)
            _put_off(service, taken, f"{type(bug).__name__}: see the log", bug)
    return True


def _keep(service: Service, taken: FollowUp) -> None:
    if taken.kind != follow_ups.FINISH:
        promises.keep_one(service.keeper(), taken)
        return
    with service.transactions.read() as session:
        claims = [one for one in follow_ups.open_of(session, taken.module_id) if one.id == taken.id]
    for claim in claims:
        finish_release(service, claim.release)
    with service.transactions.begin() as session:
        follow_ups.keep(session, [taken], service.now())


def _put_off(service: Service, taken: FollowUp, told: str, trouble: Exception) -> None:
    """Try it again later; not before the CDN, if it is that, has asked to be left alone."""
    # An outage may last for days, and bytes that are there are published when it ends.
    is_alarm = not isinstance(trouble, Unavailable | NotYet) or isinstance(trouble, AlreadyStored | IndexWouldShrink)
    never_came = isinstance(trouble, NotYet) and taken.kind == follow_ups.FINISH
    is_old = never_came and service.now() - taken.promised_at > _LONGEST_UNFINISHED
    gives_up = is_old or (is_alarm and taken.tries >= _MOST_TRIES)
    asked_s = trouble.retry_after_s if isinstance(trouble, CdnUnavailable) else 0
    # Of many that wait for the same outage to end, not all come back at once.
    wait_s = min(2 ** min(taken.tries - 1, 10), _LONGEST_WAIT_S) * random.uniform(0.5, 1)  # noqa: S311 - no secret
    wait_s = max(wait_s, asked_s)
    with service.transactions.begin() as session:
        wait = timedelta(seconds=wait_s)
        is_mine = follow_ups.put_off(session, taken, wait, told, gives_up=gives_up)
    tell = log.error if gives_up else log.warning
    tell(
        "promise_given_up" if gives_up else "promise_put_off",
        promise=taken.kind,
        id=taken.id,
        tries=taken.tries,
        trouble=told,
        is_mine=is_mine,
    )


@contextmanager
def _renewed(service: Service, taken: FollowUp) -> Iterator[None]:
    """Hold the lease of *taken* as long as it takes."""
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(_RENEWAL_S):
            try:
                with service.transactions.begin() as session:
                    follow_ups.renew(session, taken, _LEASE)
            except Unavailable as outage:
                log.warning("lease_not_renewed", detail=outage.detail)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _is_time(last: float, after_s: float) -> bool:
    return time.monotonic() - last > after_s
