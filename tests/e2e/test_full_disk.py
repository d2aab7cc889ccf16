"""A disk that is full, before an upload or at any step of it: 507, nothing lost, and healed when there is room."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import noise_tarball
from registry import Interrupted
from release_service.demo.gitlab import StandInGitLab
from release_service.worker import Worker
from uploads import Environment, Uploads, make_uploads
from whole import assert_readable, assert_whole

pytestmark = [pytest.mark.real, pytest.mark.deep]

MIB = 1024 * 1024
NEWS = "1\n2\n3\n"


class Disk:
    """A small file system, which can be filled up."""

    def __init__(self, root: Path) -> None:
        """Stand for what is mounted at *root*."""
        self.root = root
        self._filler = root / "filler"

    def fill(self) -> None:
        """Leave nothing free."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a file system of 16 MiB, which only root can: elsewhere there is no disk that a test may fill."""
    root = tmp_path / "disk"
    root.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tests", root], check=False, stderr=subprocess.DEVNULL
    )
    if not mounted or mounted.returncode:
        pytest.skip("a file system can be mounted by root only, and not in every container")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", root], check=True)


def environment_on(disk: Disk, environment: Environment, *names: str) -> Environment:
    """Put what *names* say on the disk: STAGING_DIR, STORE_URL."""
    places = {"STAGING_DIR": str(disk.root / "staging"), "STORE_URL": f"file:{disk.root}/tree"}
    return environment | {f"RELEASE_SERVICE_{name}": places[name] for name in names}


def is_told_that_it_is_full(uploads: Uploads, path: Path) -> None:
    answer = uploads.post(path.name, path.read_bytes())
    assert (answer.status_code, "(out_of_space)" in answer.text) == (507, True), answer.text
    assert answer.headers["retry-after"] == "300"
    assert uploads.staged() == []


@pytest.mark.parametrize("kind", ["embedded", "production"])
def test_a_full_staging_disk_takes_nothing_and_leaves_nothing(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, disk: Disk, tmp_path: Path, kind: str
) -> None:
    path = noise_tarball("gtk-4.18.1", 2 * MIB, tmp_path, NEWS=NEWS)
    with make_uploads(environment_on(disk, environment_of(kind), "STAGING_DIR"), gitlab) as uploads:
        disk.fill()
        is_told_that_it_is_full(uploads, path)
        assert (uploads.stored(), uploads.rows()["releases"]) == ([], 0)
        disk.free()
        assert uploads.post(path.name, path.read_bytes()).status_code == 201
        assert_whole(uploads)


# Files of a release that is not the module's first: what is written when the disk becomes full.
STEPS = [".tar.gz", ".news", ".sha256sum", ".release.json", "LATEST-IS-4.18.1", "4.18/index.html", "cache.json"]


@pytest.mark.parametrize("staging_is", ["there, too", "elsewhere"])
def test_a_tree_s_disk_that_becomes_full_at_any_step_is_healed_when_there_is_room(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, disk: Disk, tmp_path: Path, staging_is: str
) -> None:
    names = ["STORE_URL", "STAGING_DIR"] if staging_is == "there, too" else ["STORE_URL"]
    with make_uploads(environment_on(disk, environment_of("embedded"), *names), gitlab) as uploads:
        for number, step in enumerate(STEPS, start=1):
            path = noise_tarball(f"module{number}-4.18.1", MIB, tmp_path, NEWS=f"{number}\n{NEWS}")
            with full_from(uploads, disk, step) as happened:
                if step == ".tar.gz" and staging_is == "there, too":
                    assert uploads.post(path.name, path.read_bytes()).status_code in {201, 507}
                else:
                    is_told_that_it_is_full(uploads, path)
                assert happened or step == ".tar.gz"
                assert_readable(uploads, f"module{number}")
            uploads.pass_by(timedelta(minutes=2))
            Worker(uploads.parts.service, None).work()
            again = uploads.post(path.name, path.read_bytes())
            assert again.status_code in ({200, 201} if step == ".tar.gz" else {200}), (step, again.text)
        assert_whole(uploads)


@contextlib.contextmanager
def full_from(uploads: Uploads, disk: Disk, ending: str) -> Iterator[list[str]]:
    """Fill the disk up when a key that ends in *ending* is about to be written; make room at the end."""
    parts, app = uploads.parts, uploads.http.app
    happened: list[str] = []

    def fill() -> None:
        happened.append(ending)
        disk.fill()

    store: Any = FilledBefore(parts.service.store, ending, fill, after=False)
    app.state.parts = replace(parts, service=replace(parts.service, store=store))  # type: ignore[attr-defined]
    try:
        yield happened
    finally:
        app.state.parts = parts  # type: ignore[attr-defined]
        if happened:
            disk.free()


class FilledBefore(Interrupted):
    """As Interrupted, for the tarball too."""

    @contextlib.contextmanager
    def stage(self, key: str, source: Any) -> Iterator[Any]:
        with self._store.stage(key, source) as staged:
            interrupt, add = self._interrupt, staged.add

            class Filled:
                def add(self) -> None:
                    interrupt(key, add)

            yield Filled()
