"""What is new in NEWS: the first new block, if it says more than two lines."""

import random
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service.news import new_block

OLD = b"Version 1\n=========\n\n* First\n* Second\n"
NEW = b"Version 2\n=========\n\n* Third\n* Fourth\n\n"


def test_without_a_previous_version_it_is_the_whole_file() -> None:
    assert new_block(None, OLD) == OLD


@pytest.mark.parametrize("content", [b"", b"x", b"one\ntwo\n"])
def test_without_a_previous_version_no_file_is_too_short(content: bytes) -> None:
    assert new_block(None, content) == content


def test_what_was_added_at_the_top_is_the_news() -> None:
    assert new_block(OLD, NEW + OLD) == NEW


def test_what_was_added_at_the_bottom_is_the_news() -> None:
    assert new_block(OLD, OLD + NEW) == NEW


def test_what_was_added_below_a_title_is_the_news() -> None:
    title = b"News of gtk\n===========\n"
    assert new_block(title + OLD, title + NEW + OLD) == NEW


def test_what_replaced_a_block_is_the_news() -> None:
    unreleased = b"Unreleased\n----------\n"
    assert new_block(unreleased + OLD, NEW + OLD) == NEW


def test_a_wholly_other_file_is_the_news() -> None:
    other = b"".join(b"line %d\n" % i for i in range(50))
    assert new_block(OLD, other) == other


def test_of_two_new_blocks_the_first_is_the_news() -> None:
    middle = b"Version 1.5\n\n* Between\n* And more\n"
    tail = b"Version 0\n\n* Nothing\n"
    assert new_block(OLD + tail, NEW + OLD + middle + tail) == NEW


def test_a_first_block_that_is_too_short_hides_later_ones() -> None:
    """The contract's words: the first block, kept if it has more than two lines."""
    assert new_block(OLD + b"end\n", b"Fixed a typo\n" + OLD + NEW + b"end\n") is None


@pytest.mark.parametrize("lines", [1, 2])
def test_two_lines_or_less_are_no_news(lines: int) -> None:
    assert new_block(OLD, b"x\n" * lines + OLD) is None


def test_three_lines_are_news() -> None:
    assert new_block(OLD, b"a\nb\nc\n" + OLD) == b"a\nb\nc\n"


@pytest.mark.parametrize("current", [OLD, b"", OLD[:20], OLD[10:]], ids=["same", "empty", "cut-short", "beheaded"])
def test_nothing_new_is_no_news(current: bytes) -> None:
    assert new_block(OLD, current) is None


def test_an_empty_previous_file_makes_all_of_it_news() -> None:
    assert new_block(b"", OLD) == OLD


def test_overlined_headings_stay_with_their_own_version() -> None:
    """A plain diff would begin below the first rule, and end with the old version's."""
    old = b"=====\nVersion 1\n=====\n\n* First\n* Second\n"
    new = b"=====\nVersion 2\n=====\n\n* Third\n* Fourth\n\n"
    assert new_block(old, new + old) == new


def test_a_file_of_ever_the_same_lines_has_its_news_at_the_top() -> None:
    """Lines that come often mean nothing to difflib: all that follows would be news."""
    old = b"* Updated translations\n\n" * 300
    assert new_block(old, NEW + old) == NEW


def test_a_typo_mended_at_the_bottom_does_not_hide_the_news() -> None:
    old = b"Version 1\n\n* First\n* Second\n\nVersion 0\n\n* Begining\n"
    assert new_block(old, NEW + old.replace(b"Begining", b"Beginning")) == NEW


def test_bytes_that_are_not_utf8_come_out_as_they_went_in() -> None:
    new = b"Versi\xf3n 2\n\n* \xff\xfe\n* \x80\n"
    assert new_block(b"\xe9\n" + OLD, new + b"\xe9\n" + OLD) == new


def test_lines_may_end_in_crlf() -> None:
    old, new = (text.replace(b"\n", b"\r\n") for text in (OLD, NEW))
    assert new_block(old, new + old) == new


def test_a_last_line_without_newline_is_a_line() -> None:
    assert new_block(b"x\nend", b"a\nb\nc\nx\nend") == b"a\nb\nc\n"


@given(st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"==\n"])), st.lists(st.sampled_from([b"a\n", b"b\n", b"\n"])))
def test_news_is_a_run_of_lines_of_the_new_file(old: list[bytes], new: list[bytes]) -> None:
    block = new_block(b"".join(old), b"".join(new))
    if block is not None:
        assert len(block.splitlines()) > 2
        assert block in b"".join(new)


def _lines(seed: int, count: int, kinds: int) -> bytes:
    choose = random.Random(seed)  # noqa: S311 - a text, no secret
    return b"".join(b"line %d\n" % choose.randrange(kinds) for _ in range(count))


HUGE = {
    "grown-at-the-top": (_lines(1, 200_000, 10**9), NEW + _lines(1, 200_000, 10**9)),
    "all-lines-equal": (b"x\n" * 500_000, b"x\n" * 400_000 + b"y\n"),
    "all-lines-empty": (b"\n" * 2_000_000 + b"end\n", b"\n" * 2_000_000 + b"END\n"),
    "few-kinds-of-line": (_lines(1, 20_000, 3), _lines(2, 20_000, 3)),
    "a-hundred-kinds-of-line": (_lines(1, 20_000, 100), _lines(2, 20_000, 100)),
    "all-lines-differ": (_lines(1, 20_000, 10**9), _lines(2, 20_000, 10**9)),
    "one-endless-line": (b"x" * 8_000_000, b"y" * 8_000_000),
}


@pytest.mark.parametrize("pair", HUGE.values(), ids=HUGE)
def test_a_huge_file_takes_no_more_than_a_moment(pair: tuple[bytes, bytes]) -> None:
    began = time.process_time()
    new_block(*pair)
    assert time.process_time() - began < 5


def test_the_end_is_common_only_from_the_beginning_of_a_line() -> None:
    assert new_block(b"b\nz\n", b"1\n2\n3\nab\nz\n") == b"1\n2\n3\nab\n"


def test_files_of_very_many_short_lines_cost_no_more_than_a_few_times_their_size() -> None:
    """A tarball of 3 kB can hold 8 MiB of them; as lists of lines they took half a gigabyte."""
    old, new = b"a\n" * 2**21, b"b\n" * 2**21
    tracemalloc.start()
    assert new_block(old, new) == b"b\n" * 4000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(new)


@given(st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c"])), st.lists(st.sampled_from([b"a\n", b"b\n", b"x\n"])))
def test_what_is_put_before_an_unchanged_file_is_the_news(old: list[bytes], added: list[bytes]) -> None:
    before, new = b"".join(old), b"".join(added)
    assert new_block(before, new + before) == (new if len(added) > 2 else None)
