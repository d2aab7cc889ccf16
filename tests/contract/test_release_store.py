"""What `ReleaseStore` promises, held against every kind; and first, that the S3 server keeps the conditions."""

import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import components
from conftest import KINDS
from crash.store_model import ModelStore
from release_service.errors import AlreadyStored, Changed, StoreUnavailable
from release_service.store import ReleaseStore, Source, s3_signature
from release_service.store.local import LocalStore
from release_service.store.s3 import S3Store

KEY = "sources/gtk+/4.18/gtk+-4.18.1.tar.xz"
INDEX = "sources/gtk+/cache.json"


@pytest.fixture(params=[*KINDS, "the crash harness's model"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReleaseStore]:
    """A store of each kind, empty."""
    if request.param == "embedded":
        made: ReleaseStore = LocalStore(tmp_path / "tree")
    elif request.param != "production":
        made = ModelStore()
    else:
        made = S3Store(request.getfixturevalue("bucket"), request.getfixturevalue("seaweedfs"))
    yield made
    made.close()


@pytest.fixture
def received(tmp_path: Path) -> Iterator[Callable[[bytes], Source]]:
    """Makes received files of given content."""
    opened: list[BinaryIO] = []

    def receive(content: bytes) -> Source:
        file: BinaryIO = tempfile.TemporaryFile(dir=tmp_path, buffering=0)  # noqa: SIM115 - closed below
        opened.append(file)
        file.write(content)
        return Source(file, len(content), hashlib.sha256(content).hexdigest())

    yield receive
    for file in opened:
        file.close()


def content_of(store: ReleaseStore, key: str) -> bytes | None:
    document = store.read(key)
    return document.content if document else None


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 7])
def test_a_staged_file_is_readable_only_after_it_is_added(
    store: ReleaseStore, received: Callable[[bytes], Source], size: int
) -> None:
    content = os.urandom(size)
    with store.stage(KEY, received(content)) as staged:
        assert content_of(store, KEY) is None
        staged.add()
    assert content_of(store, KEY) == content


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 5 * 1024 * 1024])
def test_a_staged_file_that_is_not_added_leaves_nothing(
    store: ReleaseStore, received: Callable[[bytes], Source], size: int
) -> None:
    with store.stage(KEY, received(os.urandom(size))):
        pass
    assert list(store.keys("")) == []


def test_an_exception_while_staged_leaves_nothing_and_passes(
    store: ReleaseStore, received: Callable[[bytes], Source]
) -> None:
    with pytest.raises(ZeroDivisionError), store.stage(KEY, received(b"x" * 3_000_000)):
        raise ZeroDivisionError
    assert list(store.keys("")) == []


def test_the_same_bytes_may_be_staged_and_added_again(store: ReleaseStore, received: Callable[[bytes], Source]) -> None:
    for _ in range(2):
        with store.stage(KEY, received(b"tarball")) as staged:
            staged.add()
    assert content_of(store, KEY) == b"tarball"


def test_other_bytes_never_replace_a_staged_file(store: ReleaseStore, received: Callable[[bytes], Source]) -> None:
    with store.stage(KEY, received(b"first")) as staged:
        staged.add()
    with store.stage(KEY, received(b"other")) as staged, pytest.raises(AlreadyStored):
        staged.add()
    assert content_of(store, KEY) == b"first"


def test_of_many_that_add_other_bytes_at_once_one_wins(store: ReleaseStore) -> None:
    def add(number: int) -> bool:
        try:
            store.add(KEY, b"%d" % number)
        except AlreadyStored:
            return False
        return True

    with ThreadPoolExecutor(8) as together:
        won = list(together.map(add, range(16)))
    assert sum(won) == 1
    assert content_of(store, KEY) == b"%d" % won.index(True)


def test_a_small_file_is_written_once(store: ReleaseStore) -> None:
    store.add(KEY, b"first")
    store.add(KEY, b"first")
    with pytest.raises(AlreadyStored):
        store.add(KEY, b"other")
    assert content_of(store, KEY) == b"first"


