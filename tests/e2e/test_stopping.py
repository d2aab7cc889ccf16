"""SIGTERM: a replica takes no more, finishes or leaves to others what it has, and ends with 0."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

import forked
from builders import noise_tarball
from components import wait_until
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, Uploads, make_uploads
from whole import assert_whole

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


@pytest.fixture
def environment(environment_of: Callable[[str], Environment]) -> Environment:
    return environment_of("embedded")


@pytest.fixture
def uploads(environment: Environment, gitlab: StandInGitLab) -> Iterator[Uploads]:
    """Another replica, that goes on."""
    with make_uploads(environment, gitlab) as made:
        yield made


def send(base: str, uploads: Uploads, path: Path, pieces: Iterator[bytes]) -> httpx2.Response | None:
    """Return the answer, None if the connection broke."""
    size = str(path.stat().st_size)
    headers = {"Authorization": f"Bearer {uploads.token(path.name)}", "Content-Length": size}
    try:
        with httpx2.Client(trust_env=False, timeout=60) as http:
            return http.put(f"{base}/api/v1/tarballs/{path.name}", headers=headers, content=pieces)
    except httpx2.TransportError:
        return None


def halves(path: Path, between: Callable[[], object]) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content[: len(content) // 2]
    between()
    yield content[len(content) // 2 :]


def begun(uploads: Uploads, staged_by: forked.Running) -> Callable[[], bool]:
    """Say whether that process has an upload under way: a nameless file in the staging directory."""
    fds, staging = Path(f"/proc/{staged_by.process.pid}/fd"), str(uploads.parts.settings.staging)
    return lambda: any(str(fd.readlink()).startswith(staging) for fd in fds.iterdir())


def test_an_upload_that_is_under_way_is_finished(environment: Environment, uploads: Uploads, tmp_path: Path) -> None:
    path = noise_tarball("gtk-4.18.1", 4 * MIB, tmp_path)
    with forked.service(environment, tmp_path / "log") as (base, replica), ThreadPoolExecutor(1) as together:

        def between() -> None:
            wait_until(begun(uploads, replica))
            stopping.append(together.submit(replica.stop, 30))
            wait_until(lambda: is_closed(base))

        stopping: list[Future[int | None]] = []
        answer = send(base, uploads, path, halves(path, between))
        assert (answer and answer.status_code, stopping[0].result()) == (201, 0)
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert_whole(uploads)


def test_an_upload_that_takes_longer_than_that_is_told_to_go_elsewhere(
    environment: Environment, uploads: Uploads, tmp_path: Path
) -> None:
    path = noise_tarball("gtk-4.18.1", 4 * MIB, tmp_path)
    with forked.service(environment, tmp_path / "log", prepare=soon) as (base, replica), ThreadPoolExecutor(1) as one:
        stopping: list[Future[int | None]] = []

        def between() -> None:
            wait_until(begun(uploads, replica))
            stopping.append(one.submit(replica.stop, 30))
            wait_until(lambda: is_closed(base))
            time.sleep(2)

        answer = send(base, uploads, path, halves(path, between))
        assert stopping[0].result() == 0
        if answer is not None:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
            assert "(stopping)" in answer.text
    log = (tmp_path / "log").read_text()
    assert ("Traceback" in log, "cut_short" in log) == (False, True), log[-3000:]
    assert (uploads.stored(), uploads.staged()) == ([], [])
    again = uploads.http.put(
        f"/api/v1/tarballs/{path.name}",
        content=path.read_bytes(),
        headers={"Authorization": f"Bearer {uploads.token(path.name)}"},
    )
    assert again.status_code == 201
    assert_whole(uploads)


def soon() -> None:
    """Give requests a second, not 25: in the fork."""
    from release_service.web import server  # noqa: PLC0415 - only in the fork

    server._GRACE_S = 1


def is_closed(base: str) -> bool:
    try:
        httpx2.get(f"{base}/healthz", trust_env=False)
    except httpx2.ConnectError:
        return True
    return False


def test_uploads_at_any_moment_of_it_end_in_201_or_elsewhere(
    environment: Environment, uploads: Uploads, tmp_path: Path
) -> None:
    statuses = []
    for number, wait_s in zip(itertools.count(1), (0.0, 0.05, 0.1, 0.2, 0.4)):
        path = noise_tarball(f"gtk-4.18.{number}", 4 * MIB, tmp_path)
        with forked.service(environment, tmp_path / "log") as (base, replica), ThreadPoolExecutor(1) as together:
            sending = together.submit(send, base, uploads, path, halves(path, lambda: None))
            time.sleep(wait_s)
            assert replica.stop(30) == 0
            answer = sending.result()
        statuses.append(answer.status_code if answer else 0)
        assert statuses[-1] in {0, 201, 503}
        again = uploads.post(path.name, path.read_bytes())
        assert again.status_code == (200 if statuses[-1] == 201 else 201)
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert_whole(uploads)


def test_a_worker_ends_after_its_step(environment: Environment, uploads: Uploads, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with forked.running("worker", environment=environment, log=log) as worker:
        assert uploads.post("gtk-4.18.1.tar.gz", noise_tarball("gtk-4.18.1", MIB, tmp_path).read_bytes()).is_success
        wait_until(lambda: log.exists() and "audit_head" in log.read_text())
        assert worker.stop(10) == 0
    assert "Traceback" not in log.read_text()
