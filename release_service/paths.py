"""Where a release lives: keys in the store, public URLs, and what readers and the CDN are told.

A key is the path below the tree's root, without a leading slash, the same on S3 and on disk
(CONTRACT.md 4).  A directory's HTML index is the object ``index.html`` in it.
"""

from dataclasses import dataclass
from urllib.parse import quote

from release_service.tarball import TarballName
from release_service.version import Version

SOURCES = "sources"
ROBOTS = "robots.txt"
CACHE_JSON = "cache.json"
INDEX_HTML = "index.html"
LATEST = "LATEST-IS-"
RELEASE_JSON = ".release.json"
KEYRING = ".keyring.asc"
ARCHIVE_INDEX = "index"  # the surrogate key of what may change, and is no module's

# Write-once files never change content; no reader needs to ask again.
_FOR_EVER = "public, max-age=31536000, immutable"
# Browsers and mirrors obey this, and no purge reaches them: short on what changes.
_ONE_MINUTE = "public, max-age=60"

_CONTENT_TYPES = {
    ".tar.xz": "application/x-xz",
    ".tar.gz": "application/gzip",
    ".tar.bz2": "application/x-bzip2",
    ".tar.zst": "application/zstd",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".keyring.asc": "application/pgp-keys",
    ".asc": "application/pgp-signature",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
}
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ObjectHeaders:
    """What is stored as metadata of an object on S3, and sent by whoever serves it."""

    content_type: str
    cache_control: str
    surrogate_keys: str


def module_directory(module: str) -> str:
    """Return the directory of a module."""
    return f"{SOURCES}/{module}"


def index_key(directory: str) -> str:
    """Return the key of the HTML index of *directory*."""
    return f"{directory}/{INDEX_HTML}"


def cache_key(module: str) -> str:
    """Return the key of what programs read of a module."""
    return f"{module_directory(module)}/{CACHE_JSON}"


def keyring_key(module: str) -> str:
    """Return the key of the public keys that *module*'s signatures are verified with."""
    return f"{module_directory(module)}/{module}{KEYRING}"


def series_directory(module: str, series: str) -> str:
    """Return the directory of a series; "" is the module's own."""
    return f"{SOURCES}/{module}/{series}" if series else module_directory(module)


def module_key(module: str, path: str) -> str:
    """Return the key of the file that is called *path* below the module's directory, as cache.json names files."""
    return f"{module_directory(module)}/{path}"


def release_key(name: TarballName, ext: str) -> str:
    """Return the key of the file of *name*'s release that ends in *ext* (``sha256sum``, ``news``)."""
    return f"{series_directory(name.module, name.series)}/{name.release}.{ext}"


def release_json_key(name: TarballName) -> str:
    """Return the key of what is told of the release, so that its row can be made again."""
    return release_key(name, RELEASE_JSON.removeprefix("."))


def tarball_key(name: TarballName) -> str:
    """Return the key of the tarball."""
    return release_key(name, f"tar.{name.compression}")


def signature_ext(name: TarballName) -> str:
    """Return how the name of the tarball's signature ends; it is the tarball's with ``.asc``, as gpg looks for it."""
    return f"tar.{name.compression}.asc"


def latest_name(version: Version) -> str:
    """Return the name of the object that says which version of its series is newest."""
    return f"{LATEST}{version}"


def latest_key(name: TarballName) -> str:
    """Return the key of the object that names the newest tarball of a series."""
    return f"{series_directory(name.module, name.series)}/{latest_name(name.version)}"


def is_mutable(key: str) -> bool:
    """Say whether what is under *key* may be replaced, or vanish."""
    base = key.rpartition("/")[2]
    return base in {CACHE_JSON, INDEX_HTML, ROBOTS} or base.startswith(LATEST) or base.endswith((RELEASE_JSON, KEYRING))


def public_url(base_url: str, key: str) -> str:
    """Return where readers find *key*: ``+`` stays literal, as uscan and Homebrew compare text."""
    path = key.removesuffix(INDEX_HTML)
    return f"{base_url.rstrip('/')}/{quote(path, safe='/+')}"


def headers(key: str) -> ObjectHeaders:
    """Return the headers of the object under *key*; the content type follows from its ending alone."""
    base = key.rpartition("/")[2]
    content_type = next((kind for end, kind in _CONTENT_TYPES.items() if base.endswith(end)), _TEXT)
    cache_control = _ONE_MINUTE if is_mutable(key) else _FOR_EVER
    return ObjectHeaders(content_type, cache_control, " ".join(_surrogate_keys(key)))


def index_surrogate_key(module: str) -> str:
    """Return the name under which the CDN forgets all that may change of a module, and not its tarballs."""
    return f"index/{module}"


def _surrogate_keys(key: str) -> list[str]:
    """Return the whole tree, its module and its series: each the name of a purge; and what may change, by itself."""
    _root, *below = key.split("/")[:-1] or [""]
    module = below[:1]
    series = below[:2] if below[1:] else []
    indexes = [ARCHIVE_INDEX] if not module else [index_surrogate_key(module[0])]
    return ["tree", *(indexes if is_mutable(key) else [])] + [
        "/".join([kind, *names]) for kind, names in (("module", module), ("series", series)) if names
    ]