def test_what_is_not_there_reads_as_none(store: ReleaseStore) -> None:
    assert store.read(KEY) is None


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 7])
def test_a_digest_is_of_the_bytes_that_are_there_now(store: ReleaseStore, size: int) -> None:
    content = os.urandom(size)
    for now in (content, content[::-1] + b"more"):
        store.replace(INDEX, now, expected=store.read(INDEX))
        assert store.digest(INDEX) == (len(now), hashlib.sha256(now).hexdigest())


def test_what_is_not_there_has_no_digest(store: ReleaseStore) -> None:
    store.add(KEY, b"tarball")
    assert store.digest("sources/gtk+/4.18/gtk+-4.18.1.tar.gz") is None
    assert store.digest(f"{KEY}/nothing") is None
    assert store.digest(KEY) is not None


def test_many_digests_at_once_are_each_of_their_own_object(store: ReleaseStore) -> None:
    contents = {f"sources/m/1.{number}/m+{number}": os.urandom(2000 * number) for number in range(40)}
    for key, content in contents.items():
        store.add(key, content)
    with ThreadPoolExecutor(16) as together:
        found = dict(zip(contents, together.map(store.digest, contents), strict=True))
    assert found == {key: (len(content), hashlib.sha256(content).hexdigest()) for key, content in contents.items()}


@pytest.mark.real
def test_a_plain_object_is_read_without_going_the_long_way(bucket: str, seaweedfs: str) -> None:
    """The long way would hide that the quick one does not work, but for the time it takes."""
    content = os.urandom(3_000_000)
    with closing(S3Store(bucket, seaweedfs)) as store:
        store.add(KEY, content)
        for _ in range(2):  # the second time on a connection that was kept
            assert store._reader._plain_digest(KEY) == (len(content), hashlib.sha256(content).hexdigest())
        assert len(store._reader._idle) == 1
        assert store._reader._plain_digest("sources/nothing") is None


@pytest.mark.real
def test_a_bucket_that_does_not_answer_is_not_an_object_that_is_missing(seaweedfs: str) -> None:
    closed = f"http://127.0.0.1:{components.free_port()}"
    nowhere = (S3Store("no-such-bucket", seaweedfs), S3Store("b-tests", closed))
    for away in nowhere:
        with closing(away), pytest.raises(StoreUnavailable):
            away.digest(KEY)


def test_a_document_is_replaced_only_if_it_is_still_the_one_that_was_read(store: ReleaseStore) -> None:
    store.replace(INDEX, b"one", expected=None)
    first = store.read(INDEX)
    store.replace(INDEX, b"two", expected=first)
    for outdated in (first, None):
        with pytest.raises(Changed):
            store.replace(INDEX, b"three", expected=outdated)
    assert content_of(store, INDEX) == b"two"


def test_a_document_that_vanished_is_not_replaced(store: ReleaseStore) -> None:
    store.replace(INDEX, b"one", expected=None)
    before = store.read(INDEX)
    store.remove(INDEX)
    with pytest.raises(Changed):
        store.replace(INDEX, b"two", expected=before)
    assert store.read(INDEX) is None


def test_no_replacement_is_lost_when_many_replace_at_once(store: ReleaseStore) -> None:
    def append(number: int) -> None:
        while True:
            before = store.read(INDEX)
            try:
                store.replace(INDEX, (before.content if before else b"") + b"%d " % number, expected=before)
            except Changed:
                continue
            return

    with ThreadPoolExecutor(6) as together:
        list(together.map(append, range(12)))
    assert sorted(map(int, (content_of(store, INDEX) or b"").split())) == list(range(12))


def test_keys_are_those_with_the_prefix_in_order(store: ReleaseStore) -> None:
    there = ["core/a", "sources/a-b/1", "sources/a/10", "sources/a/2", "sources/a/3/4", "sources/b/1"]
    for key in reversed(there):
        store.add(key, b"")
    assert sorted(store.keys("")) == there
    assert list(store.keys("sources/a/")) == ["sources/a/10", "sources/a/2", "sources/a/3/4"]
    assert list(store.keys("sources/a/1")) == ["sources/a/10"]
    assert list(store.keys("nothing/")) == []


