"""Makes what tests are about: tarballs of any content, received as the service would."""

import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

EPOCH = 1_700_000_000
_MIB = 1024 * 1024


def tar(members: Mapping[str, bytes], top: str) -> bytes:
    """Return an archive of files below *top*; a name that ends in / is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mtime, member.mode = len(content), EPOCH, 0o644
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def compress(compression: str, content: bytes) -> bytes:
    """Return *content* compressed as ``xz`` or ``gz``; the same bytes each time."""
    return gzip.compress(content, mtime=0) if compression == "gz" else lzma.compress(content)


def a_tarball(filename: str, *, salt: str = "", **texts: str) -> bytes:
    """Return the bytes of a good tarball of that name.

    *texts*: members beside meson.build (``NEWS="..."``); another *salt* gives other bytes.
    """
    stem, _, compression = filename.rpartition(".tar.")
    members = {"meson.build": f"project('{stem}{salt}')\n".encode()}
    members |= {name: text.encode() for name, text in texts.items()}
    return compress(compression, tar(members, stem))


def noise_tarball(release: str, size: int, home: Path, **texts: str) -> Path:
    """Write a .tar.gz of *size* bytes (whole MiB) that cannot be compressed, as stored blocks: quickly made."""
    noise, packer = os.urandom(_MIB), zlib.compressobj(0, wbits=16 + zlib.MAX_WBITS)
    member = tarfile.TarInfo(f"{release}/noise")
    member.size = size
    path = home / f"{release}.tar.gz"
    with path.open("wb") as file:
        file.write(packer.compress(member.tobuf(tarfile.USTAR_FORMAT)))
        for _ in range(size // _MIB):
            file.write(packer.compress(noise))
        file.write(
            packer.compress(tar({name: text.encode() for name, text in texts.items()}, release)) + packer.flush()
        )
    return path
