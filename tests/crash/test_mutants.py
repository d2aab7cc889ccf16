"""The harness bites: each seeded bug is found, by the same runs that find none in the real code."""

from collections.abc import Callable

import pytest

from crash import mutants
from crash.conftest import Report
from crash.explore import Explorer
from crash.invariants import Violation
from crash.replicas import race
from crash.requests import Sign, Upload
from crash.scenarios import FIRST, SECOND, Scenario
from crash.test_restored_copies import goes_on, lived_through, pairs, restored
from crash.test_two_replicas import beginning
from crash.turns import Schedule
from crash.world import Copy, World

pytestmark = pytest.mark.slow

Mutant = Callable[[pytest.MonkeyPatch], None]
Search = Callable[[World, Copy], None]


def fails(scenario: Scenario) -> Search:
    """Enumerate *scenario*."""

    def search(world: World, base: Copy) -> None:
        Explorer(world, scenario, base, thorough=False).every_effect()

    return search


def at_once(world: World, base: Copy) -> None:
    """Let two versions be published at once: the other one goes on after each effect."""
    acts = (SECOND, Upload("gtk-4.18.3"))
    begin = beginning(world, base, acts)
    world.has_cdn = True
    for at in range(45, 20, -1):
        race(world, begin, acts, Schedule(at, (at,)))


def restores(world: World, base: Copy) -> None:
    """Restore copies."""
    found = pairs(lived_through(world, base, has_cdn=False))
    for copy, database in reversed(found):
        restored(world, copy, database)
        goes_on(world, copy)


def there_and_back(world: World, base: Copy) -> None:
    """Let two versions be published at once: the other one goes on until it is public, and waits then."""
    acts = (SECOND, Upload("gtk-4.18.3"))
    begin = beginning(world, base, acts)
    world.has_cdn = True
    for at in range(16, 34):
        for then in (12, 14, 16):
            race(world, begin, acts, Schedule(at, (at, at + then)))


PUBLISHING = fails(Scenario("a first release", (), FIRST, has_cdn=True))
WITHOUT_CDN = fails(Scenario("a first release", (), FIRST, has_cdn=False))
SIGNING = fails(Scenario("a signature added later", (FIRST,), Sign("gtk-4.18.1", "bob"), has_cdn=False))
FOUND_BY: dict[Mutant, tuple[str, Search]] = {
    mutants.index_first: ("I1", WITHOUT_CDN),
    mutants.no_404_purge: ("I1", PUBLISHING),
    mutants.only_the_own_404s_are_purged: ("I1", there_and_back),
    mutants.snapshot_before_etag: ("I9", at_once),
    mutants.blind_regenerate: ("I9", restores),
    mutants.token_outside_the_claim: ("I8", WITHOUT_CDN),
    mutants.mail_before_visible: ("I10", PUBLISHING),
    mutants.promise_after_the_commit: ("I[56]", WITHOUT_CDN),
    mutants.store_before_claim: ("I4", WITHOUT_CDN),
    mutants.reply_before_the_index: ("I6", WITHOUT_CDN),
    mutants.a_death_is_nobody_s_business: ("I5", WITHOUT_CDN),
    mutants.late_signature_is_not_told_again: ("I5", SIGNING),
    mutants.signature_file_without_its_row: ("I5", SIGNING),
}


@pytest.mark.parametrize("mutant", FOUND_BY, ids=lambda mutant: mutant.__name__)
def test_a_seeded_bug_is_found(
    world: World, base: Copy, report: Report, monkeypatch: pytest.MonkeyPatch, mutant: Mutant
) -> None:
    invariant, search = FOUND_BY[mutant]
    mutant(monkeypatch)
    with pytest.raises(Violation, match=f"^{invariant}") as found:
        search(world, base)
    report(f"crash: {mutant.__name__} is found: {str(found.value)[:150]}")
