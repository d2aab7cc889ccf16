"""What looking into a tarball of many members costs, against the floor of the same run."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks import table
from benchmarks.tarballs import expansion, members
from release_service.archive import Limits
from release_service.archive.inspector import Inspecting
from release_service.tarball import TarballName

_MEMBERS = 15_000
_ROUNDS = 5


def measure() -> None:
    """Print the table: seconds, medians of rounds that take turns with the floor."""
    tarball = members("bench-1.0", _MEMBERS)
    size = tarball.stat().st_size / 1e6
    table.heading(
        f"6. Looking into a tarball of {_MEMBERS} members",
        f"{size:.1f} MB, expands {expansion(tarball):.1f}-fold, made with xz -6; {_ROUNDS} rounds.",
        "xz|tar: `xz -dc FILE | tar -t`, two processes.  ours: one process, from its start to its answer, with the",
        "SHA-256 of each member.  cpu: user and system seconds.  peak: the process's largest resident set, MiB.",
    )
    floors, ours = [], []
    for _ in range(_ROUNDS):
        floors.append(_timed(lambda: _listed(tarball)))
        ours.append(_timed(lambda: _inspected(tarball)))
    floor, own = (tuple(median(column) for column in zip(*rows, strict=True)) for rows in (floors, ours))
    peak = _peak(tarball)
    table.show(
        ["", "seconds", "(from-to)", "cpu", "peak", "ratio"],
        [
            ["xz|tar", f"{floor[0]:.2f}", _span(floors), f"{floor[1]:.2f}", "", ""],
            ["ours", f"{own[0]:.2f}", _span(ours), f"{own[1]:.2f}", f"{peak:.0f}", f"{own[0] / floor[0]:.2f}"],
        ],
    )


def _listed(tarball: Path) -> None:
    subprocess.run(["bash", "-c", 'xz -dc "$1" | tar -t >/dev/null', "_", tarball], check=True)


def _inspected(tarball: Path) -> None:
    with tarball.open("rb") as file:
        inspecting = Inspecting(TarballName.parse(tarball.name), file.fileno(), Limits(), threading.Semaphore(0))
        found = inspecting.result(tarball.stat().st_size)
    if found.members != _MEMBERS or found.listing.count(b"\n") != _MEMBERS:
        raise RuntimeError(f"{found.members} members were found")


def _timed(act: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds that *act* takes, and those of its processes' processors."""
    began, before = time.perf_counter(), os.times()
    act()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, used


def _peak(tarball: Path) -> float:
    """Return the largest resident set of an inspecting process, in MiB: the only child of another interpreter."""
    statement = (
        "import resource, sys; from pathlib import Path; from benchmarks import inspections;"
        "inspections._inspected(Path(sys.argv[1]));"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", statement, tarball], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def _span(rows: Sequence[tuple[float, float]]) -> str:
    seconds = [row[0] for row in rows]
    return f"({min(seconds):.2f}-{max(seconds):.2f})"
