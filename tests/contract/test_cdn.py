"""What `Purges` and `Front` promise, held against the twin of the Fastly service before a real S3 server.

Servers of canned answers say only what the twin cannot be made to say.
"""

import contextlib
import hashlib
import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

import components
import front as fronts
from components import Asked, Canned
from front import FASTLY_SERVICE_ID, FASTLY_TOKEN, Twin, public_bucket, twin
from release_service import paths
from release_service.cdn import Front, Purges
from release_service.cdn.fastly import Fastly
from release_service.cdn.front import Front as CdnFront
from release_service.errors import CdnUnavailable
from release_service.settings import Settings
from release_service.store.s3 import S3Store

pytestmark = [pytest.mark.real, pytest.mark.slow]

WRONG_TOKEN = "not-the-token-of-the-twin"  # noqa: S105 - it opens nothing
DIRECTORY = "sources/libsigc++/index.html"


@dataclass(frozen=True, slots=True)
class World:
    """A bucket, the twin before it, and its home."""

    home: Path
    store: S3Store
    at: Twin

    def write(self, key: str, content: bytes) -> None:
        """Put *content* in the store, whatever is there."""
        self.store.replace(key, content, expected=self.store.read(key))

    def got(self, path: str) -> tuple[int, bytes, str]:
        """Return what a reader of *path* gets: status, content, and whether the twin had it."""
        answer = httpx2.get(f"{self.at.cdn_url}/{path}")
        return answer.status_code, answer.content, answer.headers.get("X-Cache", "")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, seaweedfs: str) -> Iterator[World]:
    home, bucket = tmp_path_factory.mktemp("twin"), public_bucket(seaweedfs)
    with twin(home, seaweedfs, bucket) as at, closing(S3Store(bucket, seaweedfs)) as store:
        yield World(home, store, at)


def fastly(cdn_url: str, api_url: str, token: str = FASTLY_TOKEN) -> Purges:
    return Fastly(cdn_url, api_url, FASTLY_SERVICE_ID, SecretStr(token))


@pytest.fixture
def purges(world: World) -> Purges:
    return fastly(*world.at)


