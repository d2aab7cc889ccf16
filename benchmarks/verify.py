"""How long it takes to read ten thousand small releases again, and to compare them with the database."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import table
from benchmarks.places import Place
from benchmarks.tarballs import CACHE
from filled import fill
from release_service.db import Transactions, connect

_MODULES, _EACH = 100, 100
_VERIFY = "from release_service.cli import main; main()"


def measure(places: Sequence[Place]) -> None:
    """Print the table: seconds of the whole command."""
    table.heading(
        "5. release-service verify --all",
        f"Seconds of the whole command, its start included; {_MODULES * _EACH:,} releases in {_MODULES} modules: each",
        "a tarball of 2 kB, news, checksum file and release.json; and the indexes.  Every object is read; no ETag is",
        "believed.  Processor seconds are the command's own: those of the store and the database come on top.",
    )
    table.show(["", "seconds", "processor", "said"], [_row(place) for place in places if "s3:" in place.name])


def _row(place: Place) -> list[str]:
    url = place.database_url()
    with place.store() as (store, settings), tempfile.TemporaryDirectory(dir=CACHE) as home:
        database = connect(url)
        fill(Transactions(database), store, _MODULES, _EACH)
        database.dispose()
        given = {f"RELEASE_SERVICE_{name}": value for name, value in (settings | {"DATABASE_URL": url}).items()}
        path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
        began, used = time.perf_counter(), _used()
        done = subprocess.run(
            [sys.executable, "-c", _VERIFY, "verify", "--all"],
            env=os.environ | given | {"PYTHONPATH": path},
            cwd=home,
            check=True,
            capture_output=True,
            text=True,
        )
        took = time.perf_counter() - began
        used = _used() - used
    return [place.name, f"{took:.1f}", f"{used:.1f}", done.stdout.splitlines()[-1]]


def _used() -> float:
    """Return the processor seconds of all commands that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
