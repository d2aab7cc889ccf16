"""The audit: rows that only grow, chained by hash.  Queries take a session and never commit.

The chain is made after the act, by whoever comes first (`link`): no act waits for a lock that
others hold.  Link n is SHA-256 over link n - 1, a line feed, and all columns of the row as
``json.dumps(row, sort_keys=True)`` spells them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii as spelled
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, Text, cast, delete, exists, func, insert, select
from sqlalchemy.orm import Session

from release_service.db.tables import AuditHead, AuditLink, AuditPending, AuditRow, Release
from release_service.db.tables.modules import Module
from release_service.errors import shown
from release_service.identity import Uploader

ACCEPTED, REFUSED = "accepted", "refused"
CLAIMED = "claimed"
_COLUMNS = tuple(AuditRow.__table__.columns)
_NAMES = tuple(column.name for column in _COLUMNS)
_BATCH, _PAGE = 1000, 5000
# Everything is hashed as it is stored: reading `detail`, and writing it again, would take half of a verification.
_STORED = (*_COLUMNS[:-1], cast(_COLUMNS[-1], Text).label("detail"))
# A row's columns as their names sort, behind the link before it; all but three are texts.
_SPELLED = "%s\n{" + ", ".join(f'"{name}": %s' for name in sorted(_NAMES)) + "}"
_SORTED = itemgetter(*(_NAMES.index(name) for name in sorted(_NAMES)))
assert (_NAMES[:2], _NAMES[-1]) == (("id", "at"), "detail")  # noqa: S101 - as `sha256_of` takes them apart
BEGINNING = 64 * "0"
_LONGEST_DETAIL = 2000


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did, or tried: enough for its row, whatever the verdict will be.

    `by` is None where nobody was proven.  `module` and `version` are as far as they are known.
    """

    act: str
    by: Uploader | None
    request_id: str
    module: str = ""
    version: str = ""
    sha256: str = ""


def record(session: Session, act: Act, verdict: str, code: str, now: datetime, **detail: Any) -> None:
    """Write down *act*; what *detail* holds must be text, numbers, or lists and objects of those."""
    by = act.by
    told = {name: shown(value, _LONGEST_DETAIL) if isinstance(value, str) else value for name, value in detail.items()}
    row = AuditRow(
        at=now,
        act=act.act,
        verdict=verdict,
        code=code,
        proof=by.kind if by else "",
        issuer=by.issuer if by else "",
        subject=by.subject if by else "",
        login=shown(by.login, 255) if by else "",
        module=shown(act.module, 100),
        version=shown(act.version, 64),
        sha256=act.sha256,
        request_id=act.request_id,
        detail=json.loads(json.dumps(told, sort_keys=True)),
    )
    session.add(row)
    session.flush()
    session.add(AuditPending(audit_id=row.id))


def claimant(session: Session, release: Release, module: str) -> AuditRow | None:
    """Return the row of the last claim of *release*: who has sent it; None if that was before claims had rows."""
    theirs = AuditRow.module == module, AuditRow.version == release.version, AuditRow.sha256 == release.sha256
    claims = select(AuditRow).where(*theirs, AuditRow.act == "upload", AuditRow.code == CLAIMED)
    return session.scalar(claims.order_by(AuditRow.id.desc()).limit(1))


def link(session: Session) -> int:
    """Link what is pending to the chain, oldest first, at most a thousand rows; return how many."""
    head = session.scalars(select(AuditHead).with_for_update()).one()
    pending = session.execute(
        select(*_STORED).join(AuditPending, AuditPending.audit_id == AuditRow.id).order_by(AuditRow.id).limit(_BATCH)
    ).all()
    links = []
    for row in pending:
        head.seq, head.sha256 = head.seq + 1, sha256_of(head.sha256, row)
        links.append({"seq": head.seq, "audit_id": row.id, "sha256": head.sha256})
    if links:
        session.execute(insert(AuditLink), links)
        session.execute(delete(AuditPending).where(AuditPending.audit_id.in_([made["audit_id"] for made in links])))
    return len(links)


