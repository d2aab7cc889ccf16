"""Two replicas and two workers, killed again and again, under many uploads: nothing is lost, and nothing is done twice.

`make test` runs a small one; TWO_REPLICAS=200x40 (uploads x modules) the size that reference/security.md asks for.
"""

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

import forked
from builders import a_tarball
from components import free_port, wait_until
from release_service.client import upload as client
from release_service.demo.gitlab import StandInGitLab
from release_service.index import cache_json
from uploads import Environment, Uploads, make_uploads
from whole import assert_whole, is_quiet

pytestmark = [pytest.mark.real, pytest.mark.deep]

UPLOADS, MODULES = (int(number) for number in os.environ.get("TWO_REPLICAS", "40x8").split("x"))
CLIENTS = 16
EVERY_S = 5.0 if UPLOADS >= 200 else 2.5
QUIET_WITHIN_S = 60
# A client that gives up is started again by whoever looks at the pipeline: it sends the same bytes.
MOST_PIPELINES = 10


@dataclass(slots=True)
class Cluster:
    """Replicas and workers, and what has happened to them."""

    replicas: dict[str, forked.Running]
    workers: list[forked.Running]
    kills: Counter[str] = field(default_factory=Counter)
    is_over: threading.Event = field(default_factory=threading.Event)

    def disturb(self) -> None:
        """Kill a replica every few seconds, and a worker at times; begin each again."""
        for turn in itertools.count():
            if self.is_over.wait(EVERY_S):
                return
            base, replica = list(self.replicas.items())[turn % len(self.replicas)]
            replica.kill()
            self.kills["replica"] += 1
            if turn % 2:
                worker = self.workers[turn // 2 % len(self.workers)]
                worker.kill()
                self.kills["worker"] += 1
                worker.start()
            replica.start()
            forked.wait_for(base, replica)


@pytest.fixture
def uploads(environment_of: Callable[[str], Environment], gitlab: StandInGitLab) -> Iterator[Uploads]:
    """A replica that nobody kills, to look at what the others do."""
    with make_uploads(environment_of("production"), gitlab) as made:
        yield made


@pytest.fixture
def cluster(uploads: Uploads, tmp_path: Path) -> Iterator[Cluster]:
    settings = uploads.parts.settings
    environment = {
        "RELEASE_SERVICE_DATABASE_URL": settings.database_url,
        "RELEASE_SERVICE_STORE_URL": settings.store_url,
        "RELEASE_SERVICE_S3_ENDPOINT_URL": settings.s3_endpoint_url or "",
        "RELEASE_SERVICE_STAGING_DIR": str(settings.staging),
        "RELEASE_SERVICE_GITLAB_ISSUER": settings.gitlab_issuer,
    }
    with ExitStack() as lives:
        replicas = {}
        for number in range(2):
            port = free_port()
            log = tmp_path / f"replica{number}"
            serving = forked.running("serve", "--port", str(port), environment=environment, log=log)
            replicas[f"http://127.0.0.1:{port}"] = lives.enter_context(serving)
        workers = [
            lives.enter_context(forked.running("worker", environment=environment, log=tmp_path / f"worker{number}"))
            for number in range(2)
        ]
        for base, replica in replicas.items():
            forked.wait_for(base, replica)
        yield Cluster(replicas, workers)


def releases(home: Path) -> list[Path]:
    paths = []
    for number in range(UPLOADS):  # those of a module come at once, in two series
        module, minor = divmod(number, UPLOADS // MODULES)
        name = f"module{module}-{1 + minor % 2}.{minor}.tar.xz"
        paths.append(home / name)
        paths[-1].write_bytes(a_tarball(name, NEWS=f"{name}\n1\n2\n3\n"))
    return paths


def publish(cluster: Cluster, uploads: Uploads, path: Path) -> int:
    """Send as `gnome-release upload` does, to any replica; return how often it was begun."""
    chance = random.Random(path.name)  # noqa: S311 - the same in each run
    project_id = path.name.partition("-")[0].removeprefix("module")
    token = partial(uploads.token, path.name, project_id=f"1{project_id}")
    for begun in range(1, MOST_PIPELINES + 1):
        base = chance.choice(list(cluster.replicas))
        answer = client.upload(base, token, path, lambda _: None, lambda _: None)
        if answer.is_success:
            return begun
        assert answer.is_worth_retrying, answer
    raise AssertionError(f"{path.name} was never taken: {answer}")


def test_replicas_and_workers_that_are_killed_lose_nothing_and_do_nothing_twice(
    cluster: Cluster, uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: wait(min(seconds, 1)))  # clients that try again do not wait long
    paths = releases(tmp_path)
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS + 1) as together:
        disturbing = together.submit(cluster.disturb)
        try:
            begun = list(together.map(lambda path: publish(cluster, uploads, path), paths))
        finally:
            cluster.is_over.set()
        disturbing.result()
    sent_s = time.monotonic() - began
    wait_until(lambda: is_quiet(uploads))
    quiet_s = time.monotonic() - began - sent_s
    print(  # noqa: T201 - figures, shown with -s
        f"{UPLOADS} uploads, {MODULES} modules: {sent_s:.1f} s, {dict(cluster.kills)} killed, "
        f"{sum(begun)} times begun, nothing left to do {quiet_s:.1f} s later"
    )
    assert cluster.kills["replica"] >= 2
    assert quiet_s < QUIET_WITHIN_S
    assert_whole(uploads)
    for module in {path.name.partition("-")[0] for path in paths}:
        versions = {
            path.name.removesuffix(".tar.xz").rpartition("-")[2] for path in paths if path.name.startswith(f"{module}-")
        }
        assert set(cache_json.versions(module, uploads.read(f"sources/{module}/cache.json"))) == versions
        latest = [key for key in uploads.stored() if key.startswith(f"sources/{module}/") and "LATEST-IS" in key]
        assert len(latest) == len({key.split("/")[2] for key in latest})
    published = Counter(row["module"] + row["version"] for row in uploads.audited() if row["code"] == "published")
    assert (len(published), set(published.values())) == (UPLOADS, {1})
