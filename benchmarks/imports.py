"""How long an old tree takes to import, and to be found imported already."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import old_tree
from benchmarks import table
from benchmarks.places import Place
from benchmarks.tarballs import CACHE

_FILES = 5000
_IMPORT = "from release_service.cli import main; main()"


def measure(places: Sequence[Place]) -> None:
    """Print the table: seconds of the whole command, and what a second run takes."""
    table.heading(
        "8. release-service import DIR",
        f"Seconds of the whole command, its start included; {_FILES:,} small files in the old schemes: two tarballs a",
        "release, sums, news, diffs.  What is there afterwards is in another run found unchanged by size and date.",
    )
    with tempfile.TemporaryDirectory(dir=CACHE) as home:
        old = Path(home) / "old"
        old_tree.large_tree(old, _FILES)
        rows = [_row(place, old) for place in places]
    table.show(["", "files", "seconds", "files/s", "processor", "peak MiB", "again"], rows)


def _row(place: Place, old: Path) -> list[str]:
    url = place.database_url()
    with place.store() as (_, settings), tempfile.TemporaryDirectory(dir=CACHE) as home:
        settings |= {"DATABASE_URL": url}
        if "S3_ENDPOINT_URL" in settings:
            settings["STAGING_DIR"] = f"{Path(home).absolute()}/staging"
        report, took, used, peak = _import(settings, old, home)
        again, took_again, _, _ = _import(settings, old, home)
        shutil.rmtree(Path(home) / "staging", ignore_errors=True)
    assert (report["problems"], again["files"]) == ([], 0)  # noqa: S101 - a figure of something else is none
    files = report["files"]
    return [
        place.name,
        f"{files}",
        f"{took:.1f}",
        f"{files / took:.0f}",
        f"{used:.1f}",
        f"{peak:.0f}",
        f"{took_again:.1f}",
    ]


def _import(settings: dict[str, str], old: Path, home: str) -> tuple[dict[str, Any], float, float, float]:
    """Return the report, the seconds, the processor seconds, and the most memory that any command had so far."""
    given = {f"RELEASE_SERVICE_{name}": value for name, value in settings.items()}
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, "import", str(old.absolute()), "--json"],
        env=os.environ | given | {"PYTHONPATH": path},
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
    )
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), took, used, after.ru_maxrss / 1024
