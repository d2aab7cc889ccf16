"""Inspects files as the service does, each in a process of its own, and prints what that cost.

``python tests/inspected.py DIRECTORY`` prints a line of JSON for each file.  A program of its own:
what the kernel keeps of a process's children is their maximum, so there must be no others.
"""

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from archives import TOP
from release_service.archive import Limits
from release_service.archive.inspector import Inspecting
from release_service.errors import BadArchive
from release_service.tarball import TarballName

_COMPRESSIONS = ("xz", "gz", "bz2", "zst")


class Outcome(NamedTuple):
    """What became of a file: the rule that refused it ("" for none), seconds, and the largest process so far."""

    file: str
    rule: str
    seconds: float
    peak_mib: float


def outcomes(home: Path, at_once: int) -> Iterator[Outcome]:
    """Inspect all files in the directory *home*, several *at_once*, by another interpreter."""
    command: list[str | Path] = [sys.executable, __file__, home, str(at_once)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        yield Outcome(*json.loads(line))


def _outcome(file: Path) -> Outcome:
    name = TarballName.parse(f"{TOP}.tar.{file.suffix[1:]}", _COMPRESSIONS)
    began = time.perf_counter()
    rule = ""
    with file.open("rb") as tarball:
        inspecting = Inspecting(name, tarball.fileno(), Limits(), threading.Semaphore(0))
        try:
            inspecting.result(file.stat().st_size)
        except BadArchive as refusal:
            rule = refusal.rule
    seconds = time.perf_counter() - began
    return Outcome(file.name, rule, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def main() -> None:
    """Print the outcomes of the directory that the command line names."""
    home, at_once = sys.argv[1:]
    with ThreadPoolExecutor(int(at_once)) as together:
        for outcome in together.map(_outcome, sorted(Path(home).iterdir())):
            print(json.dumps(outcome), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
