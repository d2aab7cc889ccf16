"""Enumerates: each effect of a scenario fails in each way, and then everything must become whole again."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from crash.faults import Died, Effect, Fault, Plan, at, no_faults
from crash.invariants import hold
from crash.prepared import settle_randomness
from crash.requests import Request, Upload
from crash.scenarios import Scenario
from crash.world import DONE, REFUSED, Copy, World

Point = tuple[int, Fault]
# Of the errors of effects that change nothing a quick run tries one in so many.
_ONE_IN = 5


@dataclass(slots=True)
class Tally:
    """How many runs there were, and how many different states of the world faults have left."""

    runs: int = 0
    states: set[int] = field(default_factory=set)


class Explorer:
    """Runs one scenario again and again.

    A death is what is there at that moment, seen by nobody who lived before: so the states that deaths leave are
    copied while the scenario runs once; before an effect, and after one that changes nothing, it is the state of
    the last one that did.  An error goes on through the code that meets it, so it is run.  From each state that was
    not seen before, workers and the client make everything whole; in a *thorough* run either of them comes first, else
    one.
    """

    def __init__(self, world: World, scenario: Scenario, base: Copy, *, thorough: bool) -> None:
        self.world, self.scenario, self.thorough = world, scenario, thorough
        self.tally = Tally()
        world.load(base)
        world.has_cdn = scenario.has_cdn
        world.expect(scenario.requests)
        self.begin = self._begin()
        self.effects, self.copies = self._recorded()

    def _begin(self) -> Copy:
        for request in self.scenario.before:
            hold("I13", self.world.send(self.world.start(), request) == DONE, f"{request} before the scenario")
            self.world.rest()
        if self.scenario.stored:
            self.world.faults = lambda _, effect: _stored(effect)
            self.world.send(self.world.start(), self.scenario.act)
            self.world.clock.time += timedelta(seconds=61)
        return self.world.save()

    def points(self) -> list[Point]:
        """Return what `every_effect` decides: each effect, and how it fails."""
        return [
            (index, fault)
            for index, effect in enumerate(self.effects)
            for fault in Fault
            if fault in {Fault.CRASH_BEFORE, Fault.CRASH_AFTER} or self._is_run(index, effect, fault)
        ]

    def _is_run(self, index: int, effect: Effect, fault: Fault) -> bool:
        if effect.writes:
            return fault in {Fault.ERROR, Fault.REPLY_LOST}
        return fault is Fault.ERROR and (self.thorough or index % _ONE_IN == 0)

    def every_effect(self) -> Tally:
        """Let each effect fail in each way that makes a difference."""
        for copy in self.copies:
            self.world.load(copy)
            self._mend()
            self.tally.runs += 1
        for index, fault in self.points():
            if self._is_run(index, self.effects[index], fault):
                self.with_faults(at(index, fault))
        return self.tally

    def with_faults(self, plan: Plan) -> None:
        """Run the scenario under *plan*, then mend."""
        self.world.load(self.begin)
        self.world.faults = plan
        self._run()
        self.world.faults = no_faults
        self._mend()
        self.tally.runs += 1

    def _recorded(self) -> tuple[list[Effect], list[Copy]]:
        """Return the effects of an undisturbed run, and what is there if it dies before, or after, each that writes."""
        effects: list[Effect] = []
        copies = [self.begin]

        def note(effect: Effect) -> None:
            effects.append(effect)
            if effect.writes:
                copies.append(self.world.save())

        self.world.load(self.begin)
        self.world.watch = note
        self._run()
        self.world.watch = None
        return effects, copies

    def _run(self) -> None:
        settle_randomness()
        process = self.world.start()
        if not self.scenario.stored:
            self.world.send(process, self.scenario.act)
        with suppress(Died):
            process.work()

    def _mend(self) -> None:
        """Let workers and the client make everything whole, and hold that it is."""
        state = self.world.state()
        if state in self.tally.states:
            return
        self.tally.states.add(state)
        copy = self.world.save()
        orders = [True, False] if self.thorough else [len(self.tally.states) % 2 == 0]
        for workers_first in orders:
            self.world.load(copy)
            settle_randomness()
            mend(self.world, self.scenario.act, self.scenario.outcome, workers_first=workers_first)


def mend(world: World, act: Request, outcome: str, *, workers_first: bool) -> None:
    """Let *act* be sent again, and workers work, until all is whole; hold what holds then."""
    if workers_first:
        world.rest()
        world.hold_at_rest(chain=False)
    again = world.send(world.start(), act)
    hold("I13", again == outcome, f"{act} again: {again}")
    if workers_first and isinstance(act, Upload) and not act.salt:
        other = Upload(act.release, salt="other", by=act.by, job_id="t9")
        hold("I13", world.send(world.start(), other) == REFUSED, f"{other} was not refused")
    world.rest()
    world.hold_at_rest()


def _stored(effect: Effect) -> Fault | None:
    return Fault.CRASH_AFTER if effect.what.startswith("add ") and effect.what.endswith(".tar.xz") else None
