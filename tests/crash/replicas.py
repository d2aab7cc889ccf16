"""Two replicas at once: who goes on after each effect is a seed's choice; so is whether one of them dies."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

from crash.faults import Died, Effect, Fault, Plan, no_faults
from crash.invariants import hold
from crash.ports import OneByOne
from crash.prepared import settle_randomness
from crash.process import Process
from crash.requests import Request
from crash.turns import Schedule
from crash.world import DONE, REFUSED, UNAVAILABLE, Copy, World

WORK = "work"
Act = Request | str


def race(world: World, begin: Copy, acts: Sequence[Act], schedule: Schedule) -> None:
    """Let replicas do *acts* at once, as *schedule* has it; then mend, and hold that all is whole."""
    world.load(begin)
    settle_randomness()
    # Either the CDN forgets nothing meanwhile, or all that was missing.
    world.clock.tick = timedelta(milliseconds=100 * (not schedule.switch_at and schedule.seed % 4 < 2))
    names = [f"r{number}" for number in range(len(acts))]
    world.turns.schedule(names, schedule)
    world.faults = no_faults if schedule.switch_at else _death(schedule.seed)
    OneByOne.order = Random(schedule.seed)  # noqa: S311 - a schedule
    try:
        with ThreadPoolExecutor(len(acts)) as together:
            done = [together.submit(_run, world.start(name), act) for name, act in zip(names, acts, strict=True)]
        for replica in done:
            replica.result()
    finally:
        OneByOne.order = None
    _mend(world, [act for act in acts if not isinstance(act, str)])


def _run(process: Process, act: Act) -> None:
    process.world.turns.begin(process)
    try:
        if isinstance(act, str):
            process.work()
        else:
            process.world.send(process, act)
    except Died:
        pass
    finally:
        process.world.turns.end(process)


def schedules(depth: int) -> list[Schedule]:
    """Return some with one switch, or one there and one back, and some by chance, in which one may die."""
    first = range(1, 60, 13 if depth == 1 else 1)
    back = (0, 14) if depth == 1 else (0, 3, 8, 12, 14, 16, 20, 30)
    switched = [Schedule(at, (at, at + then) if then else (at,)) for at in first for then in back]
    by_chance = range(2 if depth == 1 else 100 * depth)
    return switched + [Schedule(seed, restless=(0.5, 0.2, 0.05)[seed % 3]) for seed in by_chance]


def _death(seed: int) -> Plan:
    """Let one die at some moment, in half of the schedules."""
    order = Random(seed)  # noqa: S311 - as above
    index, fault = order.randrange(80), order.choice([Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
    if order.random() < 0.5:
        return no_faults

    def plan(now: int, _effect: Effect) -> Fault | None:
        return fault if now == index else None

    return plan


def _mend(world: World, requests: Sequence[Request]) -> None:
    world.faults, world.count = no_faults, 0
    outcomes = {request: world.send(world.start(), request) for request in requests}
    hold("I13", UNAVAILABLE not in outcomes.values(), f"{outcomes}")
    for request, outcome in outcomes.items():
        twins = [one for one in requests if one.release == request.release and one.sha256 != request.sha256]
        hold("I13", outcome == DONE or twins, f"{request}: {outcome}")
        hold("I8", not twins or sorted(outcomes.values()) == [DONE, REFUSED], f"{outcomes}")
    world.rest()
    world.hold_at_rest()
