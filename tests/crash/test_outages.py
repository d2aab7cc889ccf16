"""A part that does not answer for a while, from any moment on: nothing is lost, nothing is wrong, and all is mended."""

import pytest

from crash import invariants
from crash.conftest import DEPTH, Report
from crash.explore import Explorer
from crash.faults import CDN, PARTS, Effect, Fault, outage
from crash.scenarios import FIRST, SECOND, Scenario
from crash.world import DONE, Copy, World

pytestmark = pytest.mark.slow

UNDER_WAY = Scenario("a second release in the series", (FIRST,), SECOND, has_cdn=True)
EVERY, SPANS = (2, (3, 12, 60)) if DEPTH > 1 else (14, (12,))


@pytest.mark.parametrize("part", PARTS)
def test_an_outage_that_begins_at_any_moment_is_mended(world: World, base: Copy, report: Report, part: str) -> None:
    explorer = Explorer(world, UNDER_WAY, base, thorough=DEPTH > 1)
    first, last = (f(at for at, one in enumerate(explorer.effects) if one.part == part) for f in (min, max))
    for begin in range(first, last + 1, EVERY):
        for span in SPANS:
            explorer.with_faults(outage(part, begin, span))
    report(f"crash: {explorer.tally.runs} outages of the {part}")
    assert explorer.tally.runs > 0


def test_the_cdn_shows_the_newest_index_even_if_it_can_never_be_purged(world: World, base: Copy) -> None:
    explorer = Explorer(world, UNDER_WAY, base, thorough=False)
    world.load(explorer.begin)

    def never_purged(_index: int, effect: Effect) -> Fault | None:
        return Fault.ERROR if effect.part == CDN else None

    world.faults = never_purged
    process = world.start()
    assert world.send(process, SECOND) == DONE
    for _ in range(3):
        process.work()
        world.clock.sleep(61)
        world.check()
    invariants.i12_the_cdn_shows_the_newest_index(world)
    assert {kind for kind, *_ in world.open_promises()} == {"purge", "purge-again"}
    world.rest()
    world.hold_at_rest()
