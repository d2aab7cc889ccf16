"""What only a front has: a memory, and a bucket that must not show through it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import httpx2
import pytest
from pydantic import SecretStr

import components
from components import Asked, Canned
from front import FASTLY_SERVICE_ID, FASTLY_TOKEN, Front, public_bucket, twin, varnish
from release_service.cdn.fastly import Fastly

pytestmark = pytest.mark.real

INDEX = "sources/gtk+/index.html"
Put = Callable[[str, bytes, str], None]


@pytest.fixture(scope="module")
def bucket(seaweedfs: str) -> str:
    """A bucket that anyone may read below sources/ and staging/."""
    return public_bucket(seaweedfs, "sources/*", "staging/*")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, seaweedfs: str, bucket: str) -> Iterator[Front]:
    with varnish(tmp_path_factory.mktemp("front"), seaweedfs, bucket) as running:
        yield running


@pytest.fixture
def front(running: Front) -> Front:
    """A front that keeps nothing yet."""
    running.forget()
    return running


@pytest.fixture
def put(seaweedfs: str, bucket: str) -> Iterator[Put]:
    """Writes an object of given content and Cache-Control."""
    with closing(boto3.client("s3", endpoint_url=seaweedfs)) as s3:

        def write(key: str, content: bytes, cache_control: str) -> None:
            s3.put_object(
                Bucket=bucket, Key=key, Body=content, CacheControl=cache_control, Metadata={"surrogate-key": "tree"}
            )

        yield write


def test_an_index_is_kept_as_long_as_it_says_and_not_longer(front: Front, put: Put) -> None:
    put(INDEX, b"old", "public, max-age=2")
    url = f"{front.url}/sources/gtk+/"
    assert httpx2.get(url).content == b"old"
    put(INDEX, b"new", "public, max-age=2")
    assert httpx2.get(url).content == b"old"
    time.sleep(2.1)
    assert httpx2.get(url).content == b"new"


def test_a_purge_shows_what_is_new_at_once(front: Front, put: Put) -> None:
    put(INDEX, b"old", "public, max-age=60")
    url = f"{front.url}/sources/gtk+/"
    assert httpx2.get(url).content == b"old"
    put(INDEX, b"new", "public, max-age=60")
    front.forget()
    assert httpx2.get(url).content == b"new"


def test_every_spelling_and_prefix_of_a_path_is_one_object_in_the_cache(front: Front, put: Put) -> None:
    put(INDEX, b"index", "public, max-age=60")
    paths = ["/sources/gtk+/", "/sources/gtk%2B/", "/sources/gtk%2b/?F=1", "/pub/GNOME/sources/gtk+/?C=M"]
    assert [httpx2.get(front.url + path).headers["X-Cache"] for path in paths] == ["MISS", "HIT", "HIT", "HIT"]


@pytest.fixture
def asked_of_s3() -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything, and the paths that it was asked for, as they came."""
    asked: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_s3_never_sees_a_raw_plus_sign(tmp_path: Path, asked_of_s3: tuple[str, list[str]]) -> None:
    """Amazon's S3 reads it as a space.  SeaweedFS does not, so only what was sent can tell."""
    s3_url, asked = asked_of_s3
    with varnish(tmp_path, s3_url, "tree") as front:
        for path in ("/sources/gtk+%2b/x+.json", "/pub/gnome/sources/gtk%2B+/y%2B.json?a=+"):
            assert httpx2.get(front.url + path).status_code == 200
    assert asked == ["/tree/sources/gtk%2B%2B/x%2B.json", "/tree/sources/gtk%2B%2B/y%2B.json"]


def test_what_nobody_may_read_is_missing(front: Front, put: Put, seaweedfs: str, bucket: str) -> None:
    """S3 says 403 also of what is not there, to those who may not list."""
    put("core/50/50.0/NEWS", b"not public", "public, max-age=60")
    assert httpx2.get(f"{seaweedfs}/{bucket}/core/50/50.0/NEWS").status_code == 403
    answer = httpx2.get(f"{front.url}/core/50/50.0/NEWS")
    assert (answer.status_code, answer.text) == (404, "Not Found\n")


