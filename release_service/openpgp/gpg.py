"""Runs the programs that know OpenPGP, each in a private directory of its own, and leaves nothing behind.

No program finds a configuration, an agent, a key or a variable of ours: its home is empty, and the environment says
only where that is.  What it says comes on a descriptor of its own, into a file: never mixed with what it prints.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from release_service.errors import SignatureCheckUnavailable

# Beyond what any good key or signature makes them say.
MOST_OUTPUT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """How a program ended: its exit status, what it wrote on its status descriptor, and what it printed."""

    exit_status: int
    status: bytes = field(repr=False)
    printed: bytes = field(repr=False)


def find(program: str) -> str | None:
    """Return where *program* is installed, or None."""
    return shutil.which(program)


def require(program: str) -> str:
    """Return where *program* is installed.  (Raises: SignatureCheckUnavailable.)"""
    if found := find(program):
        return found
    raise SignatureCheckUnavailable(f"The program {program} is not installed here.", retry_after_s=600)


@contextmanager
def private_home(directory: Path | None = None) -> Iterator[Path]:
    """Give an empty directory that only we may enter, below *directory*; it and all in it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="openpgp-", dir=directory, ignore_cleanup_errors=True) as home:
        yield Path(home)


def run(command: Sequence[str], home: Path, *, stdin: int = subprocess.DEVNULL, timeout_s: float) -> Said:
    """Run *command*, in which the word STATUS stands for its status descriptor, until it ends or *timeout_s* is over.

    (Raises: SignatureCheckUnavailable, where it takes too long, was killed, or says more than anybody needs.)
    """
    with (home / "status").open("w+b") as status, (home / "printed").open("w+b") as printed:
        words = [str(status.fileno()) if word == "STATUS" else word for word in command]
        try:
            ended = subprocess.run(  # noqa: S603 - fixed programs, fixed options, fixed file names
                words,
                stdin=stdin,
                stdout=printed,
                stderr=subprocess.DEVNULL,
                pass_fds=[status.fileno()],
                env={"GNUPGHOME": str(home), "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"},
                cwd=home,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SignatureCheckUnavailable(f"{_name(command)} takes longer than {timeout_s:g} s.") from None
        except OSError as error:
            raise SignatureCheckUnavailable(f"{_name(command)} cannot be run: {error.strerror}.") from None
        if ended.returncode < 0:
            raise SignatureCheckUnavailable(f"{_name(command)} was killed by the signal {-ended.returncode}.")
        return Said(ended.returncode, _whole(status.fileno()), _whole(printed.fileno()))


def _whole(fd: int) -> bytes:
    if os.fstat(fd).st_size > MOST_OUTPUT_BYTES:
        raise SignatureCheckUnavailable(f"A program said more than {MOST_OUTPUT_BYTES} bytes.")
    return os.pread(fd, MOST_OUTPUT_BYTES, 0)


def _name(command: Sequence[str]) -> str:
    return Path(command[0]).name
