"""Types `release-service ...` in processes forked from one that has imported it already.

Importing it takes longer than what most commands do.  That the installed command starts and ends as
it should is shown by tests/e2e/test_command_lines.py.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import coverage

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["release_service.cli", "forked"])
_TIMEOUT_S = 120


def run(*words: str | Path, environment: Mapping[str, str], home: Path) -> "subprocess.CompletedProcess[str]":
    """Type the command in the directory *home* with no other *environment*; return how it ended and what it printed."""
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory) / "out", Path(directory) / "err"
        typed = [str(word) for word in words]
        process = _FORKS.Process(target=_type, args=(typed, dict(environment), home, out, err))
        process.start()
        process.join(_TIMEOUT_S)
        process.kill()
        process.join()
        status = process.exitcode
        process.close()
        assert status is not None
        return subprocess.CompletedProcess(typed, status, out.read_text(), err.read_text())


def _type(words: list[str], environment: dict[str, str], home: Path, out: Path, err: Path) -> None:
    from release_service.cli import main  # noqa: PLC0415 - only in the fork

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(home)
    for file, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), stream.fileno())
    sys.argv = ["release-service", *words]
    try:
        main()
    finally:
        # A fork ends without what an interpreter does at its end.
        if (measured := coverage.Coverage.current()) is not None:
            measured.stop()
            measured.save()
