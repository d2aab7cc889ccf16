"""`gnome-release`: what maintainers and CI jobs type.  Light: none of the service's dependencies."""

from enum import IntEnum


class Exit(IntEnum):
    """What the exit status says; scripts rely on it (docs/cli.md)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4
    NO_TOKEN = 5
    INTERRUPTED = 130


class Failure(Exception):
    """The command ends here: *status* is for scripts, *lines* (what, why, what to do) for people.

    No token is ever in the lines: whoever raises this sees to it.
    """

    def __init__(self, status: Exit, *lines: str) -> None:
        """Keep both as they are."""
        super().__init__(" ".join(lines))
        self.status = status
        self.lines = lines