@pytest.fixture
def front(world: World) -> Front:
    return CdnFront(world.at.cdn_url)


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens here, no token is logged, not even for those who debug."""
    for logger in ("httpx2", "httpcore2"):
        caplog.set_level(0, logger=logger)
    yield
    for token in (FASTLY_TOKEN, WRONG_TOKEN):
        assert token not in caplog.text


def refused(purge: Callable[[], None]) -> CdnUnavailable:
    """Return why *purge* fails; nothing that anybody may print of it has a token."""
    with pytest.raises(CdnUnavailable) as caught:
        purge()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.__context__)
    assert FASTLY_TOKEN not in told
    assert WRONG_TOKEN not in told
    return caught.value


def cached(world: World, key: str, content: bytes) -> None:
    """Let the twin have *content* under *key*, while the store has something newer."""
    world.write(key, content)
    assert world.got(key)[:2] == (200, content)
    world.write(key, b"new")
    assert world.got(key) == (200, content, "HIT")


@pytest.mark.parametrize("module", ["gtk+", "libsigc++", "glib"])
def test_a_purge_of_its_modules_key_shows_the_new_cache_json_and_nothing_else_is_fetched_again(
    world: World, purges: Purges, module: str
) -> None:
    key, other = paths.cache_key(module), paths.cache_key(f"beside-{module}")
    cached(world, key, b"old")
    cached(world, other, b"old")
    assert f"module/{module}" in paths.headers(key).surrogate_keys.split()
    purges.purge_keys([f"module/{module}"])
    assert world.got(key)[:2] == (200, b"new")
    assert world.got(other) == (200, b"old", "HIT")


def test_a_series_and_the_whole_tree_are_surrogate_keys_too(world: World, purges: Purges) -> None:
    for surrogate_key, version in (("series/vte/0.80", "0.80.1"), ("tree", "0.80.2")):
        key = f"sources/vte/0.80/LATEST-IS-{version}"
        cached(world, key, b"old")
        purges.purge_keys([surrogate_key])
        assert world.got(key)[:2] == (200, b"new")


@pytest.mark.parametrize(("keys", "long"), [(300, 4), (200, 180)])
def test_more_keys_than_one_request_may_name_are_all_purged(world: World, purges: Purges, keys: int, long: int) -> None:
    """The twin, too, takes 256 keys at once, and 16 KiB of them."""
    modules = [f"m{number:0{long}}" for number in range(keys)]
    looked_at = [modules[at] for at in (0, 80, 81, 180, -1)]
    for module in looked_at:
        cached(world, paths.cache_key(module), b"old")
    purges.purge_keys([f"module/{module}" for module in reversed(modules)])
    assert {world.got(paths.cache_key(module))[1] for module in looked_at} == {b"new"}


def test_the_twin_takes_one_key_in_the_url_and_no_more_keys_than_fastly(world: World) -> None:
    purge = f"{world.at.api_url}/service/{FASTLY_SERVICE_ID}/purge"
    token = {"Fastly-Key": FASTLY_TOKEN}
    cached(world, paths.cache_key("one+"), b"old")
    for many, url, status in ((257, purge, 400), (1, f"{world.at.api_url}/service/other/purge", 404)):
        keys = {"Surrogate-Key": " ".join(["module/one+"] * many)}
        assert httpx2.post(url, headers=token | keys).status_code == status
    assert world.got(paths.cache_key("one+"))[1] == b"old"
    assert httpx2.post(f"{purge}/module/one+", headers=token).json()["status"] == "ok"
    assert world.got(paths.cache_key("one+"))[1] == b"new"


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("sources/gtk/4.20/gtk-4.20.1.tar.xz", "sources/gtk/4.20/gtk-4.20.1.tar.xz"),
        ("sources/gtk+/4.20/gtk+-4.20.1.tar.xz", "sources/gtk+/4.20/gtk+-4.20.1.tar.xz"),
        ("sources/gtk+/4.20/gtk+-4.20.2.tar.xz", "pub/GNOME/sources/gtk%2b/4.20/gtk%2B-4.20.2.tar.xz?a=b"),
        ("sources/libsigc++/3.6/libsigc++-3.6.0.tar.xz", "sources/libsigc%2B%2B/3.6/libsigc%2B+-3.6.0.tar.xz"),
        (DIRECTORY, "sources/libsigc++/"),
        ("sources/polled+/index.html", "sources/polled%2B/index.html"),
        ("sources/polled-2/index.html", "sources/polled-2"),
        ("sources/polled-3/index.html", "sources/polled-3/index.html"),
        ("sources/gtk/4.20/LATEST-IS-4.20.1", "sources/gtk/4.20/LATEST-IS-4.20.1"),
    ],
)
def test_what_was_asked_for_too_early_is_served_right_after_its_purge(
    world: World, purges: Purges, key: str, asked: str
) -> None:
    assert world.got(asked)[0] == 404
    world.write(key, b"here")
    assert world.got(asked)[::2] == (404, "HIT")
    purges.purge_paths([key])
    answer = httpx2.get(f"{world.at.cdn_url}/{asked}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, b"here")


def test_without_a_purge_it_is_served_when_the_setting_says(world: World) -> None:
    key = "sources/gtk/4.20/gtk-4.20.7.tar.xz"
    asked_at = time.monotonic()
    assert world.got(key)[0] == 404
    answered_at = time.monotonic()
    world.write(key, b"here")
    ttl_s = Settings.model_fields["cdn_missing_ttl_s"].default
    time.sleep(max(0, asked_at + ttl_s - 2 - time.monotonic()))
    assert world.got(key)[::2] == (404, "HIT")
    time.sleep(answered_at + ttl_s + 0.1 - time.monotonic())
    assert world.got(key)[0] == 200


@pytest.mark.parametrize("by", ["purge_keys", "purge_paths"])
@pytest.mark.parametrize("why", ["wrong token", "down", "limited"])
def test_a_purge_that_is_refused_says_so_and_has_purged_nothing(world: World, by: str, why: str) -> None:
    module = f"{by}-{why.replace(' ', '-')}"
    key = paths.cache_key(module)
    cached(world, key, b"old")
    token = WRONG_TOKEN if why == "wrong token" else FASTLY_TOKEN
    purges = fastly(*world.at, token)

    def purge() -> None:
        purges.purge_keys([f"module/{module}"]) if by == "purge_keys" else purges.purge_paths([key])

    if why == "wrong token":
        refusal = refused(purge)
        assert "token" in refusal.detail
    else:
        with fronts.purges(world.home, "down" if why == "down" else "limited"):
            refusal = refused(purge)
        if why == "limited":
            assert refusal.retry_after_s == 7
    assert world.got(key) == (200, b"old", "HIT")


def test_where_nobody_listens_nothing_is_purged() -> None:
    nowhere = f"http://127.0.0.1:{components.free_port()}"
    refused(lambda: fastly(nowhere, nowhere).purge_keys(["tree"]))
    refused(lambda: fastly(nowhere, nowhere).purge_paths(["sources/index.html"]))


def test_a_black_hole_costs_seconds_however_much_is_to_be_purged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        began = time.monotonic()
        refused(lambda: fastly(url, url).purge_paths([f"sources/m/1/{number}" for number in range(20)]))
        assert time.monotonic() - began < 5.5


def test_an_answer_that_drips_costs_seconds() -> None:
    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as serving:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        serving.submit(drip, server)
        began = time.monotonic()
        refused(lambda: fastly(url, url).purge_keys(["tree"]))
        assert time.monotonic() - began < 5.5


BATCH = {"module/a": "1-1", "module/b": "1-2"}


@pytest.mark.parametrize(
    "said",
    [
        (200, {"module/a": "1-1"}, {}),
        (200, {"module/a": "1-1", "module/b": ""}, {}),
        (200, {"status": "ok", "id": "1-1"}, {}),
        (200, [BATCH], {}),
        (200, b"\xff{", {}),
        (200, b"[" * 60_000, {}),
        (200, b"", {}),
        (200, b" " * 100_000, {}),
        (202, {"msg": "Not now"}, {}),
        (302, BATCH, {"Location": "/elsewhere"}),
        (400, BATCH, {}),
        (404, BATCH, {}),
        (500, BATCH, {}),
    ],
    ids=str,
)
def test_only_an_answer_that_confirms_each_purge_is_believed(said: Canned) -> None:
    def answer(asked: Asked) -> Canned:
        return said if asked.path == f"/service/{FASTLY_SERVICE_ID}/purge" else (200, BATCH | {"status": "ok"}, {})

    with components.canned(answer) as url:
        refused(lambda: fastly(url, url).purge_keys(BATCH))
    with components.canned(lambda _: said) as url:
        if said[1] != {"status": "ok", "id": "1-1"}:
            refused(lambda: fastly(url, url).purge_paths(["sources/a/cache.json"]))


def test_an_answer_that_confirms_is_believed() -> None:
    with components.canned(lambda asked: (200, {"status": "ok"} if asked.method == "PURGE" else BATCH, {})) as url:
        fastly(url, url).purge_keys(BATCH)
        fastly(url, url).purge_paths(["sources/a/cache.json"])


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)}, 600),
        ({"Fastly-RateLimit-Reset": str(int(time.time()) + 600)}, 600),
        ({"Retry-After": "1" * 20}, 3600),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "soon"}, 30),
        ({}, 30),
    ],
    ids=["seconds", "a date", "Fastly's own", "too long", "zero", "no number", "nothing"],
)
def test_fastlys_wish_to_wait_is_carried(headers: dict[str, str], wait_s: int) -> None:
    """In seconds, as a date, as Fastly's own header; never for longer than an hour."""
    with components.canned(lambda _: (429, {"msg": "Too many"}, headers)) as url:
        refusal = refused(lambda: fastly(url, url).purge_keys(["tree"]))
    assert wait_s - 60 <= refusal.retry_after_s <= wait_s


