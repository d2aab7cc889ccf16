"""Every earlier copy of the database is restored, at every moment: readers lose nothing, uploads go on or alarm."""

import pytest

from crash import invariants
from crash.conftest import DEPTH, Report
from crash.faults import Effect
from crash.readers import versions
from crash.requests import Upload
from crash.scenarios import FIRST, SECOND
from crash.world import DONE, UNAVAILABLE, Copy, World
from release_service import paths

pytestmark = pytest.mark.slow

THIRD = Upload("gtk-4.18.3")
# In everyday runs: every so many pairs of a moment and an earlier copy.
ONE_IN = 1 if DEPTH > 1 else 37


def lived_through(world: World, base: Copy, *, has_cdn: bool) -> list[Copy]:
    """Publish two releases; return what was there after each change of anything."""
    world.load(base)
    world.has_cdn = has_cdn
    world.expect([FIRST, SECOND, THIRD])
    copies = [world.save()]

    def note(effect: Effect) -> None:
        if effect.writes:
            copies.append(world.save())

    world.watch = note
    for upload in (FIRST, SECOND):
        assert world.send(world.start(), upload) == DONE
        world.rest()
    world.watch = None
    return copies


def pairs(copies: list[Copy]) -> list[tuple[Copy, bytes]]:
    """Return each moment with each database that was there before."""
    found = []
    for at, copy in enumerate(copies):
        earlier = dict.fromkeys(one.database for one in copies[:at])
        found += [(copy, database) for database in earlier if database != copy.database]
    return found


def restored(world: World, copy: Copy, database: bytes) -> None:
    """Begin anew with an old database; what is promised to clients and operators then is less (I4, I5, I6, I11)."""
    world.load(copy, database=database)
    world.checks = invariants.FOR_READERS
    world.accepted, world.refused = [], []
    world.check()


def goes_on(world: World, copy: Copy) -> bool:
    """Hold that nothing is lost, upload, then send again what was forgotten; say whether there was an alarm."""
    world.rest(rounds=2)
    outcome = world.send(world.start(), THIRD)
    assert outcome in {DONE, UNAVAILABLE}
    for again in (FIRST, SECOND, THIRD, FIRST, SECOND, THIRD):
        world.accepted = []
        last = world.send(world.start(), again)
        assert last in {DONE, UNAVAILABLE}
    for key, content in copy.objects.items():
        assert paths.is_mutable(key) or world.store.objects.get(key) == content
    view = world.origin.look(world.urls)
    assert versions(view, "gtk") == {"4.18.1", "4.18.2", "4.18.3"}
    assert last == DONE
    return outcome == UNAVAILABLE


@pytest.mark.parametrize("has_cdn", [False, True], ids=["without a CDN", "with a CDN"])
def test_readers_lose_nothing_when_an_old_copy_is_restored(
    world: World, base: Copy, report: Report, *, has_cdn: bool
) -> None:
    found = pairs(lived_through(world, base, has_cdn=has_cdn))
    chosen = found[::ONE_IN]
    alarms = 0
    for copy, database in chosen:
        restored(world, copy, database)
        alarms += goes_on(world, copy)
    report(f"crash: {len(chosen)} of {len(found)} restored copies, {alarms} alarms, nothing lost")
    assert 0 < alarms < len(chosen)
