"""A verification of a hundred thousand rows takes less than five seconds, the command's start included."""

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

import components
from release_service import audit
from release_service.db import Transactions, connect
from release_service.db.migrate import upgrade
from release_service.db.tables import AuditPending, AuditRow

pytestmark = [pytest.mark.slow, pytest.mark.real, pytest.mark.alone]

ROWS, MOST_S = 100_000, 5.0
BEGAN = datetime(2026, 3, 18, tzinfo=UTC)
JOB = {
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


def row(number: int) -> dict[str, object]:
    return {
        "id": number,
        "at": BEGAN + timedelta(seconds=number, microseconds=number),
        "act": "upload",
        "verdict": "accepted",
        "code": "published",
        "proof": "gitlab-id-token",
        "issuer": "https://gitlab.gnome.org",
        "subject": f"project:{number % 500}",
        "login": "mclasen",
        "module": f"module{number % 500}",
        "version": f"4.{number}",
        "sha256": f"{number:064x}",
        "request_id": f"{number:032x}",
        "detail": JOB,
    }


def fill(transactions: Transactions) -> None:
    for first in range(1, ROWS + 1, 5000):
        rows = [row(number) for number in range(first, first + 5000)]
        with transactions.begin() as session:
            session.execute(insert(AuditRow), rows)
            session.execute(insert(AuditPending), [{"audit_id": one["id"]} for one in rows])
    assert audit.link(transactions) == ROWS


def verify(url: str, home: Path) -> tuple[float, "subprocess.CompletedProcess[str]"]:
    environment = os.environ | {"RELEASE_SERVICE_DATABASE_URL": url}
    command = [components.command("release-service"), "audit", "verify"]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    return time.perf_counter() - began, done


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_hundred_thousand_rows_are_verified_in_less_than_five_seconds(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/db" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = connect(url)
    upgrade(engine)
    transactions = Transactions(engine)
    fill(transactions)
    took, done = verify(url, tmp_path)
    with capsys.disabled():
        print(f"\naudit verify, {kind}: {ROWS} rows in {took:.1f} s")  # noqa: T201 - the measure is what is wanted
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{ROWS} rows in the chain, 0 waiting for it, 0 findings\nhead {ROWS}:")
    assert took < MOST_S
    with transactions.begin() as session:
        session.execute(update(AuditRow).where(AuditRow.id == ROWS - 1).values(login="mallory"))
    engine.dispose()
    _, done = verify(url, tmp_path)
    edited = f"row {ROWS - 1} (link {ROWS - 1}) is not what was linked: edited or exchanged\n"
    assert (done.returncode, done.stderr) == (1, edited)
