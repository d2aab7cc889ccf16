"""What only a front has: a memory, and a bucket that must not show through it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import httpx2
import pytest

from front import Front, let_anyone_read, varnish

pytestmark = pytest.mark.real

INDEX = "sources/gtk+/index.html"
Put = Callable[[str, bytes, str], None]


@pytest.fixture
def front(tmp_path: Path, seaweedfs: str, bucket: str) -> Iterator[Front]:
    """A front of an empty bucket that is readable below sources/."""
    let_anyone_read(seaweedfs, bucket, "sources/*")
    with varnish(tmp_path, seaweedfs, bucket) as front:
        yield front


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


@pytest.mark.parametrize("path", ["/sources/gtk+%2b/x+.json", "/pub/gnome/sources/gtk%2B+/x%2B.json?a=+"])
def test_s3_never_sees_a_raw_plus_sign(tmp_path: Path, asked_of_s3: tuple[str, list[str]], path: str) -> None:
    """Amazon's S3 reads it as a space.  SeaweedFS does not, so only what was sent can tell."""
    s3_url, asked = asked_of_s3
    with varnish(tmp_path, s3_url, "tree") as front:
        assert httpx2.get(front.url + path).status_code == 200
    assert asked == ["/tree/sources/gtk%2B%2B/x%2B.json"]


def test_what_nobody_may_read_is_missing(front: Front, put: Put, seaweedfs: str, bucket: str) -> None:
    """S3 says 403 also of what is not there, to those who may not list."""
    put("core/50/50.0/NEWS", b"not public", "public, max-age=60")
    assert httpx2.get(f"{seaweedfs}/{bucket}/core/50/50.0/NEWS").status_code == 403
    answer = httpx2.get(f"{front.url}/core/50/50.0/NEWS")
    assert (answer.status_code, answer.text) == (404, "Not Found\n")


@pytest.mark.parametrize(
    "path", ["/", "/staging/secret", "/sources/../staging/secret", "/sources/%2e%2e/staging/secret"]
)
def test_no_other_part_of_the_bucket_is_public(front: Front, put: Put, path: str, seaweedfs: str, bucket: str) -> None:
    let_anyone_read(seaweedfs, bucket, "*")
    put("staging/secret", b"secret", "public, max-age=60")
    url = httpx2.URL(front.url).copy_with(raw_path=path.encode())
    assert httpx2.get(url).status_code == 404


def test_the_headers_of_s3_stay_behind(front: Front, put: Put, seaweedfs: str, bucket: str) -> None:
    put(INDEX, b"index", "public, max-age=60")
    behind = httpx2.get(f"{seaweedfs}/{bucket}/sources/gtk%2B/index.html").headers
    assert any("amz" in name.lower() for name in behind)
    before = httpx2.get(f"{front.url}/sources/gtk+/").headers
    assert not any("amz" in name.lower() for name in before)


def test_a_bucket_that_is_down_is_503(tmp_path: Path) -> None:
    with varnish(tmp_path, "http://127.0.0.1:9", "nothing") as front:
        assert httpx2.get(f"{front.url}/sources/").status_code == 503
