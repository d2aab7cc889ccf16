"""How long it takes to make the database anew from the bucket, and to compare a hundred thousand objects with it."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from archived import OFF, facts
from benchmarks import table
from benchmarks.places import Place
from benchmarks.tarballs import CACHE
from filled import fill
from release_service.db import Transactions, connect, migrate

_MODULES, _EACH = 100, 100
_MORE = 100  # modules: then there are a hundred thousand objects
# The peak of the command's memory is its own to tell.
_COMMAND = (
    "import resource, sys; from release_service.cli import main\n"
    "try: main()\n"
    "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
)


def measure(places: Sequence[Place]) -> None:
    """Print the table: seconds of each whole command."""
    table.heading(
        "6. release-service rebuild, reindex, reconcile",
        f"Seconds of the whole command; {_MODULES * _EACH:,} releases in {_MODULES} modules: a tarball, inspected",
        "again, news, changes, checksum file, release.json; and the indexes.  For reconcile there are as many more.",
        "Processor seconds are the command's and its inspections' own; the store's and the database's come on top.",
    )
    head = ["", "seconds", "processor", "MiB", "said"]
    table.show(head, [row for place in places if "s3:" in place.name for row in _rows(place)])


def _rows(place: Place) -> list[list[str]]:
    url = place.database_url()
    with place.store() as (store, settings), tempfile.TemporaryDirectory(dir=CACHE) as home:
        engine = connect(url)
        transactions = Transactions(engine)
        fill(transactions, store, _MODULES, _EACH, good=True)
        before = facts(transactions)
        migrate.downgrade(engine, "base")
        migrate.upgrade(engine)
        staging = str(Path(home).absolute() / "staging")
        given = settings | {"DATABASE_URL": url, "STAGING_DIR": staging}
        _type(place, given, Path(home), *OFF)
        rows = [_type(place, given, Path(home), "rebuild")]
        after = facts(transactions)
        differ = sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())
        rows[0][-1] += f": {differ} differences"
        rows.append(_type(place, given, Path(home), "reindex", "--all"))
        fill(transactions, store, _MORE, _EACH, first=_MODULES + 1, good=True)
        _type(place, given, Path(home), "reindex", f"module{_MODULES + 1}")  # /sources/, too
        rows.append(_type(place, given, Path(home), "reconcile", "--all"))
        engine.dispose()
    return rows


def _type(place: Place, settings: Mapping[str, str], home: Path, *words: str) -> list[str]:
    given = {f"RELEASE_SERVICE_{name}": value for name, value in settings.items()}
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    began, used = time.perf_counter(), _used()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *words],
        env=os.environ | given | {"PYTHONPATH": path},
        cwd=home,
        check=False,
        capture_output=True,
        text=True,
    )
    took, used = time.perf_counter() - began, _used() - used
    said = f"{done.returncode}, {done.stdout.splitlines()[-1]}"
    return [f"{place.name}: {words[0]}", f"{took:.1f}", f"{used:.1f}", done.stderr.splitlines()[-1], said]


def _used() -> float:
    """Return the processor seconds of all commands that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
