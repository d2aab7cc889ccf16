"""Makes what tests are about: tarballs of any content, received as the service would."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Mapping

EPOCH = 1_700_000_000


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