def test_nothing_to_purge_is_no_request() -> None:
    nowhere = f"http://127.0.0.1:{components.free_port()}"
    fastly(nowhere, nowhere).purge_keys([])
    fastly(nowhere, nowhere).purge_paths([])


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 7])
def test_a_digest_is_that_of_the_bytes_which_readers_get(world: World, front: Front, size: int) -> None:
    key, content = f"sources/gtk+/4.22/gtk+-4.22.{size}.tar.xz", os.urandom(size)
    world.store.add(key, content)
    assert front.digest(key) == (size, hashlib.sha256(content).hexdigest()) == world.store.digest(key)


def test_a_front_reads_what_readers_get_and_not_what_the_store_has(world: World, front: Front) -> None:
    key = paths.cache_key("read-back+")
    cached(world, key, b"old")
    assert front.read(key) == b"old"
    assert front.digest(key) == (3, hashlib.sha256(b"old").hexdigest())


def test_what_is_missing_is_none(front: Front) -> None:
    assert front.digest("sources/gtk/4.20/gtk-4.20.99.tar.xz") is None
    assert front.read("staging/secret") is None


def test_the_index_of_a_directory_is_read_as_the_directory(world: World, front: Front) -> None:
    world.write("sources/dir+/index.html", b"<html>")
    assert front.read("sources/dir+/index.html") == b"<html>"
    assert world.got("sources/dir%2B/")[2] == "HIT"


@pytest.mark.parametrize(
    "said",
    [
        (302, b"", {"Location": "/other"}),
        (206, b"par", {}),
        (403, b"", {}),
        (503, b"", {}),
        (200, b"cut off", {"Content-Length": "1000000"}),
    ],
    ids=str,
)
def test_a_front_takes_no_other_answer_for_the_object(said: Canned) -> None:
    def answer(asked: Asked) -> Canned:
        return said if asked.path == "/sources/gtk+/cache.json" else (200, b"elsewhere", {})

    with components.canned(answer) as url:
        for ask in (CdnFront(url).digest, CdnFront(url).read):
            with pytest.raises(CdnUnavailable):
                ask("sources/gtk+/cache.json")


def test_a_document_that_does_not_end_is_not_read_into_memory() -> None:
    with components.canned(lambda _: (200, b" " * (17 * 1024 * 1024), {})) as url, pytest.raises(CdnUnavailable):
        CdnFront(url).read("sources/gtk/cache.json")
