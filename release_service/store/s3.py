"""The tree in an S3 bucket: production.

A tarball goes up as ONE conditional PUT with its SHA-256, never by a conditional multipart
completion (two winners on SeaweedFS, ignored by Ceph; docs/decisions/0003).  Indexes are replaced
under If-Match.  Content-Type, Cache-Control and the surrogate keys are metadata of each object.
"""

import base64
import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

import boto3
import httpx2
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from release_service import paths
from release_service.errors import AlreadyStored, Changed, StoreUnavailable
from release_service.store import Document, Source, Staged, Stored
from release_service.store.s3_reader import Reader, code, trusted

_PIECE_BYTES = 1024 * 1024
_CONNECT_S = 5
_URL_LIFETIME_S = 3600
_TRIES = 3
# An object that was sent in one piece, and is not encrypted with a key of KMS, has the MD5 of its bytes as its ETag.
_MD5 = re.compile('"?([0-9a-f]{32})"?')
_EXISTS = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "409"}
_MISSING = {"NoSuchKey", "404", "NotFound"}


class S3Store:
    """Keys are keys of *bucket*."""

    def __init__(self, bucket: str, endpoint_url: str | None, *, timeout_s: float = 10) -> None:
        """Use *bucket* at *endpoint_url* (None: AWS); credentials and region as boto3 reads them.

        A server that is silent for *timeout_s* is asked again, twice; it has thrice as long for a tarball, once.
        """
        self._bucket = bucket
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=boto3.Session().region_name or "us-east-1",
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                # Checksums go as headers, when we say so; trailers leave their mark on other servers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=min(timeout_s, _CONNECT_S),
                read_timeout=timeout_s,
                retries={"total_max_attempts": _TRIES, "mode": "standard"},
                max_pool_connections=32,
            ),
        )
        self._reader = Reader(self._s3, bucket, timeout_s=timeout_s)
        self._http = httpx2.Client(timeout=timeout_s * _TRIES, trust_env=False, verify=trusted())

    @contextlib.contextmanager
    def stage(self, key: str, source: Source) -> Iterator[Staged]:
        """Send all but the last piece; an object whose body is not complete does not exist.

        (See ReleaseStore.stage.)
        """
        staged = _Upload(self, key, source)
        try:
            yield staged
        finally:
            staged.abandon()

    def put(self, key: str, source: Source, gate: "_Gate") -> bool:
        """Send *source* to *key* by one conditional PUT; False if there is an object already.

        The last piece waits for *gate*; where there is no other, the whole request does: an empty
        object would be complete with its headers.
        """
        if source.size <= _PIECE_BYTES:
            gate.wait()
        url, headers = self._presigned_put(key, source)
        answer = self._http.put(url, headers=headers, content=gate.pieces(source))
        if answer.status_code == httpx2.codes.PRECONDITION_FAILED:
            return False
        answer.raise_for_status()
        return True

    def add(self, key: str, content: bytes) -> None:
        """Write a small file once.  (See ReleaseStore.add.)"""
        with _outages():
            digest = hashlib.sha256(content)
            try:
                self._put_small(key, content, IfNoneMatch="*", ChecksumSHA256=_base64(digest.hexdigest()))
            except ClientError as error:
                if code(error) not in _EXISTS | _CONFLICT:
                    raise
                self.compare(key, digest.hexdigest())

    def read(self, key: str) -> Document | None:
        """Return a small object.  (See ReleaseStore.read.)"""
        with _outages():
            answer = self._reader.get(key)
            return Document(answer["Body"].read(), answer["ETag"]) if answer else None

    def digest(self, key: str) -> tuple[int, str] | None:
        """Read the object, return its size and SHA-256.  (See ReleaseStore.digest.)"""
        with _outages():
            return self._reader.digest(key)

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield an object.  (See ReleaseStore.pieces.)"""
        with _outages(), contextlib.closing(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]) as body:
            yield from body.iter_chunks(_PIECE_BYTES)

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        """Write *content* over *expected*.  (See ReleaseStore.replace.)"""
        condition = {"IfMatch": expected.etag} if expected else {"IfNoneMatch": "*"}
        with _outages():
            try:
                self._put_small(key, content, **condition)
            except ClientError as error:
                if code(error) in _EXISTS | _CONFLICT | _MISSING:
                    raise Changed(key) from None
                raise

    def remove(self, key: str) -> None:
        """Remove an object, whatever versions of it the bucket keeps.  (See ReleaseStore.remove.)"""
        with _outages():
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield keys.  (See ReleaseStore.keys.)"""
        yield from (found.key for found in self.listing(prefix))

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Yield keys with sizes and digests.  (See ReleaseStore.listing.)"""
        with _outages():
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                for found in page.get("Contents", []):
                    etag = _MD5.fullmatch(found.get("ETag", ""))
                    yield Stored(found["Key"], found["Size"], etag[1] if etag else None)

    def sweep(self, before: datetime) -> int:
        """Abort multipart uploads: ours begin none, and each costs what it holds.  (See ReleaseStore.sweep.)"""
        with _outages():
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket)
            found = [one for page in pages for one in page.get("Uploads", []) if one["Initiated"] < before]
            for one in found:
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=one["Key"], UploadId=one["UploadId"])
            return len(found)

    def ping(self) -> None:
        """Ask for the bucket."""
        with _outages():
            self._s3.head_bucket(Bucket=self._bucket)

    def close(self) -> None:
        """Close the connections to S3."""
        self._s3.close()
        self._reader.close()
        self._http.close()

    def compare(self, key: str, sha256: str) -> None:
        """Return if the bytes under *key* have this digest; raise AlreadyStored if they have another."""
        there = self.digest(key)
        if there is None:
            raise StoreUnavailable("S3 says of an object that it is there, and that it is not.")
        if there[1] != sha256:
            raise AlreadyStored(key)

    def _put_small(self, key: str, content: bytes, **condition: str) -> None:
        headers = paths.headers(key)
        self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=content,
            ContentType=headers.content_type,
            CacheControl=headers.cache_control,
            Metadata={"surrogate-key": headers.surrogate_keys},
            **condition,
        )

    def _presigned_put(self, key: str, source: Source) -> tuple[str, dict[str, str]]:
        """Return where to PUT, and with which headers: they are part of what is signed."""
        headers = paths.headers(key)
        checksum = _base64(source.sha256)
        url = self._s3.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "IfNoneMatch": "*",
                "ChecksumSHA256": checksum,
                "ContentType": headers.content_type,
                "CacheControl": headers.cache_control,
                "Metadata": {"surrogate-key": headers.surrogate_keys},
            },
            ExpiresIn=_URL_LIFETIME_S,
        )
        return url, {
            "Content-Length": str(source.size),
            "If-None-Match": "*",
            "x-amz-checksum-sha256": checksum,
            "Content-Type": headers.content_type,
            "Cache-Control": headers.cache_control,
            "x-amz-meta-surrogate-key": headers.surrogate_keys,
        }


class _Abandoned(Exception):
    """The upload is not wanted any more; its body is cut off."""


class _Gate:
    """Holds back the last piece of a body until it is known whether the release may be."""

    def __init__(self) -> None:
        self._decided = threading.Event()
        self._open = False

    def decide(self, *, is_open: bool) -> None:
        self._open = is_open
        self._decided.set()

    def wait(self) -> None:
        """Wait for the decision; raises _Abandoned if it is no."""
        self._decided.wait()
        if not self._open:
            raise _Abandoned

    def pieces(self, source: Source) -> Iterator[bytes]:
        last = (source.size - 1) // _PIECE_BYTES * _PIECE_BYTES
        for at in range(0, source.size, _PIECE_BYTES):
            if at == last or self._decided.is_set():
                self.wait()
            yield os.pread(source.file.fileno(), _PIECE_BYTES, at)


class _Upload:
    """One tarball on its way, in a thread of its own."""

    def __init__(self, store: S3Store, key: str, source: Source) -> None:
        self._store, self._key, self._source = store, key, source
        self._gate = _Gate()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="put")
        self._first: Future[bool] = self._thread.submit(store.put, key, source, self._gate)

    def add(self) -> None:
        self._gate.decide(is_open=True)
        with _outages():
            is_new = self._is_new()
        if not is_new:
            self._store.compare(self._key, self._source.sha256)

    def _is_new(self) -> bool:
        """Wait for the PUT; send it again if it broke, for example because its gate opened too late for S3.

        One that S3 is silent about is not sent again: the sender waits for an answer.
        """
        attempt = self._first
        for _ in range(_TRIES - 1):
            try:
                return attempt.result()
            except httpx2.TimeoutException:
                break
            except httpx2.HTTPError:
                attempt = self._thread.submit(self._store.put, self._key, self._source, self._gate)
        try:
            return attempt.result()
        except httpx2.HTTPError as error:
            raise StoreUnavailable(f"S3 does not take the tarball ({type(error).__name__}).") from error

    def abandon(self) -> None:
        """End the thread; cuts the body off unless `add` has let it through."""
        self._gate.decide(is_open=False)
        self._thread.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _outages() -> Iterator[None]:
    """Turn the failures of S3 into our words."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        what = code(error) if isinstance(error, ClientError) else type(error).__name__
        raise StoreUnavailable(f"S3 does not answer as it should ({what}).") from error


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
