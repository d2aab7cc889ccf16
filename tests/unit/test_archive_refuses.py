"""Archives that are refused, each by the rule that it breaks and no other."""

import asyncio
import gzip
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import (
    COMPRESS,
    DIRECTORY,
    END,
    FILE,
    HARDLINK,
    SYMLINK,
    TOP,
    directory,
    file,
    good,
    hardlink,
    header,
    long_name,
    look,
    look_at,
    pax,
    symlink,
)
from hostile_archives import HOSTILE, HOSTILE_COMPRESSED, with_dictionary
from release_service.archive import Limits
from release_service.archive.inspector import Inspector
from release_service.errors import BadArchive
from release_service.tarball import TarballName

A = f"{TOP}/a"


def rule_of(act: Callable[[], object]) -> str:
    with pytest.raises(BadArchive) as caught:
        act()
    refusal = caught.value
    assert refusal.detail.isascii()
    assert refusal.detail.isprintable()
    assert refusal.detail.endswith(f" [{refusal.rule}]")
    assert len(refusal.detail) < 600
    return refusal.rule


@pytest.mark.parametrize(("rule", "archive"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_by_its_rule(rule: str, archive: bytes) -> None:
    assert rule_of(lambda: look(archive)) == rule


@pytest.mark.parametrize("piece", [1, 65_536])
@pytest.mark.parametrize(("rule", "compression", "content"), HOSTILE_COMPRESSED.values(), ids=HOSTILE_COMPRESSED)
def test_a_hostile_compression_is_refused_by_its_rule(rule: str, compression: str, content: bytes, piece: int) -> None:
    assert rule_of(lambda: look_at(content, compression=compression, piece=piece)) == rule


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_a_file_that_is_cut_off_anywhere_is_refused(compression: str) -> None:
    content = COMPRESS[compression](good() + END)
    for size in range(len(content)):
        assert rule_of(lambda: look_at(content[:size], compression=compression)) in {"FORMAT", "CORRUPT"}  # noqa: B023 - called at once


def test_an_archive_that_is_cut_off_anywhere_is_refused() -> None:
    archive = pax({"comment": "x"}, b"g") + directory(TOP) + pax({"path": f"{A}b"}) + file(f"{A}b", b"x" * 700) + END
    for size in range(0, len(archive), 64):
        assert rule_of(lambda: look(archive[:size], compression="gz")) == "EOF"  # noqa: B023 - called at once


# Bombs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [40, 39, 36, 31], ids=["4-gib", "3-gib", "1-gib", "192-mib"])
def test_a_dictionary_beyond_the_limit_is_refused_before_it_is_allocated(code: int) -> None:
    assert rule_of(lambda: look_at(with_dictionary(code))) == "BOMB_MEM"


@pytest.mark.parametrize("code", [0, 24, 28, 29], ids=["4-kib", "16-mib", "64-mib", "96-mib"])
def test_a_dictionary_within_the_limit_is_accepted(code: int) -> None:
    assert look_at(with_dictionary(code)).members == 2


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_an_archive_that_expands_beyond_the_limit_is_refused(compression: str) -> None:
    archive = file(A, os.urandom(300_000)) + END
    exactly = Limits(expanded_bytes=len(archive))
    assert look(archive, compression=compression, limits=exactly).expanded_bytes == len(archive)
    less = Limits(expanded_bytes=len(archive) - 1)
    assert rule_of(lambda: look(archive, compression=compression, limits=less)) == "BOMB_SIZE"


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", "zst"])
def test_an_archive_that_expands_too_many_times_is_refused(compression: str) -> None:
    archive = file(A, bytes(8 * 1024 * 1024)) + END
    assert (
        rule_of(lambda: look(archive, compression=compression, limits=Limits(ratio_from_bytes=2**20))) == "BOMB_RATIO"
    )


def test_a_small_archive_may_expand_as_much_as_it_likes() -> None:
    assert look(file(A, bytes(8 * 1024 * 1024)) + END).members == 1


def test_a_ratio_bomb_is_refused_early_by_the_real_limits() -> None:
    """A gigabyte of zeros: refused at 128 MiB, with a step's worth of memory."""
    mebibyte = gzip.compress(bytes(2**20), mtime=0)
    content = gzip.compress(header(A, size=2**30), mtime=0) + mebibyte * 1024
    began = time.process_time()
    assert rule_of(lambda: look_at(content, compression="gz")) == "BOMB_RATIO"
    assert time.process_time() - began < 5


def test_more_members_than_allowed_are_refused() -> None:
    archive = b"".join(file(f"{TOP}/{number}", b"") for number in range(11)) + END
    assert look(archive, limits=Limits(members=11)).members == 11
    assert rule_of(lambda: look(archive, limits=Limits(members=10))) == "BOMB_COUNT"


def test_directories_that_come_again_and_again_count() -> None:
    archive = directory(A) * 11 + END
    assert rule_of(lambda: look(archive, limits=Limits(members=10))) == "BOMB_COUNT"


def test_a_web_of_long_links_is_refused_within_seconds() -> None:
    """Each link leads through forty others of forty steps: nobody follows all of them."""
    steps = "./" * 40
    chain = b"".join(symlink(f"{TOP}/{i}", f"{steps}{i + 1}") for i in range(38)) + file(f"{TOP}/38")
    web = b"".join(symlink(f"{TOP}/l{i}", f"{steps}0") for i in range(4000)) + END
    began = time.process_time()
    assert rule_of(lambda: look(chain + web, compression="gz")) == "BOMB_COUNT"
    assert time.process_time() - began < 8


# Whatever comes ------------------------------------------------------------------------------

blocks = st.sampled_from(
    [
        directory(TOP),
        file(A),
        file(f"{A}/b"),
        symlink(A, "../x"),
        symlink(f"{TOP}/l", "a"),
        hardlink(f"{TOP}/h", A),
        pax({"path": f"{TOP}/p"}),
        pax({"size": "3"}),
        long_name(f"{TOP}/n"),
        bytes(512),
        b"x" * 512,
        b"odd",
    ]
) | st.binary(max_size=600)


@settings(max_examples=300)
@given(st.lists(blocks, max_size=6).map(b"".join), st.booleans())
def test_any_archive_is_accepted_or_refused(archive: bytes, ends: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    try:
        look(archive + (END if ends else b""), compression="gz")
    except BadArchive:
        return


@given(
    st.integers(0, 511),
    st.integers(0, 255),
    st.sampled_from([FILE, HARDLINK, SYMLINK, DIRECTORY, b"x", b"g", b"L"]),
)
def test_any_damaged_header_is_accepted_or_refused(at: int, value: int, kind: bytes) -> None:
    block = bytearray(header(A, kind=kind, size=10, target="b"))
    block[at] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    try:
        look(directory(TOP) + bytes(block) + bytes(512) + END, compression="gz")
    except BadArchive:
        return


@given(st.binary(max_size=300), st.sampled_from(sorted(COMPRESS)))
def test_any_bytes_are_accepted_or_refused(content: bytes, compression: str) -> None:
    magic = COMPRESS[compression](b"")[:6]
    for start in (b"", magic):
        assert rule_of(lambda: look_at(start + content, compression=compression)).isupper()  # noqa: B023 - called at once


@pytest.mark.parametrize(
    "rule", ["TOPDIR", "PATH_ABS", "LINK_ESCAPE", "PAX_GLOBAL", "MODE", "TRAILING", "BOMB_HEADER", "LINK_LOOP"]
)
def test_the_process_refuses_as_the_function_does(rule: str, tmp_path: Path) -> None:
    archive = next(archive for found, archive in HOSTILE.values() if found == rule)
    content = COMPRESS["xz"](archive)
    with tempfile.TemporaryFile(dir=tmp_path) as received:
        received.write(content)
        received.flush()
        inspecting = asyncio.run(Inspector(Limits()).begin(TarballName.parse(f"{TOP}.tar.xz"), received.fileno()))
        assert rule_of(lambda: inspecting.result(len(content))) == rule


def test_the_process_is_given_its_limits(tmp_path: Path) -> None:
    content = COMPRESS["xz"](good() + END)
    with tempfile.TemporaryFile(dir=tmp_path) as received:
        received.write(content)
        received.flush()
        inspecting = asyncio.run(
            Inspector(Limits(members=1)).begin(TarballName.parse(f"{TOP}.tar.xz"), received.fileno())
        )
        assert rule_of(lambda: inspecting.result(len(content))) == "BOMB_COUNT"
