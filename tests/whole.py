"""Holds that releases are whole: tree, rows, listing and audit say the same, and nothing was done twice."""

import json
from collections import Counter

from sqlalchemy import func, select

from release_service import audit, verify
from release_service.db.tables import AuditPending, FollowUp, ReleaseSignature
from release_service.signing import Moment
from release_service.verify import BEGINNING, Scope
from uploads import Uploads


def assert_whole(uploads: Uploads, scope: Scope | None = None) -> None:
    """Compare what the rows say with what is there, and go through the audit; of *scope*, else everything."""
    scope = scope or Scope()
    service = uploads.parts.service
    moment = Moment(service.signing, service.now())
    of_module = Scope(scope.module)
    verified = [
        *verify.published(service.transactions, service.store, scope, BEGINNING, 4),
        *verify.indexes(service.transactions, service.store, of_module, moment, 4),
    ]
    audit.link(service.transactions)
    found = [
        *(finding for one in verified for finding in one.findings),
        *(f"pending: {one.pending}" for one in verified if one.pending),
        *verify.foreign(service.transactions, service.store, of_module),
        *uploads.staged(),
        *audit.verify(service.transactions).findings,
    ]
    assert found == [], found
    acts = Counter((row["module"], row["version"], row["code"]) for row in uploads.audited())
    twice = [act for act, times in acts.items() if times > 1 and act[2] in {"published", "signed"}]
    assert twice == [], twice


def assert_readable(uploads: Uploads, module: str) -> None:
    """Hold that every file that the module's cache.json names is there (invariant I1)."""
    cache = uploads.parts.service.store.read(f"sources/{module}/cache.json")
    if cache is not None:
        named = {path for files in json.loads(cache.content)[1][module].values() for path in files.values()}
        there = uploads.parts.service.store.keys(f"sources/{module}/")
        missing = {f"sources/{module}/{path}" for path in named} - set(there)
        assert missing == set(), missing


def is_quiet(uploads: Uploads) -> bool:
    """Say whether workers have nothing to do but to wait for somebody's bytes."""
    untried = FollowUp.kept_at.is_(None), FollowUp.gave_up_at.is_(None), FollowUp.trouble == ""
    with uploads.parts.service.transactions.read() as session:
        counts = [
            select(func.count()).select_from(FollowUp).where(*untried),
            select(func.count()).select_from(ReleaseSignature).where(ReleaseSignature.published_at.is_(None)),
            select(func.count()).select_from(AuditPending),
        ]
        return not any(session.scalar(count) for count in counts)
