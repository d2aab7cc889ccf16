"""The audit's chain: made after the acts, verified when somebody asks, exported for whoever keeps a copy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from release_service.db import Transactions, audit

log = structlog.get_logger()


def link(transactions: Transactions) -> int:
    """Link all rows that are pending to the chain; return how many."""
    linked = 0
    while True:
        with transactions.begin() as session:
            more = audit.link(session) if audit.waiting(session) else 0
            head = audit.head(session)
        if more:
            # Logs go elsewhere than the database: whoever rewrites the chain would have to rewrite them, too.
            log.info("audit_head", seq=head.seq, sha256=head.sha256)
        linked += more
        if not more:
            return linked


@dataclass(slots=True)
class Verdict:
    """What a verification has found: `findings` is empty if all is well."""

    rows: int = 0
    pending: int = 0
    head: str = ""
    found_noted: bool = False
    findings: list[str] = field(default_factory=list)


def verify(transactions: Transactions, noted: str = "") -> Verdict:
    """Go through the whole chain; *noted* is a head (``SEQ:SHA256``) that was written down earlier, elsewhere.

    Finds rows that were edited, removed, exchanged, cut off at the end, or slipped in, and
    releases that no row tells of.  A chain that was made anew from its beginning is consistent
    in itself: only a head that was noted elsewhere (the log, an export) shows it.
    """
    verdict = Verdict(found_noted=noted == f"0:{audit.BEGINNING}")
    with transactions.read() as session:
        head = audit.head(session)
    verdict.head = f"{head.seq}:{head.sha256}"
    last = _walk(transactions, head.seq, verdict, noted)
    if last != (head.seq, head.sha256):
        verdict.findings.append(f"the chain ends at link {last[0]}, and should at {head.seq}: it was cut off")
    with transactions.read() as session:
        verdict.findings += [f"link {seq} lies beyond the head: the head was set back" for seq in audit.beyond(session)]
        verdict.findings += [f"row {id_} is not in the chain: it was slipped in" for id_ in audit.outside(session)]
        verdict.findings += [f"row {id_} was removed before it was linked" for id_ in audit.lost(session)]
        verdict.findings += [f"no row tells of the release {release}" for release in audit.unaudited(session)]
        verdict.pending = audit.pending(session)
    if noted and not verdict.found_noted:
        verdict.findings.append(f"the head that you noted, {noted}, is not in the chain: it was made anew, or cut off")
    return verdict


def _walk(transactions: Transactions, upto: int, verdict: Verdict, noted: str) -> tuple[int, str]:
    """Compare the links up to *upto* with their rows, a page at a time; return the last link.

    A page is a transaction of its own: publications go on meanwhile.
    """
    seq, previous = 0, audit.BEGINNING
    while True:
        with transactions.read() as session:
            page = audit.page(session, seq, upto)
        if not page:
            return seq, previous
        for row in page:
            if row.seq != seq + 1:
                verdict.findings.append(f"the links {seq + 1} to {row.seq - 1} were removed")
            _compare(row, previous, verdict)
            seq, previous = row.seq, row.link
            verdict.rows += 1
            verdict.found_noted |= noted == f"{seq}:{previous}"


def _compare(row: Row[Any], previous: str, verdict: Verdict) -> None:
    if row.id is None:
        verdict.findings.append(f"row {row.audit_id} (link {row.seq}) was removed")
    elif audit.sha256_of(previous, row) != row.link:
        verdict.findings.append(f"row {row.audit_id} (link {row.seq}) is not what was linked: edited or exchanged")


def export(transactions: Transactions) -> Iterator[str]:
    """Yield one JSON object a row, in the order of ids, with its place in the chain, null while it has none."""
    after = 0
    while True:
        with transactions.read() as session:
            page = audit.exported(session, after)
        for row in page:
            yield json.dumps(audit.as_object(row) | {"seq": row.seq, "link": row.link}, ensure_ascii=True)
            after = row.id
        if not page:
            return
