"""One world for the tests of a module, and how deep to go: CRASH_SEEDS=N is N times as deep, 1 is for every day."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from crash.prepared import make_world
from crash.world import Copy, World

DEPTH = int(os.environ.get("CRASH_SEEDS", "1"))
Report = Callable[[str], None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that each run loads anew; nothing is logged, for each fault would be."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
    in_memory = memory if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("crash")
    directory = tempfile.TemporaryDirectory(dir=in_memory, prefix="crash-")
    with directory as home, structlog.testing.capture_logs(), make_world(Path(home)) as made:
        yield made


@pytest.fixture(scope="module")
def base(world: World) -> Copy:
    """The state that every run begins with."""
    return world.save()


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Say a line that is seen also where all is well."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")  # noqa: T201 - a report

    return say
