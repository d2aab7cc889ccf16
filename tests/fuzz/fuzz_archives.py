"""Fuzzes the archive readers with atheris, which is no dependency: ``pip install atheris`` beside the others.

``python tests/fuzz/fuzz_archives.py CORPUS [-max_total_time=600 ...]`` takes libFuzzer's options.  The directory
CORPUS is filled with seeds when it is empty.  A finding is anything but BadArchive or success, an
accepted archive that Python's own tarfile reads otherwise, or ten seconds of work.
"""

import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["release_service.archive"]):
    from release_service.archive import Limits, xz
    from release_service.archive.inspection import inspect
    from release_service.archive.rules import Contents
    from release_service.archive.tar import Reader

sys.path.append(str(Path(__file__).parent.parent))
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
    reader, contents = Reader(iter([archive[:700], archive[700:]]), LIMITS), Contents(TOP, LIMITS)
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
    if names != theirs:
        raise AssertionError(f"ours: {names}; tarfile's: {theirs}")


def read_compressed(content: bytes) -> None:
    """Read *content* as a compressed file: its first byte says how, its second in pieces of which size."""
    if len(content) > 2:
        pieces = _pieces(content[2:], 1 + content[1] ** 2)
        inspect(lambda: next(pieces, b""), _COMPRESSIONS[content[0] % 4], TOP, LIMITS)


def read_whole(content: bytes) -> None:
    """Judge *content* as a whole xz file."""
    xz.prescan(lambda at, count: content[at : at + count], len(content), LIMITS)


READERS: tuple[Callable[[bytes], None], ...] = (read_tar, read_compressed, read_whole)


def with_sums(content: bytes) -> bytes:
    """Return *content* with the check sum of each block that is not zero put right: fuzzers do not guess sums."""
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    return b"".join(with_field(block, 148, b"") if _looks_like_a_header(block) else block for block in blocks)


def one(data: bytes) -> None:
    """Read one input; the first byte chooses the reader."""
    if data:
        try:
            READERS[data[0] % len(READERS)](data[1:])
        except BadArchive as refusal:
            if not (refusal.rule and refusal.detail.isascii() and refusal.detail.isprintable()):
                raise AssertionError(refusal) from None


def plant(corpus: Path) -> None:
    """Write the seeds."""
    corpus.mkdir(parents=True, exist_ok=True)
    archives = [*GOOD.values(), *(archive for _, archive in HOSTILE.values())]
    files = [*GOOD_COMPRESSED.values(), *(file[1:] for file in (HOSTILE_COMPRESSED | HOSTILE_WHOLE).values())]
    seeds = [b"\0" + archive for archive in archives]
    seeds += [bytes([1, _COMPRESSIONS.index(kind), 30]) + content for kind, content in files]
    seeds += [b"\2" + content for kind, content in files if kind == "xz"]
    for number, seed in enumerate(seeds):
        if len(seed) < 2**16:
            (corpus / f"seed-{number}").write_bytes(seed)


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def _looks_like_a_header(block: bytes) -> bool:
    return len(block) == BLOCK and block.startswith((TOP.encode()[:3], b"././@LongLink", b"PaxHeaders"))


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    if not directory.exists() or not any(directory.iterdir()):
        plant(directory)
    atheris.Setup([*sys.argv, f"-max_len={2**16}", "-timeout=10", "-rss_limit_mb=1024"], one)
    atheris.Fuzz()
