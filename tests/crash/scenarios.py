"""What is done while things go wrong: each scenario is enumerated effect by effect."""

from dataclasses import dataclass

from crash.requests import Request, Sign, Upload
from crash.world import DONE, REFUSED

FIRST, SECOND, NEW_SERIES = Upload("gtk-4.18.1"), Upload("gtk-4.18.2"), Upload("gtk-4.20.0")
OTHER_MODULE = Upload("glib-2.84.0", by="dora")


@dataclass(frozen=True, slots=True)
class Scenario:
    """After *before* stands in the tree, *act* is sent, and a worker works; *outcome* is what a client is told at last.

    With `stored` the sender of *act* died when its tarball was stored, and only workers act.
    """

    name: str
    before: tuple[Request, ...]
    act: Request
    has_cdn: bool
    outcome: str = DONE
    stored: bool = False

    @property
    def requests(self) -> list[Request]:
        return [*self.before, self.act]

    @property
    def is_quick(self) -> bool:
        """Whether every run of the tests enumerates it."""
        return str(self) in _QUICK

    def __str__(self) -> str:
        return f"{self.name}, {'with' if self.has_cdn else 'without'} a CDN"


def _both(name: str, *before: Request, act: Request, outcome: str = DONE, stored: bool = False) -> list[Scenario]:
    return [Scenario(name, before, act, has_cdn, outcome, stored) for has_cdn in (False, True)]


SCENARIOS = [
    *_both("the first release of a module", act=FIRST),
    *_both("a person's first release of another module", FIRST, act=OTHER_MODULE),
    *_both("a second release in the series", FIRST, act=SECOND),
    *_both("a release in a new series", FIRST, act=NEW_SERIES),
    *_both("an older release comes later", SECOND, act=FIRST),
    *_both("the same bytes again", FIRST, act=Upload("gtk-4.18.1", job_id="t2")),
    *_both("other bytes", FIRST, act=Upload("gtk-4.18.1", salt="other", job_id="t2"), outcome=REFUSED),
    *_both("an upload with a signature", act=Upload("gtk-4.18.1", by="bob", signed_by="bob")),
    *_both("a signature added later", FIRST, act=Sign("gtk-4.18.1", "bob")),
    *_both("a worker finishes what died", act=FIRST, stored=True),
]

# What every run of the tests enumerates: each act, with or without the CDN.
_QUICK = {
    "the first release of a module, with a CDN",
    "a second release in the series, with a CDN",
    "a release in a new series, without a CDN",
    "the same bytes again, with a CDN",
    "other bytes, without a CDN",
    "an upload with a signature, without a CDN",
    "a signature added later, with a CDN",
    "a worker finishes what died, with a CDN",
}
QUICK = [scenario for scenario in SCENARIOS if scenario.is_quick]
