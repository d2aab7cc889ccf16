"""How much memory uploads take: of the service's process, and of all processes it starts."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import table
from benchmarks.places import Place, Running, running
from benchmarks.tarballs import MIB, images

_SAMPLE_S = 0.05
_LARGE = 1024 * MIB
_MANY = [f"bench{number}" for number in range(8)]


def measure(places: Sequence[Place]) -> None:
    """Print the table, in MiB."""
    table.heading(
        "2. Memory: peak resident set over the idle one, in MiB",
        "idle: after a first small release.  alone: VmHWM of the service's process, which the kernel keeps exactly.",
        "tree: the sum of VmRSS over it and the processes that inspect archives, sampled 20 times a second",
        "(pages that they share are counted in each).  8 x 100 MB: eight modules at once.",
    )
    large = [images("bench-1.0", _LARGE)]
    many = [images(f"{module}-1.0", 100_000_000) for module in _MANY]
    rows = []
    for place in places:
        for what, tarballs in (("1 x 1 GiB", large), ("8 x 100 MB", many)):
            rows.append([f"{what}, {place.name}", *_row(place, tarballs)])
    table.show(["", "idle", "alone: peak", "over idle", "tree: peak", "over idle"], rows)


def _row(place: Place, tarballs: Sequence[Path]) -> list[str]:
    with running(place) as service:
        # From here on VmHWM is the peak of what comes (man proc_pid_clear_refs).
        Path(f"/proc/{service.pid}/clear_refs").write_text("5")
        idle = _status(service.pid, "VmRSS")
        with _sampled(service.pid) as tree:
            _upload_at_once(service, tarballs)
        alone = _status(service.pid, "VmHWM")
        figures = idle, alone, alone - idle, tree.peak, tree.peak - idle
        return [f"{figure:.0f}" for figure in figures]


def _upload_at_once(service: Running, tarballs: Sequence[Path]) -> None:
    modules = [path.name.removesuffix("-1.0.tar.xz") for path in tarballs]
    commands = [service.curl(module, path) for module, path in zip(modules, tarballs, strict=True)]
    uploads = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    statuses = [upload.wait() for upload in uploads]
    if any(statuses):
        raise RuntimeError("an upload was refused")
    if not all(service.lists(module, "1.0") for module in modules):
        raise RuntimeError("cache.json does not list what was published")


@dataclass
class _Tree:
    """The largest sum so far, in MiB."""

    peak: float = 0


@contextlib.contextmanager
def _sampled(pid: int) -> Iterator[_Tree]:
    """Watch the process *pid* and its descendants meanwhile."""
    tree, over = _Tree(), threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_S):
            tree.peak = max(tree.peak, sum(_status(one, "VmRSS") for one in _descendants(pid)))

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield tree
    finally:
        over.set()
        sampling.join()


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from _descendants(int(child))


def _status(pid: int, field: str) -> float:
    """Return a field of /proc/PID/status in MiB; 0 if the process has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    return 0
