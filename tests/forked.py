"""Types `release-service ...` in processes forked from one that has imported it already.

Importing it takes longer than what most commands do.  That the installed command starts and ends as
it should is shown by tests/e2e/test_command_lines.py.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import coverage
import httpx2
import pytest

import components

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["preloaded", "forked"])
_TIMEOUT_S = 120


def run(*words: str | Path, environment: Mapping[str, str], home: Path) -> "subprocess.CompletedProcess[str]":
    """Type the command in the directory *home* with no other *environment*; return how it ended and what it printed."""
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory) / "out", Path(directory) / "err"
        typed = [str(word) for word in words]
        process = _fork(typed, dict(environment), home, out, err)
        process.start()
        process.join(_TIMEOUT_S)
        process.kill()
        process.join()
        status = process.exitcode
        process.close()
        assert status is not None
        return subprocess.CompletedProcess(typed, status, out.read_text(), err.read_text())


def _fork(*arguments: Any) -> BaseProcess:
    """Return a process that is to be forked from one that has imported what `preloaded` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # it imports before it is told of our sys.path
        forkserver.ensure_running()
    return _FORKS.Process(target=_type, args=arguments, daemon=True)


@dataclass(slots=True)
class Running:
    """A `release-service serve` or `worker` that may be killed, and begun again at the same address.

    *prepare* is called in the fork before the command is.
    """

    words: list[str]
    environment: dict[str, str]
    home: Path
    log: Path
    prepare: Callable[[], None] | None = None
    process: BaseProcess = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin, as a process of its own."""
        self.process = _fork(self.words, self.environment, self.home, os.devnull, self.log, self.prepare)
        self.process.start()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.join()

    def stop(self, within_s: float = _TIMEOUT_S) -> int | None:
        """Ask it to end; return its exit status, None if it has not ended *within_s*."""
        assert self.process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(within_s)
        return self.process.exitcode

    def ended(self) -> int | None:
        """Return its exit status when it has ended; None if it has not for long."""
        self.process.join(_TIMEOUT_S)
        return self.process.exitcode


@contextlib.contextmanager
def running(
    *words: str, environment: Mapping[str, str], log: Path, prepare: Callable[[], None] | None = None
) -> Iterator[Running]:
    """Run the command beside the test, with this test's environment and *environment*; it is killed at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RELEASE_", "COVERAGE"))}
    made = Running(list(words), kept | dict(environment), log.parent, log, prepare)
    try:
        yield made
    finally:
        made.kill()
        if log.exists():
            components.keep_log(log)


@contextlib.contextmanager
def service(
    environment: Mapping[str, str], log: Path, *, prepare: Callable[[], None] | None = None
) -> Iterator[tuple[str, Running]]:
    """Run `release-service serve`; yield its URL when it listens."""
    port = components.free_port()
    base = f"http://127.0.0.1:{port}"
    urls = {"RELEASE_SERVICE_BASE_URL": base, "RELEASE_SERVICE_PUBLIC_URL": base}
    with running("serve", "--port", str(port), environment=urls | dict(environment), log=log, prepare=prepare) as made:
        wait_for(base, made)
        yield base, made


def wait_for(base: str, running: Running) -> None:
    """Return when the service at *base* answers."""
    until = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < until and running.process.is_alive():
        with contextlib.suppress(httpx2.TransportError):
            httpx2.get(f"{base}/healthz", trust_env=False)
            return
        time.sleep(0.02)
    raise AssertionError(f"no service at {base}: {running.log.read_text()[-2000:]}")


def _type(
    words: list[str],
    environment: dict[str, str],
    home: Path,
    out: str | Path,
    err: Path,
    prepare: Callable[[], None] | None = None,
) -> None:
    from release_service.cli import main  # noqa: PLC0415 - only in the fork

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(home)
    for file, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream.fileno())
    sys.argv = ["release-service", *words]
    try:
        if prepare is not None:
            prepare()
        main()
    finally:
        # A fork ends without what an interpreter does at its end.
        if (measured := coverage.Coverage.current()) is not None:
            measured.stop()
            measured.save()
