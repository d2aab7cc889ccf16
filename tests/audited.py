"""A database whose audit holds as many rows as somebody wants, all of them linked to the chain."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from release_service.db import Transactions, audit
from release_service.db.tables import AuditPending, AuditRow

_BEGAN = datetime(2026, 3, 18, tzinfo=UTC)
_MODULES, _PART = 500, 5000
_JOB = {
    "ci_config_sha": "7" * 40,
    "job_id": "4711",
    "namespace_id": "8",
    "pipeline_id": "1212",
    "pipeline_source": "push",
    "project_id": "1665",
    "project_path": "GNOME/gtk",
    "ref": "4.18.1",
    "ref_protected": "true",
    "ref_type": "tag",
    "runner_environment": "self-hosted",
    "sha": "7" * 40,
    "size": 123456,
    "user_login": "mclasen",
}


def fill(transactions: Transactions, rows: int) -> None:
    """Write *rows* acts, with ids from 1 on, and link them."""
    for first in range(1, rows + 1, _PART):
        some = [_row(number) for number in range(first, min(first + _PART, rows + 1))]
        with transactions.begin() as session:
            session.execute(insert(AuditRow), some)
            session.execute(insert(AuditPending), [{"audit_id": one["id"]} for one in some])
    linked = 0
    while linked < rows:
        with transactions.begin() as session:
            linked += audit.link(session)


def _row(number: int) -> dict[str, object]:
    return {
        "id": number,
        "at": _BEGAN + timedelta(seconds=number, microseconds=number),
        "act": "upload",
        "verdict": "accepted",
        "code": "published",
        "proof": "gitlab-id-token",
        "issuer": "https://gitlab.gnome.org",
        "subject": f"project:{number % _MODULES}",
        "login": "mclasen",
        "module": f"module{number % _MODULES}",
        "version": f"4.{number}",
        "sha256": f"{number:064x}",
        "request_id": f"{number:032x}",
        "detail": _JOB,
    }
