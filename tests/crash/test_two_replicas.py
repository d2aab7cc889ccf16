"""Two replicas do two things at once, in many orders, and one of them may die: nothing is lost, nothing is twice."""

import pytest

from crash.conftest import DEPTH, Report
from crash.explore import Explorer
from crash.replicas import WORK, Act, race, schedules
from crash.requests import Upload
from crash.scenarios import FIRST, NEW_SERIES, OTHER_MODULE, SECOND, Scenario
from crash.world import Copy, World

pytestmark = pytest.mark.slow

SCHEDULES = schedules(DEPTH)
RACES: dict[str, tuple[Act, Act]] = {
    "two versions of a series": (SECOND, Upload("gtk-4.18.3")),
    "two series": (SECOND, NEW_SERIES),
    "the same bytes": (SECOND, Upload("gtk-4.18.2", job_id="t2")),
    "other bytes": (SECOND, Upload("gtk-4.18.2", salt="other", job_id="t2")),
    "the same token for other bytes": (SECOND, Upload("gtk-4.18.2", salt="other")),
    "two modules": (SECOND, OTHER_MODULE),
    "an upload and a worker": (SECOND, WORK),
}


@pytest.mark.parametrize("acts", RACES.values(), ids=list(RACES))
def test_two_at_once_end_in_a_whole_tree(world: World, base: Copy, report: Report, acts: tuple[Act, Act]) -> None:
    begin = beginning(world, base, acts)
    for schedule in SCHEDULES:
        world.has_cdn = schedule.seed % 2 == 1
        race(world, begin, acts, schedule)
    report(f"crash: {len(SCHEDULES)} schedules of two replicas")


def test_a_worker_and_the_sender_finish_the_same_claim_at_once(world: World, base: Copy) -> None:
    begin = Explorer(world, Scenario("", (), FIRST, has_cdn=True, stored=True), base, thorough=False).begin
    for schedule in SCHEDULES:
        race(world, begin, (FIRST, WORK), schedule)


def beginning(world: World, base: Copy, acts: tuple[Act, ...]) -> Copy:
    """Return the state in which one release is there."""
    copy = Explorer(world, Scenario("", (FIRST,), SECOND, has_cdn=False), base, thorough=False).begin
    world.expect([FIRST, *(act for act in acts if not isinstance(act, str))])
    return copy
