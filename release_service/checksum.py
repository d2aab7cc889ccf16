"""The text of a checksum file: write it, read it.

``<64 hex><two spaces><base name>`` and a newline, nothing else: Flathub's parser unpacks two
fields from every line (CONTRACT.md 4).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from release_service.tarball import TarballName

_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9+._-]*)\n")


def digest(content: bytes) -> str:
    """Return the SHA-256 of *content* as 64 hex letters."""
    return hashlib.sha256(content).hexdigest()


def write(name: TarballName, sha256: str, others: Mapping[str, str]) -> bytes:
    """Return the checksum file of a release.

    *others* maps further base names (.news, .changes) to their digests.  The tarball comes
    last: Chromebrew takes ``tail -n1``.
    """
    lines: Iterable[tuple[str, str]] = [*others.items(), (str(name), sha256)]
    return "".join(f"{digest}  {base}\n" for base, digest in lines).encode("ascii")


def read(content: bytes) -> dict[str, str]:
    """Return {base name: digest}.  Raises ValueError if any line has another form."""
    text = content.decode("ascii")
    found = {base: digest for digest, base in _LINE.findall(text)}
    if "".join(f"{digest}  {base}\n" for base, digest in found.items()) != text:
        raise ValueError("a line is not '<64 hex>  <base name>'")
    return found
