r"""GNOME versions: their grammar, their order, their series.

The order is a published behaviour (CONTRACT.md 2): clients take the last entry of cache.json.
Tokens of ``([-.]|\d+|[^-.\d]+)``; '-' < '.' < anything else; two numbers compare as integers, as text
where one starts with 0; alpha, beta and rc come before a number; other text case-blind; then the
shorter list of tokens first.  So::

    47.9 < 48 < 48.alpha < 48.alpha.1 < 48.beta < 48.rc < 48.0 < 48.0.alpha2 < 48.1
"""

import functools
import re
from dataclasses import dataclass

# [0-9], never \d: that one takes every script's digits.
_TOKEN = re.compile(r"[-.]|[0-9]+|[^-.0-9]+")
_NUMBER = r"(?:0|[1-9][0-9]{0,17})"
_CANONICAL = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})*(?:\.(?:alpha|beta|rc){_NUMBER}?(?:\.{_NUMBER})*)?")
# What the old archive holds: leading zeros, words of any kind, dashes.
_IMPORTED = re.compile(r"[0-9][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*")
_LONGEST = 64
# From this major version on, GNOME counts 40, 41, 42: one directory for each (CONTRACT.md 2).
_FIRST_WHOLE_SERIES = 40

_Token = tuple[int, int, str]


def _sort_key(text: str) -> _Token:
    if text in {"-", "."}:
        return ("-.".index(text), 0, "")
    if text[0].isdigit():
        return (3, 0, text) if text[0] == "0" else (3, int(text), "")
    word = text.lower()
    return (2 if word in {"alpha", "beta", "rc"} else 4, 0, word)


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """One version of a module, in the spelling that was published.

    Made by `parse` (what may be published today) or `parse_imported` (what the old archive
    holds).  Ordered totally: two spellings that the contract's order cannot tell apart
    (``1.RC`` and ``1.rc``) fall back to their text.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Return the version that *text* spells canonically.

        Raises ValueError for anything else: leading zeros, other words than alpha, beta and rc,
        capitals, digits that are not ASCII, more than 64 characters.
        """
        if len(text) > _LONGEST or not _CANONICAL.fullmatch(text):
            raise ValueError(text)
        return cls(text)

    @classmethod
    def parse_imported(cls, text: str) -> "Version":
        """Return the version of an old release; wider than `parse`.  (Raises: ValueError.)"""
        if len(text) > _LONGEST or not _IMPORTED.fullmatch(text):
            raise ValueError(text)
        return cls(text)

    @property
    def series(self) -> str:
        """The directory of related versions: 48 of 48.1, 4.18 of 4.18.1, 20240407 of itself."""
        major, *rest = self.text.split(".")
        if not rest or (major.isdigit() and int(major) >= _FIRST_WHOLE_SERIES):
            return major
        return f"{major}.{rest[0]}"

    @property
    def key(self) -> tuple[_Token, ...]:
        """The contract's sort key."""
        return tuple(_sort_key(token) for token in _TOKEN.findall(self.text))

    def __lt__(self, other: "Version") -> bool:
        """Compare by the contract's order, then by text."""
        return (self.key, self.text) < (other.key, other.text)

    def __str__(self) -> str:
        """Return the published spelling."""
        return self.text
