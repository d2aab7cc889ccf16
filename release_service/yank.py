"""What becomes of a published release that should not be used: yanked, perhaps undone; or quarantined, for ever.

A yank hides: no program is offered the version, and who knows its URL still gets it.  A quarantine removes: its files
vanish, its name and its bytes stay taken (docs/decisions/0018).  Each is one commit: the row, the audit, the mail to
the maintainers, and the promise of the indexes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from release_service import letters
from release_service.authorize import stewards
from release_service.authorize.stewards import Steward
from release_service.db import audit, follow_ups, mails, modules, releases
from release_service.db.audit import Act
from release_service.db.tables import Release
from release_service.errors import BadChange, MayNotManage, NotFound, shown
from release_service.publish import Service, keep_promises
from release_service.tarball import TarballName
from release_service.version import Version

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in a line that everybody may read; only `parse` makes one."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "Reason":
        """Return what *text* says.  (Raises: BadChange for nothing, control characters, and novels.)"""
        said = text.strip()
        if not 0 < len(said) <= LONGEST_REASON or not said.isprintable():
            raise BadChange(
                f"A reason is one line of printable text of at most {LONGEST_REASON} characters.",
                remedy="Say why in a sentence; everybody can read it.",
            )
        return cls(said)


@dataclass(frozen=True, slots=True)
class Changed:
    """The release as it is now; `is_new` says whether by this call."""

    release: Release
    is_new: bool


def yank(service: Service, right: Steward, version: str, reason: Reason) -> Changed:
    """Offer the release to no program any more.  Yanked already, it stays as it is: that is right, too.

    Raises: NotFound, Quarantined, MayNotManage; Unavailable: it is yanked, and the indexes follow.
    """

    def change(release: Release) -> bool:
        releases.refuse_quarantined(release)
        if release.yanked_at is not None:
            return False
        release.yanked_at, release.unyanked_at, release.yank_reason = service.now(), None, reason.text
        return True

    return _change(service, right, version, reason, "yank", change)


def unyank(service: Service, right: Steward, version: str, reason: Reason) -> Changed:
    """Offer it again.  Not yanked, it stays as it is.  (Raises as `yank`.)"""

    def change(release: Release) -> bool:
        releases.refuse_quarantined(release)
        if release.yanked_at is None:
            return False
        release.yanked_at, release.unyanked_at, release.yank_reason = None, service.now(), reason.text
        return True

    return _change(service, right, version, reason, "unyank", change)


def quarantine(service: Service, right: Steward, version: str, reason: Reason) -> Changed:
    """Take its files out of the store, for ever; again, it removes what has come back.

    Raises: NotFound, MayNotManage; Unavailable: it is quarantined, and its files go later.
    """
    if not right.is_administrator:
        raise MayNotManage("Only administrators may quarantine a release.", remedy="You may yank it.")

    def change(release: Release) -> bool:
        if release.quarantined_at is not None:
            return False
        release.quarantined_at, release.quarantine_reason = service.now(), reason.text
        return True

    return _change(service, right, version, reason, "quarantine", change)


def named(module: str, version: str) -> TarballName:
    """Return a name to look for; which compression it has, the row says.  (Raises: NotFound.)"""
    try:
        return TarballName(module, Version.parse_imported(version), "xz")
    except ValueError:
        raise nothing(module, version) from None


def nothing(module: str, version: str) -> NotFound:
    """Return the refusal of what is asked of a release that is not there."""
    return NotFound(f"There is no release {shown(module)} {shown(version)}.")


def _change(
    service: Service, right: Steward, version: str, reason: Reason, what: str, change: Callable[[Release], bool]
) -> Changed:
    """Make *change*, which says whether anything is different now, and promise the indexes: also if nothing is."""
    kinds = [follow_ups.INDEX, *([follow_ups.QUARANTINE] if what == "quarantine" else [])]
    with service.transactions.begin() as session:
        release = _locked(session, service, right, version)
        is_new = change(release)
        session.flush()
        follow_ups.promise(session, release, kinds, service.now())
        _tell(service, session, right, release, what, reason, is_new=is_new)
    keep_promises(service, release.module_id)
    return Changed(release, is_new)


def _locked(session: Session, service: Service, right: Steward, version: str) -> Release:
    """Return the published release, held against others that change it, *right* being judged again."""
    home = modules.look_up(session, right.module).home
    if home is not None:
        modules.lock(session, home)
    stewards.confirm(session, right, service.policy)
    release = releases.find(session, named(right.module, version))
    if release is None or release.published_at is None or release.module.name != right.module:
        raise nothing(right.module, version)
    return release


def _tell(  # noqa: PLR0913 - all that the row and the letter say
    service: Service, session: Session, right: Steward, release: Release, what: str, reason: Reason, *, is_new: bool
) -> None:
    """Write it down; and promise a mail to the module's maintainers, if anything is different now."""
    now, name = service.now(), releases.tarball_name(release)
    # Its digest is a detail: no row but the upload's own may stand for how the bytes came in (invariant I11).
    act = Act(what, right.by, right.request_id, name.module, release.version)
    detail = {"reason": reason.text, "tarball_sha256": release.sha256}
    audit.record(session, act, audit.ACCEPTED, "changed" if is_new else "same_again", now, **detail)
    if is_new and service.sends_mail:
        letter = letters.withdrawn(name.release, what, reason.text, right.by)
        told = [found.person for found in modules.look_up(session, name.module).maintainers]
        mails.promise(session, told, letter.subject, letter.body, now)
