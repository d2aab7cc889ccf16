"""Plain HTTP, as CONTRACT.md 4 "Serving" has it: of the service's own tree, and of S3 behind a front."""

import re
import time
from collections.abc import Iterator

import httpx2
import pytest

import builders
from front import Tree

pytest_plugins = ["front_tree"]
pytestmark = pytest.mark.real

TARBALL = "/sources/gtk+/3.24/gtk+-3.24.52.tar.xz"
BIG = "/sources/gnome-backgrounds/48/gnome-backgrounds-48.0.tar.gz"
CACHE = "/sources/gtk+/cache.json"
DIRECTORIES = ["/sources/", "/sources/gtk+/", "/sources/gtk+/3.24/", "/sources/libsigc++/3.6/"]
FILES = [
    TARBALL,
    CACHE,
    "/sources/gtk+/3.24/gtk+-3.24.52.sha256sum",
    "/sources/gtk+/3.24/LATEST-IS-3.24.52",
    "/sources/hello-gnome/48/hello-gnome-48.1.news",
    "/robots.txt",
]
QUERIES = ["?F=1&json", "?C=M", "?C=M;O=D", "?x=a+b%2Bc", "?"]
# The contract's own words: href first, lower case, double quotes, relative, the text whole, in td.link.
LINK = re.compile(r'<td class="link"><a href="([^":]+)" title="\1">\1</a>')


@pytest.fixture
def reader(tree: Tree) -> Iterator[httpx2.Client]:
    """A plain client of the tree; it follows no redirect, and asks for no encoding."""
    with httpx2.Client(base_url=tree.url) as client:
        del client.headers["Accept-Encoding"]
        yield client


def links(page: httpx2.Response) -> list[str]:
    found = LINK.findall(page.text)
    return [name for name in found if name != "../"]


@pytest.mark.parametrize("path", [*FILES, *DIRECTORIES])
def test_head_says_what_get_says(reader: httpx2.Client, path: str) -> None:
    """With HEAD refused, `rclone sync` exits 0 having copied nothing."""
    head, get = reader.head(path), reader.get(path)
    assert (head.status_code, get.status_code) == (200, 200)
    assert head.content == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Cache-Control"):
        assert head.headers[name] == get.headers[name]
    assert int(head.headers["Content-Length"]) == len(get.content)


@pytest.mark.old_tree
def test_a_tarball_comes_as_it_was_uploaded(tree: Tree, reader: httpx2.Client) -> None:
    for filename, content in tree.tarballs.items():
        assert reader.get(f"/{tree.path_of(filename)}").content == content


@pytest.mark.parametrize(
    "path",
    [
        "/sources/libsigc++/3.6/libsigc++-3.6.0.tar.xz",
        "/sources/libsigc%2B%2B/3.6/libsigc%2B%2B-3.6.0.tar.xz",
        "/sources/libsigc%2b%2b/3.6/libsigc%2b%2b-3.6.0.tar.xz",
        "/sources/libsigc+%2B/3.6/libsigc%2b+-3.6.0.tar.xz",
    ],
)
def test_a_plus_sign_reaches_the_same_object_however_it_is_written(
    tree: Tree, reader: httpx2.Client, path: str
) -> None:
    got = reader.get(path)
    assert got.content == tree.tarballs["libsigc++-3.6.0.tar.xz"]
    assert got.headers["ETag"] == reader.get("/sources/libsigc++/3.6/libsigc++-3.6.0.tar.xz").headers["ETag"]


@pytest.mark.parametrize("path", ["/sources/libsigc%2B%2B/", "/sources/libsigc+%2b/3.6/", "/sources/gtk%2B/cache.json"])
def test_a_plus_sign_of_a_directory_may_be_escaped(reader: httpx2.Client, path: str) -> None:
    plain = reader.get(re.sub("%2b", "+", path, flags=re.IGNORECASE))
    assert plain.status_code == 200
    assert reader.get(path).content == plain.content


