"""Versions: the grammar that may be published today, the order that clients rely on, the series."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service.version import Version

# CONTRACT.md 2, word for word.
CHAIN = ["47.9", "48", "48.alpha", "48.alpha.1", "48.beta", "48.rc", "48.0", "48.0.alpha2", "48.1"]
IN_USE = [
    "48.1",
    "50.alpha",
    "50.rc.1",
    "48.0.alpha2",
    "1.9.rc",
    "1.1.rc",
    "4.4.0.1",
    "2026.1",
    "41",
    "3.59.3",
    "0.83.91",
    "20240407",
]

number = st.integers(0, 10**18 - 1).map(str) | st.sampled_from(["0", "1", "2", "9", "10", "48"])
numbers = st.lists(number, min_size=1, max_size=4).map(".".join)
word = st.sampled_from(["alpha", "beta", "rc"])
prerelease = st.builds("{}.{}{}".format, numbers, word, number | st.just("") | numbers)
canonical = (numbers | prerelease).filter(lambda text: len(text) <= 64).map(Version.parse)
part = st.text("0129aAbBcrRCxX", min_size=1, max_size=4) | st.sampled_from(
    ["alpha", "beta", "rc", "RC", "0", "00", "01"]
)
imported = st.builds(
    lambda first, rest: Version.parse_imported(first + "".join(f"{dash}{text}" for dash, text in rest)),
    st.sampled_from(["0", "1", "01", "48", "2a"]),
    st.lists(st.tuples(st.sampled_from("-."), part), max_size=4),
)
version = canonical | imported


def test_the_contracts_chain_is_ascending() -> None:
    versions = [Version.parse(text) for text in CHAIN]
    assert sorted(Version.parse(text) for text in set(CHAIN)) == versions
    for i, low in enumerate(versions):
        for high in versions[i + 1 :]:
            assert low < high
            assert high > low
            assert low != high


@pytest.mark.parametrize(
    "chain",
    [
        "1.9 < 1.10 < 1.11",
        "0.9 < 1.0 < 2 < 10",
        "1 < 1-1 < 1.1",
        "1.0 < 1.00 < 1.01 < 1.1",
        "1.010 < 1.9 < 1.10",
        "2.a < 2.b < 2.b.1",
        "2.rc < 2.0 < 2.1 < 2.pre",
        "1.9.rc < 1.9.0",
        "3.10.92 < 3.11",
        "1.4.2 < 1.4.2.1",
    ],
)
def test_a_chain_of_imported_versions_is_ascending(chain: str) -> None:
    for low, high in pairwise(chain.split(" < ")):
        assert Version.parse_imported(low) < Version.parse_imported(high)


@given(version, version)
def test_of_two_versions_one_is_lower_or_they_are_one(a: Version, b: Version) -> None:
    assert [a < b, a == b, b < a].count(True) == 1
    assert (a <= b) == (not b < a)


@given(version, version, version)
def test_the_order_is_transitive(a: Version, b: Version, c: Version) -> None:
    low, middle, high = sorted([a, b, c])
    assert low <= middle <= high
    assert low <= high


@given(canonical)
def test_parsing_what_was_printed_gives_the_same_canonical_version(one: Version) -> None:
    assert Version.parse(str(one)) == one
    assert Version.parse_imported(str(one)) == one


@given(imported)
def test_parsing_what_was_printed_gives_the_same_imported_version(one: Version) -> None:
    assert Version.parse_imported(str(one)) == one


@given(st.text() | st.text("0123456789.alphbetrc-", max_size=70))
def test_any_text_is_a_version_or_a_value_error(text: str) -> None:
    for parse in (Version.parse, Version.parse_imported):
        try:
            assert str(parse(text)) == text
        except ValueError:
            continue


@pytest.mark.parametrize("text", IN_USE)
def test_a_version_in_use_is_canonical(text: str) -> None:
    assert str(Version.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("51.beta", "51"),
        ("41.3", "41"),
        ("2026.1", "2026"),
        ("4.22.2", "4.22"),
        ("1.9.rc", "1.9"),
        ("20240407", "20240407"),
        ("40", "40"),
        ("40.0.1", "40"),
        ("39.2.1", "39.2"),
        ("41", "41"),
        ("3", "3"),
        ("0.83.91", "0.83"),
        ("48.0.alpha2", "48"),
        ("4.4.0.1", "4.4"),
    ],
)
def test_the_series_is_the_contracts(text: str, series: str) -> None:
    assert Version.parse(text).series == series


NEVER = {
    "empty": "",
    "space": " ",
    "space-before": " 48.1",
    "space-after": "48.1 ",
    "space-inside": "48. 1",
    "newline-after": "48.1\n",
    "newline-inside": "48\n.1",
    "carriage-return": "48.1\r",
    "tab": "48\t1",
    "nul": "48.1\0",
    "nul-inside": "48\0.1",
    "escape": "48.1\x1b[2J",
    "dot-first": ".48",
    "dot-last": "48.",
    "two-dots": "48..1",
    "only-a-dot": ".",
    "dash-first": "-48.1",
    "dash-last": "48.1-",
    "plus-sign": "+48.1",
    "plus": "48.1+1",
    "tilde": "48.1~rc1",
    "underscore": "48_1",
    "slash": "48/1",
    "backslash": "48\\1",
    "dot-dot": "..",
    "dot-dot-slash": "../48",
    "comma": "48,1",
    "colon": "1:48",
    "percent": "48%2e1",
    "word-first": "alpha",
    "word-only-dotted": "rc.1",
    "letters-first": "v48.1",
    "arabic-indic": "4\u0668.1",
    "arabic-indic-all": "\u0664\u0668",
    "superscript": "48.\u00b2",
    "subscript": "48.\u2081",
    "full-width": "\uff14\uff18.1",
    "full-width-dot": "48\uff0e1",
    "roman": "\u2167.1",
    "devanagari": "48.\u0967",
    "zero-width": "48\u200b.1",
    "no-break-space": "48.1\u00a0",
    "greek-word": "48.\u03b1lpha",
    "too-long": "1" + ".1" * 32,
    "very-long": "1" * 100_000,
}


@pytest.mark.parametrize("text", NEVER.values(), ids=NEVER)
def test_what_is_no_version_is_refused_by_both_grammars(text: str) -> None:
    for parse in (Version.parse, Version.parse_imported):
        with pytest.raises(ValueError, match=r"\A"):
            parse(text)


NOT_CANONICAL = {
    "leading-zero": "048.1",
    "leading-zero-later": "48.01",
    "two-zeros": "00",
    "leading-zero-in-word": "48.alpha01",
    "leading-zero-after-word": "48.alpha.01",
    "capital-word": "48.RC",
    "one-capital": "48.Beta",
    "other-word": "48.pre1",
    "git": "48.git",
    "dash": "48-1",
    "dash-word": "48-rc1",
    "no-dot-before-word": "48rc1",
    "word-in-the-middle": "48.rc.beta",
    "two-words": "48.alpha.beta",
    "letter": "1.0.2a",
    "word-then-letters": "48.rc1x",
    "hexadecimal": "0x30",
    "exponent": "1e9",
    "nineteen-digits": "1" * 19,
}


@pytest.mark.parametrize("text", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_an_old_spelling_is_imported_but_never_published_anew(text: str) -> None:
    assert str(Version.parse_imported(text)) == text
    with pytest.raises(ValueError, match=r"\A"):
        Version.parse(text)


def test_the_longest_version_has_64_characters() -> None:
    text = "10" + ".1" * 31
    assert (len(text), Version.parse(text).text) == (64, text)


def test_words_compare_without_case_and_then_by_their_text() -> None:
    upper, lower, after = (Version.parse_imported(text) for text in ("1.RC", "1.rc", "1.0"))
    assert upper.key == lower.key
    assert upper != lower
    assert upper < lower < after
