"""The whole corpus through the inspecting process: verdict, memory, time."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from archives import COMPRESS
from hostile_archives import BOMBS, Case, cases
from inspected import Outcome, outcomes
from odd_archives import GOOD, GOOD_COMPRESSED

HOSTILE = {name: case for name, case in cases().items() if not name.startswith("bomb-")}
BOMB_CASES = {f"bomb-{name}": Case(*bomb) for name, bomb in BOMBS.items()}

CLASSES = """
    FORMAT CORRUPT EOF TRAILING TOPDIR PATH PATH_ABS PATH_DOTDOT PATH_CTRL PATH_ENC PATH_UNINORM PATH_LEN PATH_DUP
    LINK_ABS LINK_ESCAPE LINK_LOOP LINK_MISSING LINK_THROUGH TYPE MODE META
    PAX_MALFORMED PAX_TWICE PAX_SIZE PAX_PATH PAX_GLOBAL PAX_XATTR PAX_SPARSE PAX_LONG
    BOMB_SIZE BOMB_RATIO BOMB_COUNT BOMB_HEADER BOMB_MEM
"""


def odd() -> dict[str, Case]:
    compressions = itertools.cycle(("xz", "gz"))
    found = {
        f"tar-{name}": Case("", compression, partial(map, COMPRESS[compression], [archive]))
        for (name, archive), compression in zip(GOOD.items(), compressions, strict=False)
    }
    return found | {
        name: Case("", compression, partial(iter, [content]))
        for name, (compression, content) in GOOD_COMPRESSED.items()
    }


def inspected(corpus: Mapping[str, Case], home: Path, at_once: int = 2) -> dict[str, Outcome]:
    for name, case in corpus.items():
        with (home / f"{name}.{case.compression}").open("wb") as out:
            out.writelines(case.pieces())
    return {outcome.file.rpartition(".")[0]: outcome for outcome in outcomes(home, at_once)}


def verdicts(found: Mapping[str, Outcome]) -> dict[str, str]:
    return {name: outcome.rule for name, outcome in found.items()}


def expected(corpus: Mapping[str, Case]) -> dict[str, str]:
    return {name: case.rule for name, case in corpus.items()}


def differing(found: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (found[name], rule) for name, rule in wanted.items() if found[name] != rule}


def worst(found: Mapping[str, Outcome], cost: Callable[[Outcome], float]) -> tuple[float, str]:
    return max((cost(outcome), name) for name, outcome in found.items())


def test_the_corpus_has_every_class() -> None:
    assert {case.rule for case in cases().values()} == set(CLASSES.split())
    assert len(cases()) >= 110
    assert len(odd()) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("corpus", [HOSTILE, odd()], ids=["hostile", "odd"])
def test_the_process_judges_each_file_by_its_rule_and_with_little_memory(
    corpus: dict[str, Case], tmp_path: Path
) -> None:
    found = inspected(corpus, tmp_path)
    assert differing(verdicts(found), expected(corpus)) == {}
    assert worst(found, lambda outcome: outcome.peak_mib) <= (256, "")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    home = tmp_path_factory.mktemp("bombs")
    yield inspected(BOMB_CASES, home, at_once=1)
    for file in home.iterdir():
        file.unlink()


@pytest.mark.slow
@pytest.mark.alone
def test_each_bomb_is_refused_by_its_rule_within_10_seconds_and_256_mib(bombs: dict[str, Outcome]) -> None:
    assert differing(verdicts(bombs), expected(BOMB_CASES)) == {}
    assert worst(bombs, lambda outcome: outcome.seconds) <= (10, "")
    assert worst(bombs, lambda outcome: outcome.peak_mib) <= (256, "")


@pytest.mark.slow
@pytest.mark.alone
def test_an_expansion_to_4_gib_is_stopped_within_2_seconds(bombs: dict[str, Outcome]) -> None:
    large = {name: outcome for name, outcome in bombs.items() if "4-gib" in name}
    assert len(large) >= 5
    assert worst(large, lambda outcome: outcome.seconds) <= (2, "")