@pytest.mark.parametrize(("asked", "first", "last"), [("0-99", 0, 99), ("100-", 100, -1), ("-100", -100, -1)])
def test_a_range_of_a_tarball_is_partial_content(
    tree: Tree, reader: httpx2.Client, asked: str, first: int, last: int
) -> None:
    content = tree.tarballs["gnome-backgrounds-48.0.tar.gz"]
    size = len(content)
    first, last = first % size, last % size
    got = reader.get(BIG, headers={"Range": f"bytes={asked}"})
    assert got.status_code == 206
    assert got.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert got.content == content[first : last + 1]


def test_a_range_after_the_end_is_416(tree: Tree, reader: httpx2.Client) -> None:
    size = len(tree.tarballs["gtk+-3.24.52.tar.xz"])
    got = reader.get(TARBALL, headers={"Range": f"bytes={size}-"})
    assert got.status_code == 416
    assert got.headers["Content-Range"] in {f"bytes */{size}", f"*/{size}"}


def test_a_range_of_another_file_is_not_sent(tree: Tree, reader: httpx2.Client) -> None:
    """A download that is resumed under If-Range starts anew if the file is another one."""
    etag = reader.head(TARBALL).headers["ETag"]
    same = reader.get(TARBALL, headers={"Range": "bytes=10-", "If-Range": etag})
    other = reader.get(TARBALL, headers={"Range": "bytes=10-", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)
    assert other.content == tree.tarballs["gtk+-3.24.52.tar.xz"]


@pytest.mark.parametrize("path", [*FILES, *DIRECTORIES])
def test_what_a_reader_has_is_not_sent_again(reader: httpx2.Client, path: str) -> None:
    first = reader.get(path)
    conditions = ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]})
    for condition in conditions:
        again = reader.get(path, headers=condition)
        assert (again.status_code, again.content) == (304, b"")
    outdated = {"If-None-Match": '"other"'}
    assert reader.get(path, headers=outdated).content == first.content


@pytest.mark.parametrize("path", [*FILES, *DIRECTORIES])
def test_an_etag_is_strong_and_stays(tree: Tree, reader: httpx2.Client, path: str) -> None:
    first = reader.get(path).headers["ETag"]
    tree.forget()
    assert re.fullmatch(r'"[^"]+"', first)
    assert reader.get(path).headers["ETag"] == first


def test_last_modified_stays_when_something_else_is_published(tree: Tree, reader: httpx2.Client) -> None:
    """Mirrors compare dates: one that moves makes all of them fetch the object again."""
    unchanged = [path for path in (*FILES, *DIRECTORIES) if path != "/sources/"]

    def marks() -> dict[str, tuple[str, str]]:
        tree.forget()
        answers = {path: reader.head(path).headers for path in unchanged}
        return {path: (headers["Last-Modified"], headers["ETag"]) for path, headers in answers.items()}

    before = marks()
    time.sleep(1.1)  # the date has whole seconds
    assert tree.upload("something-else-1.0.tar.xz", builders.a_tarball("something-else-1.0.tar.xz")) == 201
    assert tree.upload("gtk+-3.24.52.tar.xz", tree.tarballs["gtk+-3.24.52.tar.xz"]) == 200
    assert marks() == before


def test_an_index_that_says_the_same_after_a_release_is_not_written_again(tree: Tree, reader: httpx2.Client) -> None:
    """That of a module lists its series; a second release of a series changes nothing in it."""

    def mark() -> tuple[bytes, str, str]:
        tree.forget()
        index = reader.get("/sources/something-else/")
        return index.content, index.headers["Last-Modified"], index.headers["ETag"]

    tree.upload("something-else-2.0.0.tar.xz", builders.a_tarball("something-else-2.0.0.tar.xz"))
    before = mark()
    time.sleep(1.1)
    tree.upload("something-else-2.0.1.tar.xz", builders.a_tarball("something-else-2.0.1.tar.xz"))
    assert mark() == before