def sha256_of(previous: str, row: Row[Any]) -> str:
    """Return the link (64 hex letters) of *row*, whose last columns are as they are stored, after *previous*."""
    id_, at, *texts, detail = row[-len(_NAMES) :]
    cells = (id_, spelled(at.isoformat(timespec="microseconds")), *map(spelled, texts), detail)
    return hashlib.sha256((_SPELLED % (previous, *_SORTED(cells))).encode("ascii")).hexdigest()


def as_object(row: Row[Any]) -> dict[str, Any]:
    """Return *row*, whose last columns are the table's, as it is exported; moments in UTC, with microseconds."""
    found = dict(zip(_NAMES, row[-len(_NAMES) :], strict=True))
    found["at"] = found["at"].isoformat(timespec="microseconds")
    return found


def head(session: Session) -> AuditHead:
    """Return where the chain ends."""
    return session.scalars(select(AuditHead)).one()


def page(session: Session, after: int, upto: int) -> Sequence[Row[Any]]:
    """Return the links above *after*, at most *upto*: seq, audit_id and `link`, the row, or Nones."""
    links = select(AuditLink.seq, AuditLink.audit_id, AuditLink.sha256.label("link"))
    # Limited before it is joined: PostgreSQL would sort all that is left of a young table, for every page.
    some = links.where(AuditLink.seq > after, AuditLink.seq <= upto).order_by(AuditLink.seq).limit(_PAGE).subquery()
    rows = select(some, *_STORED).outerjoin_from(some, AuditRow, AuditRow.id == some.c.audit_id)
    return session.execute(rows.order_by(some.c.seq)).all()


def exported(session: Session, after: int) -> Sequence[Row[Any]]:
    """Return the rows with an id above *after*, in the order of ids, with seq and `link`, or Nones."""
    return session.execute(
        select(AuditLink.seq, AuditLink.sha256.label("link"), *_COLUMNS)
        .select_from(AuditRow)
        .outerjoin(AuditLink, AuditRow.id == AuditLink.audit_id)
        .where(AuditRow.id > after)
        .order_by(AuditRow.id)
        .limit(_PAGE)
    ).all()


def beyond(session: Session) -> list[int]:
    """Return the links above the head, which nobody would look at."""
    end = select(AuditHead.seq).scalar_subquery()
    return list(session.scalars(select(AuditLink.seq).where(AuditLink.seq > end).order_by(AuditLink.seq)))


def outside(session: Session) -> list[int]:
    """Return the ids of rows that are neither in the chain nor waiting for it."""
    linked = exists().where(AuditLink.audit_id == AuditRow.id)
    pending = exists().where(AuditPending.audit_id == AuditRow.id)
    return list(session.scalars(select(AuditRow.id).where(~linked, ~pending)))


def lost(session: Session) -> list[int]:
    """Return the ids of rows that wait for the chain, and are no longer there."""
    there = exists().where(AuditRow.id == AuditPending.audit_id)
    return list(session.scalars(select(AuditPending.audit_id).where(~there)))


def unaudited(session: Session) -> list[str]:
    """Return the releases, published since the audit began, that no row tells of (invariant I11)."""
    # An import has one row for all that it has brought of a module.
    of_import = (AuditRow.act == "import") & (Release.proof["kind"].as_string() == "import")
    of_upload = (AuditRow.version == Release.version) & (AuditRow.sha256 == Release.sha256)
    told = exists().where(AuditRow.module == Module.name, of_upload | of_import, AuditRow.verdict == ACCEPTED)
    since = select(AuditHead.since).scalar_subquery()
    found = session.execute(
        select(Module.name, Release.version).join(Module).where(Release.published_at >= since, ~told)
    )
    return [f"{module} {version}" for module, version in found]


def pending(session: Session) -> int:
    """Return how many rows wait for the chain."""
    return session.scalar(select(func.count()).select_from(AuditPending)) or 0


def waiting(session: Session) -> bool:
    """Say whether something waits for the chain."""
    return session.scalar(select(AuditPending.audit_id).limit(1)) is not None