def test_removing_what_is_not_there_does_nothing(store: ReleaseStore) -> None:
    store.remove(INDEX)
    assert list(store.keys("")) == []


def test_what_a_writer_that_died_has_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.add("sources/gtk/4.18/gtk-4.18.1.news", b"news")
    left = [".copy-abcd1234", ".cache.json.new"]
    others = [".copy-other", ".gtk-4.18.1.tar.xz.new", "cache.json.new"]
    for name in (*left, *others):
        (tmp_path / "sources/gtk" / name).write_bytes(b"half")
        os.utime(tmp_path / "sources/gtk" / name, (0, 0))
    fresh = tmp_path / "sources/gtk/.index.html.new"
    fresh.write_bytes(b"half")
    assert store.sweep(datetime.now(UTC) - timedelta(days=1)) == len(left)
    fresh.unlink()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted([*others, "gtk-4.18.1.news"])


@pytest.mark.slow
def test_a_multipart_upload_that_somebody_has_left_open_is_aborted_when_it_is_old(bucket: str, seaweedfs: str) -> None:
    with closing(boto3.client("s3", endpoint_url=seaweedfs)) as s3, closing(S3Store(bucket, seaweedfs)) as store:
        s3.create_multipart_upload(Bucket=bucket, Key="sources/x")
        now = datetime.now(UTC)
        assert store.sweep(now - timedelta(days=1)) == 0
        assert store.sweep(now + timedelta(minutes=1)) == 1
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_what_is_removed_can_be_read_no_more_and_removing_it_again_does_nothing(
    store: ReleaseStore, received: Callable[[bytes], Source]
) -> None:
    """Write-once files, too: those of a quarantined release.  What lies beside them stays."""
    with store.stage(KEY, received(b"tarball")) as staged:
        staged.add()
    store.add(f"{KEY}.asc", b"signature")
    for _ in range(2):
        store.remove(KEY)
        assert (store.read(KEY), store.digest(KEY), list(store.keys(""))) == (None, None, [f"{KEY}.asc"])
    with pytest.raises(StoreUnavailable):
        list(store.pieces(KEY))


@pytest.mark.real
def test_a_bucket_with_versions_keeps_what_was_removed_for_who_may_read_versions(bucket: str, seaweedfs: str) -> None:
    with closing(boto3.client("s3", endpoint_url=seaweedfs)) as s3, closing(S3Store(bucket, seaweedfs)) as store:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        store.add(KEY, b"evidence")
        store.remove(KEY)
        assert (store.read(KEY), list(store.keys(""))) == (None, [])
        (kept,) = s3.list_object_versions(Bucket=bucket, Prefix=KEY)["Versions"]
        found = s3.get_object(Bucket=bucket, Key=KEY, VersionId=kept["VersionId"])["Body"].read()
    assert found == b"evidence"


def test_it_answers(store: ReleaseStore) -> None:
    store.ping()


def test_bytes_that_the_disk_did_not_keep_are_not_added(tmp_path: Path) -> None:
    """The kernel tells of a failed write once, to the first fsync: that one must be heard."""
    reader, writer = os.pipe()  # fsync fails on a pipe, as on a disk that has lost a page
    with open(reader, "rb", buffering=0) as file, open(writer, "wb"):  # noqa: PTH123 - descriptors
        store = LocalStore(tmp_path / "tree")
        source = Source(file, 1, "0" * 64)
        with store.stage(KEY, source) as staged, pytest.raises(StoreUnavailable):
            staged.add()
    assert list(store.keys("")) == []


