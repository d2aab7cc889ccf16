"""What can go wrong at an effect, and where: a plan is asked about each effect, by its index."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

STORE, DATABASE, CDN, FRONT, MAIL, DISK = "store", "database", "cdn", "front", "mail", "disk"
PARTS = (STORE, DATABASE, CDN, FRONT, MAIL, DISK)


class Fault(Enum):
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    ERROR = "error"
    REPLY_LOST = "reply lost"


@dataclass(frozen=True, slots=True)
class Effect:
    """One call of a port: `what` says which; `writes` whether anything is different after it."""

    part: str
    what: str
    writes: bool


class Died(BaseException):
    """The process is dead: nothing in the service knows this, and it can do nothing any more."""


Plan = Callable[[int, Effect], Fault | None]


def no_faults(_index: int, _effect: Effect) -> Fault | None:
    """Let everything go well."""


def at(index: int, fault: Fault) -> Plan:
    """Let the effect number *index* fail."""
    return lambda now, _effect: fault if now == index else None


def outage(part: str, first: int, span: int) -> Plan:
    """Let *part* not answer from the effect number *first* on, until *span* effects have been tried."""
    return lambda now, effect: Fault.ERROR if effect.part == part and first <= now < first + span else None
