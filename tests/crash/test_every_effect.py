"""Every effect of every scenario x {crash before, crash after, error, reply lost}: 0 violations, and all is mended."""

import pytest

from crash.conftest import DEPTH, Report
from crash.explore import Explorer
from crash.scenarios import QUICK, SCENARIOS, Scenario
from crash.world import Copy, World

pytestmark = pytest.mark.slow

CHOSEN = SCENARIOS if DEPTH > 1 else QUICK


@pytest.mark.parametrize("scenario", CHOSEN, ids=str)
def test_whatever_fails_the_invariants_hold_and_all_becomes_whole(
    world: World, base: Copy, report: Report, scenario: Scenario
) -> None:
    explorer = Explorer(world, scenario, base, thorough=DEPTH > 1)
    tally = explorer.every_effect()
    report(f"crash: {scenario}: {len(explorer.points())} points, {tally.runs} runs, {len(tally.states)} states mended")


def test_there_are_a_thousand_points(world: World, base: Copy, report: Report) -> None:
    explorers = [Explorer(world, scenario, base, thorough=DEPTH > 1) for scenario in CHOSEN]
    points = sum(len(explorer.points()) for explorer in explorers)
    report(f"crash: {points} points in {len(explorers)} scenarios, {sum(len(e.effects) for e in explorers)} effects")
    assert points >= 1000
