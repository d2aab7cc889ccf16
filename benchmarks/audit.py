"""How long ``release-service audit verify`` takes, its start included."""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence

from sqlalchemy import Engine, select

import audited
import components
from benchmarks import table
from benchmarks.places import Place
from release_service.db import Transactions, connect
from release_service.db.tables import AuditLink, AuditRow

_ROWS = 100_000


def measure(places: Sequence[Place]) -> None:
    """Print the table, in seconds."""
    table.heading(
        f"4. audit verify, {_ROWS:,} rows",
        "Seconds of the whole command, the better of two.  The floor: the same rows only read, by the driver.",
    )
    rows = []
    for place in places:
        url = place.database_url()
        engine = connect(url)
        audited.fill(Transactions(engine), _ROWS)
        floor, ours = min(_read(engine) for _ in range(2)), min(_verified(url) for _ in range(2))
        engine.dispose()
        rows.append([place.name, f"{floor:.1f}", f"{ours:.1f}", f"{ours / floor:.1f}"])
    table.show(["", "floor", "verify", "ratio"], rows)


def _read(engine: Engine) -> float:
    began = time.perf_counter()
    with engine.connect() as connection:
        links = select(AuditLink, AuditRow).join(AuditRow, AuditRow.id == AuditLink.audit_id).order_by(AuditLink.seq)
        spelled = str(links.compile(engine, compile_kwargs={"literal_binds": True}))
        connection.exec_driver_sql(spelled).cursor.fetchall()
    return time.perf_counter() - began


def _verified(url: str) -> float:
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        subprocess.run(
            [components.command("release-service"), "audit", "verify"],
            env=os.environ | {"RELEASE_SERVICE_DATABASE_URL": url},
            cwd=home,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - began