@pytest.mark.real
def test_objects_carry_type_cache_rule_and_surrogate_keys(
    bucket: str, seaweedfs: str, received: Callable[[bytes], Source]
) -> None:
    """S3 cannot send a Surrogate-Key header; the CDN makes one from this metadata."""
    with closing(S3Store(bucket, seaweedfs)) as store:
        with store.stage(KEY, received(b"tarball")) as staged:
            staged.add()
        store.replace(INDEX, b"[]", expected=None)
    with closing(boto3.client("s3", endpoint_url=seaweedfs)) as s3:
        tarball, index = (s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED") for key in (KEY, INDEX))
    assert tarball["ContentType"] == "application/x-xz"
    assert tarball["CacheControl"] == "public, max-age=31536000, immutable"
    assert tarball["Metadata"] == {"surrogate-key": "tree module/gtk+ series/gtk+/4.18"}
    assert tarball["ChecksumSHA256"]
    assert "ContentEncoding" not in tarball
    assert index["ContentType"] == "application/json"
    assert index["CacheControl"] == "public, max-age=60"


@pytest.fixture
def s3(seaweedfs: str, bucket: str) -> Iterator[Callable[..., None]]:
    """A bare conditional PUT to the server."""
    config = Config(signature_version="s3v4", request_checksum_calculation="when_required")
    with closing(boto3.client("s3", endpoint_url=seaweedfs, config=config)) as client:
        yield lambda **options: client.put_object(Bucket=bucket, Key="k", **options)


@pytest.mark.real
def test_this_server_refuses_a_second_put_under_if_none_match(s3: Callable[..., None]) -> None:
    """Emulators exist that ignore the header: every test above would mean nothing on them."""
    s3(Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3(Body=b"2", IfNoneMatch="*")


@pytest.mark.real
def test_this_server_refuses_a_put_under_another_if_match(s3: Callable[..., None]) -> None:
    s3(Body=b"1")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3(Body=b"2", IfMatch='"0cc175b9c0f1b6a831c399e269772661"')


@pytest.mark.real
def test_this_server_refuses_bytes_that_do_not_match_their_checksum(s3: Callable[..., None]) -> None:
    with pytest.raises(
        ClientError,
        match=r"BadDigest|InvalidDigest|ChecksumMismatch|XAmzContentChecksumMismatch|BadRequest|InvalidRequest",
    ):
        s3(Body=b"1", ChecksumSHA256="A" * 43 + "=")


@pytest.mark.parametrize("token", [None, "a session's token"])
@pytest.mark.parametrize(
    ("path", "host"), [("/b/sources/gtk%2B/4.18/a%20b~c", "127.0.0.1:8333"), ("/sources/x", "b.s3.example")]
)
def test_a_get_is_signed_as_botocore_signs_it(path: str, host: str, token: str | None) -> None:
    credentials = Credentials("AKEY", "a/secret+", token)
    request = AWSRequest("GET", f"http://{host}{path}")
    S3SigV4Auth(credentials, "s3", "eu-central-1").add_auth(request)
    now = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    ours = s3_signature.headers(path, host, "eu-central-1", credentials.get_frozen_credentials(), now)
    assert ours.pop("host") == host
    assert ours == {name.lower(): value for name, value in request.headers.items()}
    assert abs((datetime.now(UTC) - now).total_seconds()) < 60


def test_a_listing_tells_sizes_and_of_no_object_another_ones_digest(store: ReleaseStore) -> None:
    contents = {f"sources/m{number % 3}/{number}/f+{number}.news": os.urandom(number) for number in range(1, 20)}
    for key, content in contents.items():
        store.add(key, content)
    store.replace(INDEX, b"first", expected=None)
    store.replace(INDEX, b"second", expected=store.read(INDEX))
    contents[INDEX] = b"second"
    listed = list(store.listing(""))
    assert {stored.key: stored.size for stored in listed} == {key: len(content) for key, content in contents.items()}
    digests = {key: hashlib.md5(content, usedforsecurity=False).hexdigest() for key, content in contents.items()}
    known = {stored.key: stored.md5 for stored in listed if stored.md5 is not None}
    assert known == (digests if isinstance(store, S3Store) else {})
    modules = [stored.key.split("/")[1] for stored in listed]
    assert len([module for module, _ in itertools.groupby(modules)]) == 4
