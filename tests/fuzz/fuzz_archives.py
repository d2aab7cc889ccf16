"""Fuzzes the archive readers.

A finding is anything but BadArchive or success, or an accepted archive that Python's own tarfile reads otherwise.
"""

import io
import tarfile
from collections.abc import Iterator

import atheris
from fuzzer import Reader, fuzz, hold_same

with atheris.instrument_imports(include=["release_service.archive"]):
    from release_service.archive import Limits, xz
    from release_service.archive.inspection import inspect
    from release_service.archive.rules import Contents
    from release_service.archive.tar import Reader as TarReader

from archives import BLOCK, GNU, TOP, with_field
from hostile_archives import HOSTILE, HOSTILE_COMPRESSED, HOSTILE_WHOLE
from odd_archives import GOOD, GOOD_COMPRESSED
from release_service.errors import BadArchive

# Small enough that what a fuzzer makes can reach them.
LIMITS = Limits(
    expanded_bytes=2**22, ratio_from_bytes=2**18, members=50, header_bytes=4096, names_bytes=8192, streams=20
)
_COMPRESSIONS = ("xz", "gz", "bz2", "zst")


def read_tar(content: bytes) -> None:
    """Read *content* as a tar archive whose check sums are right, and compare with tarfile."""
    archive = with_sums(content)
    reader, contents = TarReader(iter([archive[:700], archive[700:]]), LIMITS), Contents(TOP, LIMITS)
    names = []
    for member in reader:
        contents.admit(member)
        reader.digest()
        names.append((member.path, member.size, member.target))
    reader.finish()
    contents.finish()
    if GNU in archive:
        return  # GNU has times where ustar has a prefix: tarfile takes them for one
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as other:
        theirs = [(member.name, member.size, member.linkname) for member in other]
    hold_same(names, theirs)


def read_compressed(content: bytes) -> None:
    """Read *content* as a compressed file: its first byte says how, its second in pieces of which size."""
    if len(content) > 2:
        pieces = _pieces(content[2:], 1 + content[1] ** 2)
        inspect(lambda: next(pieces, b""), _COMPRESSIONS[content[0] % 4], TOP, LIMITS)


def read_whole(content: bytes) -> None:
    """Judge *content* as a whole xz file."""
    xz.prescan(lambda at, count: content[at : at + count], len(content), LIMITS)


def with_sums(content: bytes) -> bytes:
    """Return *content* with the check sum of each block that is not zero put right: fuzzers do not guess sums."""
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    return b"".join(with_field(block, 148, b"") if _looks_like_a_header(block) else block for block in blocks)


def seeds() -> Iterator[tuple[Reader, bytes]]:
    """Yield each archive of the tests, and what reads it."""
    for archive in [*GOOD.values(), *(archive for _, archive in HOSTILE.values())]:
        yield read_tar, archive
    for kind, content in [
        *GOOD_COMPRESSED.values(),
        *(file[1:] for file in (HOSTILE_COMPRESSED | HOSTILE_WHOLE).values()),
    ]:
        yield read_compressed, bytes([_COMPRESSIONS.index(kind), 30]) + content
        if kind == "xz":
            yield read_whole, content


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def _looks_like_a_header(block: bytes) -> bool:
    return len(block) == BLOCK and block.startswith((TOP.encode()[:3], b"././@LongLink", b"PaxHeaders"))


if __name__ == "__main__":
    fuzz((read_tar, read_compressed, read_whole), (BadArchive,), seeds())
