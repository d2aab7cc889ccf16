"""SIGKILL at random moments of an upload: the same bytes again end in one whole release."""

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

import components
from builders import noise_tarball
from release_service import checksum
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

pytestmark = pytest.mark.real

# Of an upload's whole time, measured in the same run; beyond 1 it is over.
MOMENTS = sorted(random.Random(20).uniform(0.02, 1.05) for _ in range(20))  # noqa: S311 - the same in each run
MIB = 1024 * 1024
NEWS = "1\n2\n3\n4\n"


def send(base: str, token: str, path: Path) -> subprocess.Popen[bytes]:
    headers = ["-H", f"Authorization: Bearer {token}", "-F", f"tarball=@{path}"]
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-X", "POST", f"{base}/install-module-release"]
    return subprocess.Popen([*command, *headers], stdout=subprocess.PIPE)


def status_of(sending: subprocess.Popen[bytes]) -> int:
    return int(sending.communicate(timeout=60)[0])


@pytest.mark.parametrize("group", range(4))
@pytest.mark.parametrize("kind", ["embedded", "production"])
def test_the_same_bytes_again_mend_a_death_at_any_moment(
    kind: str, group: int, environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    environment = environment_of(kind)
    subprocess.run([components.command("release-service"), "migrate"], env=os.environ | environment, check=True)
    log = tmp_path / "log"
    whole_time = 0.0
    for number, moment in enumerate([None, *MOMENTS[group::4]]):
        news = f"{number}a\n{number}b\n{number}c\n{NEWS}"
        path = noise_tarball(f"gtk-4.18.{number}", 32 * MIB, tmp_path, NEWS=news)
        token = gitlab.token("GNOME/gtk", f"4.18.{number}")
        with components.service(environment, log) as (base, process):
            began = time.monotonic()
            sending = send(base, token, path)
            if moment is None:
                assert status_of(sending) == 201
                whole_time = time.monotonic() - began
            else:
                time.sleep(moment * whole_time)
                process.kill()
                status_of(sending)
        with components.service(environment, log) as (base, _):
            assert status_of(send(base, gitlab.token("GNOME/gtk", f"4.18.{number}"), path)) in {200, 201}
            if kind == "embedded":
                is_whole(base, path.name, path.read_bytes())
        assert list((tmp_path / "staging").iterdir()) == []


def is_whole(base: str, name: str, content: bytes) -> None:
    """One release: in cache.json, with all its files, under one LATEST-IS."""
    with httpx2.Client(base_url=f"{base}/sources/gtk") as tree:
        version = name.removeprefix("gtk-").removesuffix(".tar.gz")
        cache = tree.get("cache.json").json()
        assert cache[2]["gtk"][-1] == version
        files = {ext: tree.get(path).raise_for_status().content for ext, path in cache[1]["gtk"][version].items()}
        assert set(files) == {"tar.gz", "sha256sum", "news"}
        assert files["tar.gz"] == content
        listed = checksum.read(files["sha256sum"])
        assert listed == {f"gtk-{version}.news": checksum.digest(files["news"]), name: checksum.digest(content)}
        assert [entry for entry in cache[3]["4.18"] if "LATEST" in entry] == [f"LATEST-IS-{version}"]
        assert f'"LATEST-IS-{version}"' in tree.get("4.18/").text
