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
