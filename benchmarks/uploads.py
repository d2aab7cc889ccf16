"""How long 100 MB take, from the first byte until cache.json lists the version, against the floor of the same run."""

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks import table
from benchmarks.places import Place, running
from benchmarks.tarballs import XZ, expansion, images, source

_SIZE = 100_000_000
_ROUNDS = {"source": 3, "images": 5}

Times = Mapping[str, Sequence[float]]


def measure(places: Sequence[Place]) -> None:
    """Print the table: seconds, medians of several rounds that take turns with the floor's parts."""
    tarballs = {"source": source("bench-1.0", _SIZE), "images": images("bench-1.0", _SIZE)}
    table.heading(
        "1. A tarball of 100 MB: from curl's start until cache.json in the store lists the version",
        "Seconds, medians.  floor = max(put durably, xz|tar).  put: curl -T straight into the same store;",
        "durably: followed by `sync -d` for file: (the service answers only after fsync; SeaweedFS syncs neither",
        "for us nor for curl, and PostgreSQL runs with fsync=off).  xz|tar: `xz -dc FILE | tar -t`, one thread.",
        *(
            f"{content}: {path.stat().st_size / 1e6:.1f} MB, expands {expansion(path):.1f}-fold, "
            f"{_ROUNDS[content]} rounds, made with {' '.join(XZ) if content == 'source' else 'random bytes'}"
            for content, path in tarballs.items()
        ),
    )
    rows = []
    for content, tarball in tarballs.items():
        times = _rounds(places, tarball, _ROUNDS[content])
        rows += [_row(content, place, times) for place in places]
    table.show(
        ["", "put", "put durably", "xz|tar", "floor", "ours", "(from-to)", "ratio", "(ratio without sync)"],
        rows,
    )


def _rounds(places: Sequence[Place], tarball: Path, rounds: int) -> Times:
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        times["xz"].append(_listed(tarball))
        for place in places:
            for name, seconds in zip(("put", "durable"), place.put(tarball), strict=True):
                times[f"{place.name} {name}"].append(seconds)
            times[f"{place.name} ours"].append(_published(place, tarball))
    return times


def _row(content: str, place: Place, times: Times) -> list[str]:
    put, durable, ours = (median(times[f"{place.name} {name}"]) for name in ("put", "durable", "ours"))
    xz = median(times["xz"])
    floor = max(durable, xz)
    seconds = [f"{value:.2f}" for value in (put, durable, xz, floor, ours)]
    every = times[f"{place.name} ours"]
    spread = f"{min(every):.2f}-{max(every):.2f}"
    return [f"{content}, {place.name}", *seconds, spread, f"{ours / floor:.2f}", f"{ours / max(put, xz):.2f}"]


def _listed(tarball: Path) -> float:
    began = time.perf_counter()
    with subprocess.Popen(["xz", "-dc", tarball], stdout=subprocess.PIPE) as xz:
        subprocess.run(["tar", "-t"], stdin=xz.stdout, stdout=subprocess.DEVNULL, check=True)
    if xz.returncode:
        raise RuntimeError("xz does not read its own tarball")
    return time.perf_counter() - began


def _published(place: Place, tarball: Path) -> float:
    """Return the seconds until the release can be found, on a service that is warm and has nothing to write."""
    with running(place) as service:
        command = service.curl("bench", tarball)
        os.sync()
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if not service.lists("bench", "1.0"):
            raise RuntimeError("cache.json does not list what was published")
        return time.perf_counter() - began
