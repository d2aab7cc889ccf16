"""Fuzzes the names of tarballs, the versions in them, and the places in the tree that are made of both.

A finding is anything but a refusal or success, a name that is not its own spelling, or a place outside of its module.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import atheris
from fuzzer import Reader, accepted, fuzz, hold_same

with atheris.instrument_imports(
    include=["release_service.tarball", "release_service.version", "release_service.paths"]
):
    from release_service import paths
    from release_service.tarball import COMPRESSIONS, TarballName
    from release_service.version import Version

import test_tarball_names as names
import test_version as versions

from release_service.errors import BadTarballName, CompressionNotAccepted

_NAME = re.compile(rb"[A-Za-z0-9]([A-Za-z0-9+._-]*[A-Za-z0-9+])?-[0-9]+(\.[0-9a-z]+)*\.tar\.(xz|gz|bz2|zst)")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.-]{0,63}")
_KEY = re.compile(r"sources(/[A-Za-z0-9][A-Za-z0-9+._-]*){2,3}")
_EXTENSIONS = ("sha256sum", "news", "changes", "release.json")


def read_name(content: bytes) -> None:
    """Read a file name, and look where its release would lie."""
    text = _text(content)
    name = TarballName.parse(text, COMPRESSIONS)
    hold_same(str(name), text)
    hold_same(bool(_NAME.fullmatch(content)), True)
    hold_same(Version.parse(str(name.version)), name.version)
    hold_same(paths.is_mutable(paths.tarball_key(name)), False)
    below = paths.series_directory(name.module, name.version.series) + "/"
    for ext in (f"tar.{name.compression}", paths.signature_ext(name), *_EXTENSIONS):
        _hold_inside(paths.release_key(name, ext), below)
    _hold_inside(below + paths.latest_name(name.version), below)
    _hold_inside(paths.keyring_key(name.module), paths.module_directory(name.module) + "/")


def read_accepted_name(content: bytes) -> None:
    """Read a file name as it is read where xz and gz alone are accepted."""
    hold_same(TarballName.parse(_text(content)).compression in {"xz", "gz"}, True)


def read_versions(content: bytes) -> None:
    """Read versions, one a line, in both grammars, and put them in order."""
    found = [version for line in _text(content).split("\n")[:20] for version in _versions(line)]
    for low, high in pairwise(sorted(found)):
        hold_same((low < high, high < low), (str(low) != str(high), False))


def seeds() -> Iterator[tuple[Reader, bytes]]:
    """Yield the names and versions of the tests, and what reads them."""
    for name in [*names.GOOD, *names.BAD.values()]:
        for reader in (read_name, read_accepted_name):
            yield reader, name.encode(errors="surrogatepass")
    every = [*versions.CHAIN, *versions.IN_USE, *versions.NOT_CANONICAL.values()]
    yield read_versions, "\n".join(every).encode()
    for text in [*every, *versions.NEVER.values()]:
        yield read_versions, text.encode()
        yield read_name, f"gtk-{text}.tar.xz".encode()


def _text(content: bytes) -> str:
    """Return *content* as text of any code points, surrogates that stand alone among them."""
    return content.decode("utf-8", "surrogateescape")


def _hold_inside(key: str, directory: str) -> None:
    hold_same(bool(_KEY.fullmatch(key)) and ".." not in key and key.startswith(directory), True)
    hold_same(paths.public_url("https://example.org", key), f"https://example.org/{key}")
    headers = paths.headers(key)
    hold_same(headers.surrogate_keys.split(" ")[1], f"module/{directory.split('/')[1]}")


def _versions(text: str) -> Iterator[Version]:
    """Yield what *text* is in each of the grammars; what today's takes, the old archive's takes, too."""
    for parse in (Version.parse, Version.parse_imported):
        with suppress(ValueError):
            version = parse(text)
            hold_same(bool(_VERSION.fullmatch(text)), True)
            hold_same((str(version), accepted(Version.parse_imported, text)), (text, version))
            yield version


if __name__ == "__main__":
    fuzz(
        (read_name, read_accepted_name, read_versions),
        (BadTarballName, CompressionNotAccepted),
        seeds(),
        longest=2**12,
    )
