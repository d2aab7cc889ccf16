"""Files that are the maintainer's own: mode 0600, in a directory of mode 0700, replaced as a whole."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from release_service.client import Exit, Failure


def config_directory(environment: Mapping[str, str]) -> Path:
    """Return where our files are: ``$XDG_CONFIG_HOME/gnome-release``, else ``~/.config/gnome-release``."""
    base = Path(environment.get("XDG_CONFIG_HOME", ""))
    # The XDG specification: a path that is not absolute is to be ignored.
    return (base if base.is_absolute() else Path.home() / ".config") / "gnome-release"


def read(path: Path) -> dict[str, Any]:
    """Return the JSON object in *path*, an empty one if there is no such file.  (Raises: Failure.)"""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Failure(Exit.FAILED, f"{path} is damaged.", "Remove it, and sign in again: gnome-release login")
    return content


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Put *content* in place of *path*: whole or not at all, and nobody else can read it at any moment."""
    _make(path.parent)
    # mkstemp creates with 0600, so there is no moment at which the umask decides.
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time in; the others wait.  The kernel lets go when a process dies."""
    _make(directory)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
