"""A hypothesis state machine on the same world: what nobody has thought of, in any order."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from crash.conftest import DEPTH, Report
from crash.faults import PARTS, Died, Effect, Fault
from crash.invariants import hold
from crash.prepared import settle_randomness
from crash.requests import Request, Sign, Upload
from crash.world import DEAD, DONE, REFUSED, UNAVAILABLE, Copy, World

pytestmark = pytest.mark.slow

RELEASES = ("gtk-4.18.1", "gtk-4.18.2", "gtk-4.20.0", "glib-2.84.0")
EXAMPLES, STEPS = 20 * DEPTH**2, 8 if DEPTH == 1 else 30
FAULTS = st.none() | st.tuples(st.integers(0, 60), st.sampled_from(Fault))
UPLOADS = st.builds(
    Upload,
    release=st.sampled_from(RELEASES),
    salt=st.sampled_from(("", "", "other")),
    by=st.sampled_from(("", "bob")),
    signed_by=st.sampled_from(("", "", "bob")),
    job_id=st.sampled_from(("t1", "t2")),
)


class Machine(RuleBasedStateMachine):
    """A life of the service; `world` and `base` are given by the test."""

    world: World
    base: Copy

    @initialize(has_cdn=st.booleans())
    def begin(self, *, has_cdn: bool) -> None:
        self.world.load(self.base)
        settle_randomness()
        self.world.has_cdn = has_cdn
        self.world.clock.tick = timedelta(milliseconds=300)  # what is missing is forgotten within a request
        self.world.expect([Upload(release) for release in RELEASES])
        self.out: set[str] = set()
        self.open: dict[Request, str] = {}

    def under(self, fault: tuple[int, Fault] | None) -> None:
        """Let what is done next meet the outages that there are, and *fault*, counted from now."""
        self.world.count = 0

        def plan(index: int, effect: Effect) -> Fault | None:
            if fault is not None and index == fault[0]:
                return fault[1]
            return Fault.ERROR if effect.part in self.out else None

        self.world.faults = plan

    @rule(upload=UPLOADS, fault=FAULTS)
    def sends(self, upload: Upload, fault: Any) -> None:
        self.under(fault)
        self.open[upload] = self.world.send(self.world.start(), upload)

    @precondition(lambda self: bool(self.world.accepted))
    @rule(fault=FAULTS)
    def signs(self, fault: Any) -> None:
        self.under(fault)
        salt = self.world.accepted[-1].salt
        sign = Sign(self.world.accepted[-1].release, "bob", salt)
        if sign.release.startswith("gtk"):
            self.open[sign] = self.world.send(self.world.start(), sign)

    @precondition(lambda self: bool(self.open))
    @rule(fault=FAULTS)
    def sends_again(self, fault: Any) -> None:
        self.under(fault)
        last = list(self.open)[-1]
        self.open[last] = self.world.send(self.world.start(), last)

    @rule(fault=FAULTS)
    def works(self, fault: Any) -> None:
        self.under(fault)
        with suppress(Died):
            self.world.start("w").work()

    @rule(seconds=st.sampled_from((1, 6, 20, 70)))
    def passes(self, seconds: int) -> None:
        self.world.clock.sleep(seconds)
        self.world.check()

    @rule(part=st.sampled_from(PARTS))
    def goes_down_or_up(self, part: str) -> None:
        self.out ^= {part}

    def teardown(self) -> None:
        """Everything is up again: all becomes whole, and all that was left open is answered at last."""
        self.world.rest()
        self.world.hold_at_rest()
        for request, outcome in self.open.items():
            if outcome in {UNAVAILABLE, DEAD}:
                last = self.world.send(self.world.start(), request)
                hold("I13", last in {DONE, REFUSED}, f"{request}: {last}")
        self.world.rest()
        self.world.hold_at_rest()


def test_the_invariants_hold_in_any_order_of_things(world: World, base: Copy, report: Report) -> None:
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=DEPTH == 1,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    life = type("Life", (Machine,), {"world": world, "base": base})
    run_state_machine_as_test(life, settings=profile)
    report(f"crash: {EXAMPLES} lives of up to {STEPS} steps")
