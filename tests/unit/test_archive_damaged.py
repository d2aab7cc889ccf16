"""Good archives with a few bytes changed, cut or put in: refused or accepted, never anything else."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import BLOCK, GNU, TOP, look_at, with_field
from hostile_archives import HOSTILE_COMPRESSED
from odd_archives import GOOD, GOOD_COMPRESSED
from release_service.archive import Limits, xz
from release_service.archive.rules import Contents
from release_service.archive.tar import Reader
from release_service.errors import BadArchive

pytestmark = pytest.mark.slow

XZ_FILES = [
    content
    for compression, content in (*GOOD_COMPRESSED.values(), *(file[1:] for file in HOSTILE_COMPRESSED.values()))
    if compression == "xz"
]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw *content* with up to four damages."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 2, 8, 12, BLOCK])))
        content = content[:start] + draw(st.binary(max_size=16) | st.just(content[start:end] * 2)) + content[end:]
    return content


@st.composite
def damaged_archives(draw: st.DrawFn) -> bytes:
    """Draw a damaged tar archive; the sums of its headers are mostly right all the same."""
    archive = draw(damaged(draw(st.sampled_from(list(GOOD.values())))))
    if draw(st.integers(0, 9)) == 0:
        return archive
    blocks = [archive[at : at + BLOCK] for at in range(0, len(archive), BLOCK)]
    return b"".join(with_field(block, 148, b"") if len(block) == BLOCK and any(block) else block for block in blocks)


def members_of(archive: bytes) -> list[tuple[str, int]]:
    reader, contents = Reader(iter([archive]), Limits()), Contents(TOP, Limits())
    found = []
    for member in reader:
        contents.admit(member)
        reader.digest()
        found.append((member.path, member.size))
    reader.finish()
    contents.finish()
    return found


@settings(max_examples=500, deadline=None)
@given(damaged_archives())
def test_a_damaged_archive_is_refused_or_read_as_tarfile_reads_it(archive: bytes) -> None:
    try:
        found = members_of(archive)
    except BadArchive:
        return
    if GNU not in archive:  # GNU has times where ustar has a prefix: tarfile takes them for one
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as other:
            # The slash behind a directory's name is not stripped where a prefix stands before it.
            assert found == [(member.name.rstrip("/"), member.size) for member in other]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_damaged_compressed_file_is_refused_or_accepted(data: st.DataObject) -> None:
    compression, content = data.draw(st.sampled_from(list(GOOD_COMPRESSED.values())))
    try:
        look_at(
            data.draw(damaged(content)), compression=compression, piece=data.draw(st.sampled_from([1, 100, 10_000]))
        )
    except BadArchive:
        return


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_xz_file_is_judged_as_a_whole_without_an_error(data: st.DataObject) -> None:
    content = data.draw(damaged(data.draw(st.sampled_from(XZ_FILES))))
    try:
        xz.prescan(lambda at, count: content[at : at + count], len(content), Limits())
    except BadArchive:
        return
