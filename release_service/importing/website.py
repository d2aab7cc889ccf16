"""An old tree over HTTP: walked by its HTML indexes, and by what each cache.json names."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import quote, unquote

import httpx2

from release_service.errors import SourceUnavailable
from release_service.importing.problems import Kind, Problem
from release_service.importing.source import Listing, Stat, Unreadable, sorted_out
from release_service.paths import CACHE_JSON, SOURCES

_PIECE_BYTES = 1024 * 1024
_TIMEOUT_S = 60.0
_TRIES = 3
_DEEPEST = 8  # directories below a module's: an index that links itself under new names must end


class Website:
    """The tree at *url*, which has the directory ``sources/``.  (See Source.)"""

    def __init__(self, url: str, connections: int) -> None:
        """Ask with at most so many *connections* at once; a password in *url* is used and not told."""
        self._base = httpx2.URL(url.rstrip("/"))
        self.origin = str(self._base.copy_with(userinfo=b"", query=None, fragment=None))
        self._http = httpx2.Client(
            timeout=_TIMEOUT_S,
            follow_redirects=True,
            transport=httpx2.HTTPTransport(retries=_TRIES, limits=httpx2.Limits(max_connections=connections)),
            # Bytes as they lie there: what a server encodes for us is another file.
            headers={"Accept-Encoding": "identity"},
        )

    def modules(self) -> tuple[Sequence[str], Sequence[Problem]]:
        """Read the index of /sources/.  (See Source.)"""
        links = self._links("")
        if links is None:
            raise SourceUnavailable(f"{self.origin}/{SOURCES}/ has no index.")
        outside = [Problem(Kind.OUTSIDE, name) for name in links if not name.endswith("/")]
        return [name.removesuffix("/") for name in links if name.endswith("/")], outside

    def listing(self, module: str) -> Listing:
        """Walk the module's indexes; what cache.json alone names counts, too.  (See Source.)"""
        found: dict[str, None] = {}
        self._walk(module, "", found)
        found |= dict.fromkeys(self._named(module))
        return sorted_out(module, sorted(found), ())

    def stat(self, module: str, path: str) -> Stat:
        """Ask for its headers.  (See Source.)"""
        try:
            answer = self._http.head(self._url(f"{module}/{path}"))
        except httpx2.HTTPError as error:
            raise Unreadable(type(error).__name__) from error
        if not answer.is_success:
            raise Unreadable(f"HTTP {answer.status_code}")
        return _stat(answer)

    @contextlib.contextmanager
    def read(self, module: str, path: str) -> Iterator[tuple[Stat, Iterator[bytes]]]:
        """Fetch it.  (See Source.)"""
        try:
            with self._http.stream("GET", self._url(f"{module}/{path}")) as answer:
                if answer.status_code != httpx2.codes.OK:
                    raise Unreadable(f"HTTP {answer.status_code}")
                there = _stat(answer)
                yield there, _pieces(answer, there.size)
        except httpx2.HTTPError as error:
            raise Unreadable(type(error).__name__) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _walk(self, module: str, below: str, found: dict[str, None]) -> None:
        for name in self._links(f"{module}/{below}") or ():
            if not name.endswith("/"):
                found[f"{below}{name}"] = None
            elif below.count("/") < _DEEPEST:
                self._walk(module, f"{below}{name}", found)

    def _named(self, module: str) -> Iterator[str]:
        """Yield what cache.json names; whether it is in order is looked at elsewhere."""
        with contextlib.suppress(ValueError, LookupError, AttributeError, TypeError, RecursionError):
            _, files, _, others = json.loads(self._get(f"{module}/{CACHE_JSON}") or b"")
            yield CACHE_JSON
            for exts in files[module].values():
                yield from (str(path) for path in exts.values())
            for directory, names in others.items():
                yield from (str(name) if directory == "." else f"{directory}/{name}" for name in names)

    def _links(self, directory: str) -> list[str] | None:
        """Return what the index of *directory* links right below it; None if there is no index."""
        page = self._get(f"{directory.rstrip('/')}/" if directory else "")
        if page is None:
            return None
        links = _Links()
        links.feed(page.decode("utf-8", "replace"))
        return links.names

    def _get(self, path: str) -> bytes | None:
        try:
            answer = self._http.get(self._url(path))
        except httpx2.HTTPError as error:
            raise SourceUnavailable(f"{self.origin} does not answer ({type(error).__name__}).") from error
        if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise SourceUnavailable(f"{self.origin} answers {answer.status_code}.")
        return answer.content if answer.status_code == httpx2.codes.OK else None

    def _url(self, path: str) -> httpx2.URL:
        # Not joined: names are paths, never URLs of their own.
        return self._base.copy_with(raw_path=f"{self._base.path}/{SOURCES}/{quote(path)}".encode("ascii"))


class _Links(HTMLParser):
    """The names that an index links right below itself: no other directory, no query, no other host."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or "" if tag == "a" else ""
        name = unquote(href.removeprefix("./"))
        is_below = name and "/" not in name.removesuffix("/") and name.strip("./") and not {"?", "#", ":"} & set(href)
        if is_below and name not in self.names:
            self.names.append(name)


def _stat(answer: httpx2.Response) -> Stat:
    length, date = answer.headers.get("Content-Length", ""), answer.headers.get("Last-Modified")
    modified: datetime | None = None
    with contextlib.suppress(ValueError):
        modified = parsedate_to_datetime(date).astimezone(UTC) if date else None
    return Stat(int(length) if length.isdecimal() else None, modified)


def _pieces(answer: httpx2.Response, size: int | None) -> Iterator[bytes]:
    """Yield the body undecoded: a server may call a .tar.gz encoded, and it is what it is."""
    count = 0
    for piece in answer.iter_raw(_PIECE_BYTES):
        count += len(piece)
        yield piece
    if size is not None and count != size:
        raise Unreadable(f"{count} of {size} bytes came")
