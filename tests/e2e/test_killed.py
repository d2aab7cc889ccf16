"""SIGKILL at random moments of an upload: the same bytes again end in one whole release."""

import contextlib
import functools
import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import components
from builders import noise_tarball
from release_service import checksum
from release_service.demo.gitlab import StandInGitLab
from release_service.store import ReleaseStore
from uploads import Environment, open_store

pytestmark = pytest.mark.real

# Of an upload's whole time, measured in the same run; beyond 1 it is over.  tests/crash kills at each effect; here
# RANDOM_KILLS=20 kills more often.
KILLS = int(os.environ.get("RANDOM_KILLS", "4"))
MOMENTS = sorted(random.Random(20).uniform(0.02, 1.05) for _ in range(KILLS))  # noqa: S311 - the same in each run
MIB = 1024 * 1024
NEWS = "1\n2\n3\n4\n"


@pytest.mark.parametrize("group", range(4))
@pytest.mark.parametrize("kind", ["embedded", "production"])
def test_the_same_bytes_again_mend_a_death_at_any_moment(
    kind: str, group: int, environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    environment = environment_of(kind)
    subprocess.run([components.command("release-service"), "migrate"], env=os.environ | environment, check=True)
    begin = functools.partial(components.service, environment, tmp_path / "log", measured=False)
    with contextlib.ExitStack() as lives, open_store(environment) as store:
        base, process = lives.enter_context(begin())
        whole_time = time_of_a_whole_upload(base, gitlab, tmp_path)
        for number, moment in enumerate(MOMENTS[group::4], start=1):
            path = tarball(number, tmp_path)
            sending = send(base, gitlab, path)
            time.sleep(moment * whole_time)
            process.kill()
            sending.communicate(timeout=60)
            base, process = lives.enter_context(begin())
            assert status_of(send(base, gitlab, path)) in {200, 201}
            is_whole(store, path)
            assert list((tmp_path / "staging").iterdir()) == []


def tarball(number: int, home: Path) -> Path:
    news = f"{number}a\n{number}b\n{number}c\n{NEWS}"
    return noise_tarball(f"gtk-4.18.{number}", 32 * MIB, home, NEWS=news)


def time_of_a_whole_upload(base: str, gitlab: StandInGitLab, home: Path) -> float:
    path = tarball(0, home)
    began = time.monotonic()
    assert status_of(send(base, gitlab, path)) == 201
    return time.monotonic() - began


def send(base: str, gitlab: StandInGitLab, path: Path) -> subprocess.Popen[bytes]:
    token = gitlab.token("GNOME/gtk", version_of(path))
    headers = ["-H", f"Authorization: Bearer {token}", "-F", f"tarball=@{path}"]
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-X", "POST", f"{base}/install-module-release"]
    return subprocess.Popen([*command, *headers], stdout=subprocess.PIPE)


def status_of(sending: subprocess.Popen[bytes]) -> int:
    return int(sending.communicate(timeout=60)[0])


def version_of(path: Path) -> str:
    return path.name.removeprefix("gtk-").removesuffix(".tar.gz")


def is_whole(store: ReleaseStore, path: Path) -> None:
    """One release: in cache.json, with all its files, under one LATEST-IS."""
    version = version_of(path)
    cache = json.loads(read(store, "cache.json"))
    assert cache[2]["gtk"][-1] == version
    files = {ext: read(store, file) for ext, file in cache[1]["gtk"][version].items()}
    assert set(files) == {"tar.gz", "sha256sum", "news"}
    assert files["tar.gz"] == path.read_bytes()
    assert checksum.read(files["sha256sum"]) == {
        f"gtk-{version}.news": checksum.digest(files["news"]),
        path.name: checksum.digest(files["tar.gz"]),
    }
    assert [entry for entry in cache[3]["4.18"] if "LATEST" in entry] == [f"LATEST-IS-{version}"]
    assert [key for key in store.keys("sources/gtk/") if "LATEST" in key] == [f"sources/gtk/4.18/LATEST-IS-{version}"]
    assert f'"LATEST-IS-{version}"'.encode() in read(store, "4.18/index.html")


def read(store: ReleaseStore, below: str) -> bytes:
    document = store.read(f"sources/gtk/{below}")
    assert document is not None, below
    return document.content
