"""An empty database from the bucket's release.json files: the last resort, when no copy of the database is left.

What is not in the bucket is lost: who may publish, whose the keys are, the audit, what waits.  The audit begins anew
with a row for each release, which names the release.json that it was made from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from release_service import paths
from release_service.db import restored
from release_service.errors import DatabaseNotEmpty, UploadsNotOff
from release_service.repair.adoption import Adoptable, Adopter, adopt, examine
from release_service.repair.listed import Listing, directories
from release_service.repair.mending import is_quiet
from release_service.repair.record import Mismatch
from release_service.verify.findings import together

ACT = "rebuild"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A release.json that was read; `why` its release is not in the database, "" if it is."""

    key: str
    why: str = ""


def rebuild(adopter: Adopter, jobs: int) -> Iterator[Rebuilt]:
    """Adopt all releases that the bucket has, *jobs* of them looked at at once.

    (Raises: DatabaseNotEmpty, UploadsNotOff before anything is done; Unavailable.)
    """
    with adopter.service.transactions.read() as session:
        if not restored.is_empty(session):
            raise DatabaseNotEmpty("It has modules, or releases.")
    if not is_quiet(adopter):
        raise UploadsNotOff("Whoever publishes meanwhile would be compared with what is not there yet.")
    tasks = (
        partial(_examine, adopter, key, there)
        for _, there in directories(adopter.service.store, ())
        for key in there
        if key.endswith(paths.RELEASE_JSON)
    )
    for key, found in together(jobs, tasks):
        if isinstance(found, Mismatch):
            yield Rebuilt(key, str(found))
            continue
        try:
            adopt(adopter, found, ACT)
        except Mismatch as mismatch:
            yield Rebuilt(key, str(mismatch))
        else:
            yield Rebuilt(key)


def _examine(adopter: Adopter, key: str, there: Listing) -> tuple[str, Adoptable | Mismatch]:
    try:
        return key, examine(adopter, key, there)
    except Mismatch as mismatch:
        return key, mismatch
