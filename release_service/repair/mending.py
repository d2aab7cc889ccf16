"""What `reconcile --fix` does about a difference: each an audit row first, then the effect.

What the database holds is written again where it is missing.  What is there with wrong bytes, under a key that is
written once, is an alarm, and left to a person; so is whatever no row explains.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from release_service import beside, documents, limits, paths
from release_service.db import audit, releases
from release_service.db.audit import Act
from release_service.db.tables import Release
from release_service.errors import AlreadyStored, IndexWouldShrink, Refused, StoreUnavailable, SwitchedOff
from release_service.finish import finish_release
from release_service.index import write as index
from release_service.promises import NotYet
from release_service.repair import reindex
from release_service.repair.adoption import Adopter, adopt, adopt_changes, examine
from release_service.repair.listed import Listing
from release_service.repair.record import Mismatch, says_more
from release_service.tarball import TarballName
from release_service.verify import Finding, Kind

ACT = "reconcile"
_UNREADABLE = "the store answers, but not for this: mend it first"
LOST = "only the bucket had these bytes: bring them back from its versions, or a mirror"
_NOT_QUIET = "adopting needs uploads to be switched off"


def is_quiet(adopter: Adopter) -> bool:
    """Say whether uploads are switched off: whoever publishes meanwhile would be compared with what is not there."""
    service = adopter.service
    try:
        with service.transactions.read() as session:
            limits.refuse_switched_off(session, service.limits, "uploads")
    except SwitchedOff:
        return True
    return False


@dataclass(frozen=True, slots=True)
class Mender:
    """Mends as `adopter.by`; each method returns why something is left as it is, "" if it is mended."""

    adopter: Adopter

    def file(self, name: TarballName, finding: Finding, there: Listing) -> str:
        """Write a file of a published release again, if it is missing, or may be replaced."""
        service, is_record = self.adopter.service, finding.key == paths.release_json_key(name)
        with service.transactions.read() as session:
            release = releases.held(session, name)
        if is_record and self._says_more(finding, release):
            return self._changes(finding.key, there)
        contents = {key: content for step in documents.beside(release) for key, content in step.items()}
        if why := _left(finding, contents):
            return why
        self._note("file_written", name.module, name.version.text, release.sha256, key=finding.key)
        try:
            if is_record:
                beside.tell(service.store, service.transactions, name)
            else:
                service.store.add(finding.key, contents[finding.key])
        except AlreadyStored as conflict:
            return conflict.detail
        return ""

    def _says_more(self, finding: Finding, release: Release) -> bool:
        if finding.kind is Kind.UNREADABLE:
            return False
        document = self.adopter.service.store.read(finding.key)
        return document is not None and says_more(finding.key, document.content, release)

    def release(self, key: str, there: Listing) -> str:
        """Take the release that the release.json under *key* tells of into the database."""
        if not is_quiet(self.adopter):
            return _NOT_QUIET
        try:
            adopt(self.adopter, examine(self.adopter, key, there), ACT)
        except Mismatch as mismatch:
            return str(mismatch)
        return ""

    def claim(self, claim: Release) -> str:
        """Publish what was claimed and stored by somebody who died, as their act."""
        try:
            finish_release(self.adopter.service, claim)
        except (NotYet, Refused, AlreadyStored, SwitchedOff) as trouble:
            return str(trouble)
        return ""

    def indexes(self, module: str | None, findings: Sequence[Finding]) -> str:
        """Write the indexes of *module*, or those of the archive, anew."""
        service = self.adopter.service
        self._note("indexes_written", module or "", keys=[finding.key for finding in findings])
        try:
            if module is None:
                index.write_archive(service.store, service.transactions)
            else:
                reindex.of(service, module)
        except (IndexWouldShrink, AlreadyStored) as refusal:
            return refusal.detail
        except StoreUnavailable:
            service.store.ping()  # a store that does not answer at all raises here
            return _UNREADABLE
        return "nobody but the service should write it: look who does"

    def _changes(self, key: str, there: Listing) -> str:
        if not is_quiet(self.adopter):
            return _NOT_QUIET
        try:
            adopt_changes(self.adopter, examine(self.adopter, key, there), ACT)
        except Mismatch as mismatch:
            return str(mismatch)
        return ""

    def _note(self, code: str, module: str, version: str = "", sha256: str = "", **detail: object) -> None:
        act = Act(ACT, self.adopter.by, "", module, version, sha256)
        with self.adopter.service.transactions.begin() as session:
            audit.record(session, act, audit.ACCEPTED, code, self.adopter.service.now(), **detail)


def _left(finding: Finding, contents: Collection[str]) -> str:
    """Return why nothing can be done here about *finding*, "" if something can; *contents*: what the rows hold."""
    if finding.kind is Kind.UNREADABLE:
        return _UNREADABLE
    if finding.kind is Kind.QUARANTINED:
        return "it should not be there: quarantine the release again, which removes it"
    if finding.key not in contents:
        return LOST
    if finding.kind is not Kind.MISSING and not paths.is_mutable(finding.key):
        return "it is written once, and never overwritten: look who did, remove it, then --fix writes it"
    return ""
