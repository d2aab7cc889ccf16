"""What is verified, and what is found; how an object is compared with what it should hold."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from sqlalchemy.orm import Session

from release_service.db import follow_ups
from release_service.db.releases import Place
from release_service.errors import StoreUnavailable
from release_service.store import ReleaseStore

BEGINNING: Place = (0, "")
T = TypeVar("T")
_AHEAD = 8  # tasks a thread: enough that none waits while an early one has a large tarball
_SECOND_TRY_S = 1.0
# What differs is looked at so often: somebody may be writing just then.
LOOKS = 3


class Kind(StrEnum):
    """What can be wrong with an object; the last two `repair` alone looks for.

    UNFINISHED: a claim that is not published, and whose tarball is there; UNRECORDED: a release.json that tells of
    what no row does.
    """

    WRONG_BYTES = "wrong_bytes"
    WRONG_CONTENT = "wrong_content"
    WRONG_INDEX = "wrong_index"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    QUARANTINED = "quarantined"
    FOREIGN = "foreign"
    UNFINISHED = "unfinished"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds: its size in bytes, and their SHA-256 as 64 hex letters."""

    size: int
    sha256: str

    @classmethod
    def of(cls, document: bytes) -> "Content":
        """Return what an object of these bytes holds."""
        return cls(len(document), hashlib.sha256(document).hexdigest())


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as it should be; `expected` and `found` as far as they are known."""

    kind: Kind
    key: str
    expected: Content | None = None
    found: Content | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is verified: everything, the releases of a `module`, or the one of that `version`."""

    module: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        """Return it as it is typed."""
        return " ".join(filter(None, (self.module, self.version))) or "--all"


@dataclass(frozen=True, slots=True)
class Verified:
    """Objects that were read: a release's, or the indexes' of a module.

    `place` is where the release stands, `name` what it is called; `pending` names the indexes that are
    promised and not yet written, "" if all are: those are compared another time.
    """

    objects: int
    size: int
    findings: Sequence[Finding]
    place: Place = BEGINNING
    name: str = ""
    pending: str = ""


# What each key should hold; None: nothing.
Expected = Mapping[str, Content | None]


def is_promised(session: Session, module: str) -> bool:
    """Say whether the module's indexes are promised: neither they need be as the rows say yet, nor a release.json."""
    return any(follow_ups.is_open(session, kind, module) for kind in (follow_ups.INDEX, follow_ups.QUARANTINE))


def compare(store: ReleaseStore, alternatives: Sequence[Expected], kind: Callable[[str], Kind]) -> list[Finding]:
    """Read the objects and compare them with the one of *alternatives* that they come nearest to.

    *kind* says what wrong bytes under a key are.  (Raises: StoreUnavailable, if it is not the object alone.)
    """
    found = {key: _read(store, key) for key in dict.fromkeys(key for expected in alternatives for key in expected)}
    compared = [
        [told for key, content in expected.items() if (told := _finding(kind, key, content, found[key]))]
        for expected in alternatives
    ]
    return min(compared, key=len)


def size(expected: Expected) -> int:
    """Return how many bytes all of it is."""
    return sum(content.size for content in expected.values() if content)


def together(jobs: int, tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Do *jobs* of the tasks at once; yield what they return, in their order."""
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="verify")
    waiting: deque[Future[T]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(task))
            if len(waiting) >= jobs * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _finding(
    kind: Callable[[str], Kind], key: str, expected: Content | None, found: Content | Kind | None
) -> Finding | None:
    if isinstance(found, Kind):
        return Finding(found, key, expected)
    if found == expected:
        return None
    if found is None:
        return Finding(Kind.MISSING, key, expected)
    if expected is None:
        return Finding(Kind.FOREIGN, key)
    return Finding(kind(key), key, expected, found)


def _read(store: ReleaseStore, key: str) -> Content | Kind | None:
    """Return what is under *key*, UNREADABLE if that cannot be told, None if there is nothing."""
    try:
        there = _twice(store, key)
    except StoreUnavailable:
        # Is it the object alone?  A store that does not answer at all raises here.
        next(iter(store.keys(key)), None)
        return Kind.UNREADABLE
    return Content(*there) if there else None


def _twice(store: ReleaseStore, key: str) -> tuple[int, str] | None:
    try:
        return store.digest(key)
    except StoreUnavailable:
        time.sleep(_SECOND_TRY_S)
        return store.digest(key)
