"""`release-service audit verify`, as an administrator runs it: more rows than it reads at once."""

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import update

import audited
import components
from release_service.db import Transactions, connect
from release_service.db.migrate import upgrade
from release_service.db.tables import AuditRow

pytestmark = [pytest.mark.slow, pytest.mark.real]

ROWS = 12_000


def verify(url: str, home: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"RELEASE_SERVICE_DATABASE_URL": url}
    command = [components.command("release-service"), "audit", "verify"]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_long_chain_is_whole_until_one_row_is_edited(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = f"sqlite:///{tmp_path}/db" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = connect(url)
    try:
        upgrade(engine)
        transactions = Transactions(engine)
        audited.fill(transactions, ROWS)
        done = verify(url, tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{ROWS} rows in the chain, 0 waiting for it, 0 findings\nhead {ROWS}:")
        with transactions.begin() as session:
            session.execute(update(AuditRow).where(AuditRow.id == ROWS - 1).values(login="mallory"))
    finally:
        engine.dispose()
    done = verify(url, tmp_path)
    edited = f"row {ROWS - 1} (link {ROWS - 1}) is not what was linked: edited or exchanged\n"
    assert (done.returncode, done.stderr) == (1, edited)
