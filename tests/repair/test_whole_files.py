"""Thousands of whole files are inspected by a few processes, each file in a fork that it can harm alone."""

import tempfile
from collections.abc import Iterator
from contextlib import closing

import pytest

from archives import COMPRESS, TOP, file, good, look_at
from release_service.archive import Inspection, Limits
from release_service.archive.inspector import WholeFiles
from release_service.errors import BadArchive, Unavailable
from release_service.tarball import TarballName


@pytest.fixture
def inspector() -> Iterator[WholeFiles]:
    """One inspector, whose processes end with the test."""
    with closing(WholeFiles(Limits(text_bytes=200))) as made:
        yield made


def inspect(inspector: WholeFiles, content: bytes) -> Inspection:
    with tempfile.TemporaryFile() as whole:
        whole.write(content)
        whole.flush()
        return inspector.inspect(TarballName.parse(f"{TOP}.tar.gz"), whole.fileno())


def test_each_file_is_inspected_as_if_it_were_the_only_one(inspector: WholeFiles) -> None:
    contents = [
        COMPRESS["gz"](good() + file(f"{TOP}/NEWS", b"%d\n" % number * 20) + bytes(1024)) for number in range(3)
    ]
    for content in (*contents, *contents):
        expected = look_at(content, compression="gz", limits=Limits(text_bytes=200))
        assert inspect(inspector, content) == expected
        assert expected.texts
        with pytest.raises(BadArchive):
            inspect(inspector, content[: len(content) // 2])
    assert len(inspector._idle) == 1


def test_a_process_that_dies_is_an_outage_and_the_next_file_gets_another(inspector: WholeFiles) -> None:
    content = COMPRESS["gz"](good() + bytes(1024))
    assert inspect(inspector, content).members
    process, _ = inspector._idle[0]
    process.kill()
    process.wait()
    with pytest.raises(Unavailable):
        inspect(inspector, content)
    assert inspect(inspector, content).members
