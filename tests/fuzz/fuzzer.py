"""The loop that all fuzzers here run, with atheris, which is no dependency: ``pip install atheris`` beside the others.

``python tests/fuzz/fuzz_NAME.py CORPUS [-max_total_time=600 ...]`` takes libFuzzer's options.  The directory
CORPUS is filled with seeds, which the tests' tables are, when it is empty.  Ten seconds of work are a finding, too.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import atheris

Reader = Callable[[bytes], object]
_Sent = TypeVar("_Sent")
_Read = TypeVar("_Read")

_TESTS = Path(__file__).parent.parent
sys.path += [str(_TESTS), str(_TESTS / "unit")]


def fuzz(
    readers: Sequence[Reader],
    refusals: tuple[type[Exception], ...],
    seeds: Iterable[tuple[Reader, bytes]],
    *,
    longest: int = 2**16,
) -> None:
    """Let *readers* read for ever: the first byte of an input chooses one, which may raise *refusals*, and no more."""

    def one(data: bytes) -> None:
        if data:
            try:
                readers[data[0] % len(readers)](data[1:])
            except refusals as refusal:
                hold_shown(refusal)

    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for number, (reader, seed) in enumerate(seeds):
            if len(seed) < longest:
                (corpus / f"seed-{number}").write_bytes(bytes([readers.index(reader)]) + seed)
    atheris.Setup([*sys.argv, f"-max_len={longest}", "-timeout=10", "-rss_limit_mb=1024"], one)
    atheris.Fuzz()


def hold_same(ours: object, other: object) -> None:
    """Hold that what was read in two ways is the same."""
    if ours != other:
        raise AssertionError(f"one way: {ours}; the other: {other}")


def accepted(read: Callable[[_Sent], _Read], data: _Sent) -> _Read:
    """Return what *read* makes of *data*, which it must not refuse."""
    try:
        return read(data)
    except Exception as error:
        raise AssertionError(f"refused, although it must be good: {error!r}") from error


def hold_shown(refusal: Exception) -> None:
    """Hold that *refusal* may be shown: some printable ASCII."""
    text = str(refusal)
    if not (text and text.isascii() and text.isprintable()):
        raise AssertionError(f"cannot be shown: {text!r}")