@pytest.mark.parametrize(
    "path",
    [
        "/sources/gtk+/3.24/gtk+-3.24.53.tar.xz",
        "/sources/gtk+/3.26/",
        "/sources/gtk+/3.26",
        "/sources/gtk+/nothing.json",
        "/sources/nothing/",
        "/sources/nothing/cache.json",
        "/sources/gtk /cache.json",
        "/sources/gtk+/3.24/gtk+-3.24.52.tar.xz/",
        "/sources/.part/x",
        "/sources/..%2f..%2fdb",
        "/core/50/50.1/sources/",
        "/pub/GNOME/sources/nothing/",
    ],
)
def test_what_is_missing_is_404_and_never_403(reader: httpx2.Client, path: str) -> None:
    for answer in (reader.get(path), reader.head(path)):
        assert answer.status_code == 404
    assert "NoSuchKey" not in reader.get(path).text


def test_a_version_asked_for_too_early_is_there_seconds_after_its_release(tree: Tree, reader: httpx2.Client) -> None:
    """Clients poll the next version's URL: that it was missing is not remembered for long."""
    path = "/sources/polled-early/1.0/polled-early-1.0.0.tar.xz"
    content = builders.a_tarball("polled-early-1.0.0.tar.xz")
    assert reader.get(path).status_code == 404
    tree.upload("polled-early-1.0.0.tar.xz", content)
    until = time.monotonic() + 6  # CDN_MISSING_TTL_S; nobody purges here
    while (got := reader.get(path)).status_code == 404 and time.monotonic() < until:
        time.sleep(0.1)
    assert got.content == content


def test_robots_are_welcome(reader: httpx2.Client) -> None:
    """Flathub's checker reads a 403 here as "disallow all"."""
    got = reader.get("/robots.txt")
    assert got.status_code == 200
    assert "Disallow: /" not in got.text
    assert re.search(r"(?m)^User-agent: \*$", got.text)


@pytest.mark.parametrize("prefix", ["/pub/GNOME", "/pub/gnome"])
@pytest.mark.parametrize("path", [TARBALL, TARBALL.replace("+", "%2B"), CACHE, *DIRECTORIES])
def test_old_prefixes_lead_to_the_same_objects(reader: httpx2.Client, prefix: str, path: str) -> None:
    got = reader.get(prefix + path, follow_redirects=True)
    assert got.status_code == 200
    assert got.content == reader.get(path).content


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", ["/sources/gtk+/", TARBALL, CACHE])
def test_a_query_string_changes_nothing(reader: httpx2.Client, path: str, query: str) -> None:
    got = reader.get(path + query)
    assert got.status_code == 200
    assert got.content == reader.get(path).content


@pytest.mark.parametrize("path", ["/sources", "/sources/gtk+", "/sources/gtk%2B/3.24", "/pub/GNOME/sources/gtk+"])
def test_a_directory_without_its_slash_leads_to_the_one_with_it(reader: httpx2.Client, path: str) -> None:
    for answer in (reader.get(path), reader.head(path)):
        assert answer.status_code == 301
    followed = reader.get(path, follow_redirects=True)
    assert followed.status_code == 200
    assert followed.content == reader.get(f"{path}/").content


@pytest.mark.parametrize("path", [*FILES, *DIRECTORIES])
@pytest.mark.parametrize("asked", [None, "identity"])
def test_nothing_is_encoded_unasked(reader: httpx2.Client, path: str, asked: str | None) -> None:
    """uscan and Homebrew read cache.json as it comes."""
    got = reader.get(path, headers={"Accept-Encoding": asked} if asked else {})
    assert got.status_code == 200
    assert "Content-Encoding" not in got.headers


def test_a_tarball_is_not_encoded_even_if_asked_for(tree: Tree, reader: httpx2.Client) -> None:
    """Its maintainer signed these bytes."""
    with reader.stream("GET", BIG, headers={"Accept-Encoding": "gzip, br"}) as got:
        assert b"".join(got.iter_raw()) == tree.tarballs["gnome-backgrounds-48.0.tar.gz"]
        assert "Content-Encoding" not in got.headers


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_readers_only_read(reader: httpx2.Client, method: str) -> None:
    before = reader.get(TARBALL).content
    assert reader.request(method, TARBALL, content=b"x").status_code == 405
    assert reader.get(TARBALL).content == before


