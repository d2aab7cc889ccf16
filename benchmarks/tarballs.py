"""Makes the tarballs that are uploaded, once; they stay below var/bench.

Source-like: the .py files of the virtual environment, whose versions are locked, repeated further
apart than xz looks back (60 MB against 4 MiB at -3): program code in every block.
Images: 32 MiB of random bytes, each time as an xz stream of its own.
Members: 15,000 small files, code with an image among every eight, made with ``xz -6`` as `meson dist` does.
"""

import io
import itertools
import lzma
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

MIB = 1024 * 1024
CACHE = Path("var/bench")
XZ = ("xz", "-T2", "-3")
_IMAGE_BYTES = 32 * MIB
_EPOCH = 1_700_000_000


def source(release: str, size: int) -> Path:
    """Return ``<release>.tar.xz`` of program code, *size* bytes long within a few per cent."""

    def write(path: Path) -> None:
        _archive(path, release, _code())
        share = size / path.stat().st_size
        files = int(share * sum(1 for _ in _code()))
        endless = (copy for number in itertools.count() for copy in _code(f"copy-{number}/"))
        _archive(path, release, itertools.islice(endless, files))

    return _once(f"{release}-source", release, write)


def images(release: str, size: int) -> Path:
    """Return ``<release>.tar.xz`` of what cannot be compressed, *size* bytes long at most, by 0.1 % less."""

    def write(path: Path) -> None:
        image = os.urandom(_IMAGE_BYTES)
        stream = lzma.compress(image, preset=0)
        room = size - 64 * 1024
        with path.open("wb") as file:
            for number in range(room // len(stream)):
                file.write(lzma.compress(_header(f"{release}/{number}.png", len(image))) + stream)
            rest = image[: (room - file.tell()) // 1024 * 1023]
            end = bytes(-len(rest) % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)
            file.write(lzma.compress(_header(f"{release}/rest.png", len(rest)) + rest + end, preset=0))

    return _once(f"{release}-images-{size}", release, write)


def members(release: str, count: int) -> Path:
    """Return ``<release>.tar.xz`` of *count* files: about 10 KB and, compressed, 2.7 KB each."""

    def write(path: Path) -> None:
        random = Random(count)  # noqa: S311 - the same sizes each time, no secrets
        code = b"".join(file.read_bytes() for _, file in _code())
        with path.open("wb") as out, subprocess.Popen(("xz", "-6"), stdin=subprocess.PIPE, stdout=out) as xz:
            with tarfile.open(fileobj=xz.stdin, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                for number in range(count):
                    size = int(random.lognormvariate(8.7, 1))
                    start = random.randrange(len(code) - size)
                    content = random.randbytes(size) if number % 8 == 0 else code[start : start + size]
                    member = _member(f"{release}/part-{number // 200}/file-{number}.c", len(content))
                    archive.addfile(member, io.BytesIO(content))
            xz.communicate()

    return _once(f"{release}-{count}-members", release, write)


def expansion(tarball: Path) -> float:
    """Return how many times larger the archive in *tarball* is, as xz says."""
    listed = subprocess.run(["xz", "--robot", "--list", tarball], check=True, capture_output=True, text=True).stdout
    totals = next(line for line in listed.splitlines() if line.startswith("totals")).split("\t")
    return int(totals[4]) / int(totals[3])


def _once(folder: str, release: str, write: Callable[[Path], None]) -> Path:
    path = CACHE / "tarballs" / folder / f"{release}.tar.xz"
    if not path.exists():
        print(f"making {path} ...", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        write(partial)
        partial.rename(path)
    return path


def _code(below: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the name and the place of each file of code."""
    home = Path(sys.prefix) / "lib"
    for path in sorted(home.rglob("*.py")):
        yield f"{below}{path.relative_to(home)}", path


def _archive(path: Path, release: str, files: Iterable[tuple[str, Path]]) -> None:
    with path.open("wb") as out, subprocess.Popen(XZ, stdin=subprocess.PIPE, stdout=out) as xz:
        with tarfile.open(fileobj=xz.stdin, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name, file in files:
                content = file.read_bytes()
                archive.addfile(_member(f"{release}/{name}", len(content)), io.BytesIO(content))
        xz.communicate()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, _EPOCH, 0o644
    return member


def _header(name: str, size: int) -> bytes:
    return _member(name, size).tobuf(tarfile.PAX_FORMAT)