@pytest.mark.parametrize(
    "path", ["/", "/staging/secret", "/sources/../staging/secret", "/sources/%2e%2e/staging/secret"]
)
def test_no_other_part_of_the_bucket_is_public(front: Front, put: Put, path: str) -> None:
    put("staging/secret", b"secret", "public, max-age=60")
    url = httpx2.URL(front.url).copy_with(raw_path=path.encode())
    assert httpx2.get(url).status_code == 404


def test_the_headers_of_s3_stay_behind(front: Front, put: Put, seaweedfs: str, bucket: str) -> None:
    put(INDEX, b"index", "public, max-age=60")
    behind = httpx2.get(f"{seaweedfs}/{bucket}/sources/gtk%2B/index.html").headers
    assert any("amz" in name.lower() for name in behind)
    before = httpx2.get(f"{front.url}/sources/gtk+/").headers
    assert not any("amz" in name.lower() for name in before)


@dataclass
class StandInS3:
    """Answers what the test says, to be kept for *max_age_s*; waits for `go` with it."""

    max_age_s: int
    said: Canned = (200, b"", {})
    asked: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def say(self, status: int, content: bytes) -> None:
        headers = {"Cache-Control": f"public, max-age={self.max_age_s}", "x-amz-meta-surrogate-key": "module/gtk+"}
        self.said = (status, content, headers)

    def answer(self, _: Asked) -> Canned:
        said = self.said
        self.asked.set()
        self.go.wait(30)
        return said


def test_an_index_that_s3_cannot_renew_is_sent_once_more_unless_it_was_purged(tmp_path: Path) -> None:
    s3 = StandInS3(1)
    s3.go.set()
    s3.say(200, b"old")
    with (
        ExitStack() as up,
        twin(tmp_path, up.enter_context(components.canned(s3.answer)), "tree") as (cdn_url, api_url),
    ):
        url = f"{cdn_url}/sources/gtk+/cache.json"
        assert httpx2.get(url).content == b"old"
        s3.say(503, b"<Error><BucketName>tree</BucketName></Error>")
        time.sleep(1.1)
        stale = httpx2.get(url)
        assert (stale.status_code, stale.content) == (200, b"old")
        Fastly(cdn_url, api_url, FASTLY_SERVICE_ID, SecretStr(FASTLY_TOKEN)).purge_keys(["module/gtk+"])
        down = httpx2.get(url)
        assert down.status_code == 503
        assert b"tree" not in down.content
        s3.say(200, b"new")
        assert httpx2.get(url).content == b"new"
        up.close()
        time.sleep(1.1)
        assert httpx2.get(url).content == b"new"


def test_what_is_fetched_while_a_purge_runs_is_kept_so_that_it_takes_a_second_one(tmp_path: Path) -> None:
    """Why indexes are purged again after a few seconds (docs/decisions/0017)."""
    s3 = StandInS3(60)
    s3.say(200, b"old")
    with components.canned(s3.answer) as s3_url, twin(tmp_path, s3_url, "tree") as (cdn_url, api_url):
        url = f"{cdn_url}/sources/gtk+/cache.json"
        fastly = Fastly(cdn_url, api_url, FASTLY_SERVICE_ID, SecretStr(FASTLY_TOKEN))
        with ThreadPoolExecutor(1) as reader:
            early = reader.submit(httpx2.get, url)
            assert s3.asked.wait(30)
            s3.say(200, b"new")
            fastly.purge_keys(["module/gtk+"])
            s3.go.set()
            assert early.result().content == b"old"
        assert httpx2.get(url).content == b"old"
        fastly.purge_keys(["module/gtk+"])
        assert httpx2.get(url).content == b"new"


@pytest.mark.parametrize("token", [{}, {"Fastly-Key": "another"}])
def test_nobody_purges_without_the_token(front: Front, put: Put, token: dict[str, str]) -> None:
    put(INDEX, b"old", "public, max-age=60")
    url = f"{front.url}/sources/gtk+/"
    assert httpx2.get(url).content == b"old"
    put(INDEX, b"new", "public, max-age=60")
    assert httpx2.request("PURGE", url, headers=token).status_code == 401
    assert httpx2.get(url).content == b"old"


def test_a_bucket_that_is_down_is_503(tmp_path: Path) -> None:
    with varnish(tmp_path, "http://127.0.0.1:9", "nothing") as front:
        assert httpx2.get(f"{front.url}/sources/").status_code == 503