@pytest.mark.parametrize("path", [*FILES, *DIRECTORIES])
def test_the_store_behind_does_not_show(reader: httpx2.Client, path: str) -> None:
    assert [name for name in reader.get(path).headers if "amz" in name.lower()] == []


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (TARBALL, "application/x-xz"),
        (BIG, "application/gzip"),
        (CACHE, "application/json"),
        ("/sources/gtk+/", "text/html; charset=utf-8"),
        ("/sources/hello-gnome/48/hello-gnome-48.1.news", "text/plain; charset=utf-8"),
        ("/sources/hello-gnome/48/hello-gnome-48.1.changes", "text/plain; charset=utf-8"),
    ],
)
def test_each_object_has_its_type(reader: httpx2.Client, path: str, content_type: str) -> None:
    assert reader.get(path).headers["Content-Type"] == content_type


def test_what_changes_may_be_kept_for_a_minute_and_a_tarball_for_ever(reader: httpx2.Client) -> None:
    for path in (CACHE, *DIRECTORIES, "/sources/gtk+/3.24/LATEST-IS-3.24.52"):
        assert reader.get(path).headers["Cache-Control"] == "public, max-age=60"
    assert "immutable" in reader.get(TARBALL).headers["Cache-Control"]


@pytest.mark.parametrize("path", DIRECTORIES)
def test_each_link_of_an_index_has_the_form_that_scrapers_hold_on_to(reader: httpx2.Client, path: str) -> None:
    page = reader.get(path)
    assert links(page)
    for line in page.text.splitlines():
        assert line.count("href") == len(LINK.findall(line)) <= 1


@pytest.mark.parametrize(
    ("path", "linked"),
    [
        ("/sources/", ["gnome-backgrounds/", "gnome-shell/", "gtk+/", "hello-gnome/", "libsigc++/"]),
        ("/sources/gnome-shell/", ["49/", "48/", "cache.json"]),
        ("/sources/gtk+/3.24/", ["LATEST-IS-3.24.52", "gtk+-3.24.52.tar.xz", "gtk+-3.24.51.tar.xz"]),
    ],
)
def test_an_index_links_what_is_there_in_its_order(reader: httpx2.Client, path: str, linked: list[str]) -> None:
    assert [name for name in links(reader.get(path)) if name in linked] == linked


@pytest.mark.old_tree
def test_every_link_from_the_top_leads_somewhere(reader: httpx2.Client) -> None:
    directories, seen = ["/sources/"], set()
    while directories:
        directory = directories.pop()
        for name in links(reader.get(directory)):
            url = directory + name
            seen.add(url)
            assert reader.head(url).status_code == 200, url
            if name.endswith("/"):
                directories.append(url)
    assert {TARBALL, CACHE, BIG} < seen


def test_every_path_of_a_cache_json_leads_to_a_file_that_was_published(tree: Tree, reader: httpx2.Client) -> None:
    text = reader.get(CACHE).text
    assert "\\" not in text
    four, files, versions, _ = reader.get(CACHE).json()
    assert (four, versions) == (4, {"gtk+": ["3.24.51", "3.24.52"]})
    for version, exts in files["gtk+"].items():
        got = reader.get(f"/sources/gtk+/{exts['tar.xz']}").content
        assert got == tree.tarballs[f"gtk+-{version}.tar.xz"]
        assert reader.head(f"/sources/gtk+/{exts['sha256sum']}").status_code == 200


def test_the_last_line_of_a_sha256sum_is_the_tarballs(tree: Tree, reader: httpx2.Client) -> None:
    lines = reader.get("/sources/hello-gnome/48/hello-gnome-48.1.sha256sum").text.splitlines()
    names = [line.split("  ")[1] for line in lines]
    assert names == [f"hello-gnome-48.1.{ext}" for ext in ("news", "changes", "tar.xz")]
    assert lines[-1].split("  ")[0] == tree.sha256("hello-gnome-48.1.tar.xz")
