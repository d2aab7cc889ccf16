"""What a refusal leaves behind: one audit row, perhaps a mail to those whose module it was, and a count.

Nothing else: no object, no release, no right (invariant I16).
"""

import threading
import time

import structlog
from sqlalchemy.orm import Session

from release_service import letters, limits
from release_service.db import audit, mails, modules
from release_service.db import limits as counts
from release_service.db.audit import Act
from release_service.db.modules import Registered
from release_service.errors import CaseTwin, NotAuthenticated, NotAuthorized, Refused, TooManyRequests, Unavailable
from release_service.identity import Uploader
from release_service.identity.gitlab import GitLabJob
from release_service.limits import HOUR_S, MINUTE_S
from release_service.publish import Service

log = structlog.get_logger()
_MOST_ADDRESSES = 10_000
# Of those who prove nothing the first ones are written down, each; then only how many there were.
_MOST_ROWS_PER_MINUTE = 60


class Refusals:
    """Writes refusals down, and stops doing so for addresses that only ever send bad tokens.

    A good bearer token is never refused because of others at its address; a CI_JOB_TOKEN is, for GitLab
    is not asked on behalf of such an address.  Bad ones above the limit are answered 429 from memory,
    so that they cost no row, no query and no line of a log.
    """

    def __init__(self, service: Service) -> None:
        """Use the tables of *service*."""
        self._service = service
        self._silenced: dict[str, float] = {}
        self._lock = threading.Lock()

    def silenced_for_s(self, address: str) -> int:
        """Return for how many seconds yet bad tokens from *address* are not looked at; 0 if they are."""
        with self._lock:
            return max(0, round(self._silenced.get(address, 0) - time.monotonic()))

    def note(self, act: Act, refusal: Refused, address: str) -> Refused:
        """Write *refusal* of *act* down; return what is to be answered: it, or that there were too many."""
        try:
            with self._service.transactions.begin() as session:
                return self._note(session, act, refusal, address)
        except Unavailable as outage:
            # Nothing was changed, so the refusal stands without its row; it is in the log.
            log.warning("refusal_not_audited", code=refusal.code, detail=outage.detail)
            return refusal

    def _note(self, session: Session, act: Act, refusal: Refused, address: str) -> Refused:
        now = self._service.now()
        if isinstance(refusal, NotAuthenticated):
            most = self._service.limits.refusals_per_address_per_minute
            before = counts.count(session, f"refusals:{address}", MINUTE_S, now) - 1
            if before >= most:
                left_s = limits.until_next(MINUTE_S, now)
                self._silence(address, left_s)
                return TooManyRequests(f"From your address came {most} bad tokens in a minute.", retry_after_s=left_s)
            if before >= _MOST_ROWS_PER_MINUTE:
                return refusal
        if isinstance(refusal, TooManyRequests):
            who = act.by.subject if act.by else address
            if counts.count(session, f"too-many:{who}"[:300], MINUTE_S, now) > 1:
                return refusal
        audit.record(session, act, audit.REFUSED, refusal.code, now, reason=refusal.detail)
        if act.act == "upload" and isinstance(refusal, NotAuthorized) and act.by and self._service.sends_mail:
            self._tell_maintainers(session, act, act.by, refusal)
        return refusal

    def _silence(self, address: str, seconds: int) -> None:
        with self._lock:
            if len(self._silenced) >= _MOST_ADDRESSES:
                self._silenced.clear()
            self._silenced[address] = time.monotonic() + seconds

    def _tell_maintainers(self, session: Session, act: Act, by: Uploader, refusal: Refused) -> None:
        """Tell of a stranger's attempt: the first one in an hour."""
        try:
            registered = modules.look_up(session, act.module)
        except CaseTwin:
            return
        if not registered.maintainers or not _is_stranger(registered, by):
            return
        now = self._service.now()
        if counts.count(session, f"stranger:{registered.home_name}", HOUR_S, now) == 1:
            letter = letters.refused(act.module, refusal, by)
            told = [found.person for found in registered.maintainers]
            mails.promise(session, told, letter.subject, letter.body, now)


def _is_stranger(registered: Registered, by: Uploader) -> bool:
    if isinstance(by, GitLabJob):
        own = (by.project_id, by.project_path)
        return all((found.project_id, found.project_path) != own for found in registered.publishers)
    return not registered.is_maintainer(by.issuer, by.subject)
