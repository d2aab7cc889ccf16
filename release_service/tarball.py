"""The tarball's name: module, version, compression; parsed once, at the door."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from release_service.errors import BadTarballName, CompressionNotAccepted, shown
from release_service.version import Version

# Every compression that this code can read; settings say which are accepted (CONTRACT.md 1).
COMPRESSIONS = ("xz", "gz", "bz2", "zst")
ACCEPTED = ("xz", "gz")

_MODULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_LONGEST_MODULE = 100
# A module becomes a directory on mirrors, some of which run Windows.
_DEVICES = frozenset(["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)])
# Names that the tree, the service's URLs or the bucket use themselves.
_RESERVED = frozenset(
    [
        "api",
        "core",
        "pub",
        "robots.txt",
        "sources",
        "staging",
        "index",
        "index.html",
        "cache.json",
        "modules",
        "releases",
        "dashboard",
    ]
)


def parse_module(text: str) -> str:
    """Return *text* if it can be the name of a module.  (Raises: BadTarballName.)

    ASCII ``[A-Za-z0-9][A-Za-z0-9+._-]*``, not ending in a separator, none of Windows' device
    names, none of the tree's own names.
    """
    if len(text) > _LONGEST_MODULE or not _MODULE.fullmatch(text):
        raise BadTarballName(
            f"{shown(text)!r} cannot be a module: ASCII letters, digits, + . _ - only, "
            f"at most {_LONGEST_MODULE} of them, a letter or digit first."
        )
    if text[-1] in "._-" or ".." in text:
        raise BadTarballName(f"{shown(text)!r} cannot be a module: it ends in a separator, or holds '..'.")
    folded = text.lower()
    if folded.split(".", 1)[0] in _DEVICES or folded in _RESERVED or f"{folded}-".startswith("latest-is-"):
        raise BadTarballName(f"{shown(text)!r} is a reserved name.")
    return text


@dataclass(frozen=True, slots=True)
class TarballName:
    """A module, a version and a compression: the one thing that paths are built from.

    `directory`, below the module's, is None but for old releases that are not in that of their series.
    """

    module: str
    version: Version
    compression: str
    directory: str | None = None

    @classmethod
    def parse(cls, filename: str, accepted: Collection[str] = ACCEPTED) -> "TarballName":
        """Return what *filename* says.

        A canonical version holds no dash, so the module is all that stands before the last one:
        the longest module wins (gnome-2048-50.1 is gnome-2048 at 50.1), registered or not.

        Raises BadTarballName, or CompressionNotAccepted for a tarball that is compressed in a
        way that is not in *accepted*.
        """
        stem, dot_tar, compression = filename.rpartition(".tar.")
        if not dot_tar or compression not in COMPRESSIONS:
            raise BadTarballName(f"{shown(filename)!r} does not end in .tar.xz or .tar.gz.")
        module, dash, version = stem.rpartition("-")
        if not dash:
            raise BadTarballName(f"{shown(filename)!r} has no dash between module and version.")
        parse_module(module)
        try:
            name = cls(module, Version.parse(version), compression)
        except ValueError:
            raise BadTarballName(
                f"{shown(version)!r} is not a version: numbers and dots without leading zeros, "
                "then perhaps .alpha, .beta or .rc, as in 48.1, 4.18.1, 50.rc.1."
            ) from None
        if compression not in accepted:
            raise CompressionNotAccepted(f"{filename} is .tar.{compression}; accepted: {', '.join(accepted)}.")
        return name

    @property
    def series(self) -> str:
        """The directory below the module's that the release is in."""
        return self.version.series if self.directory is None else self.directory

    @property
    def release(self) -> str:
        """``<module>-<version>``: the top directory, and what every file of the release begins with."""
        return f"{self.module}-{self.version}"

    def __str__(self) -> str:
        """Return the file name; `parse` is its inverse."""
        return f"{self.release}.tar.{self.compression}"
