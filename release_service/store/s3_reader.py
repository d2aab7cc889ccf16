"""Reads a bucket: an object whole, or the digest of one of any size, as cheaply as can be.

A verification asks for every object there is.  boto3's get_object takes four times the processor time of
a signed GET on a kept connection, so that is tried first; whatever is not plainly there and
whole goes the long way, which knows errors and tries again.
"""

import contextlib
import hashlib
import os
import ssl
from collections import deque
from collections.abc import Iterator
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import boto3
from botocore.exceptions import ClientError

from release_service.store import s3_signature

_PIECE_BYTES = 1024 * 1024
_OK = 200
_MISSING = {"NoSuchKey", "404", "NotFound"}

Digest = tuple[int, str]


class Reader:
    """Asks *s3*, boto3's client, for the objects of *bucket*; what fails is botocore's to say."""

    def __init__(self, s3: Any, bucket: str, *, timeout_s: float) -> None:
        """Keep as many connections as there are readers at once; each waits *timeout_s* at most."""
        self._s3, self._bucket, self._timeout_s = s3, bucket, timeout_s
        self._credentials = boto3.Session().get_credentials()
        self._idle: deque[HTTPConnection] = deque()
        self._trusted = trusted()
        self._at: SplitResult | None = None

    def get(self, key: str) -> dict[str, Any] | None:
        """Return boto3's answer, whose Body is still to be read; None if there is no object."""
        try:
            answer: dict[str, Any] = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if code(error) in _MISSING:
                return None
            raise
        return answer

    def digest(self, key: str) -> Digest | None:
        """Return size and SHA-256 of the object's bytes, None if there is none."""
        found = self._plain_digest(key)
        if found is not None:
            return found
        answer = self.get(key)
        return _digest(answer["Body"].iter_chunks(_PIECE_BYTES)) if answer else None

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    def _plain_digest(self, key: str) -> Digest | None:
        if self._credentials is None:
            return None
        at = self._bucket_url()
        path = at.path + quote(key, safe="/~")
        region: str = self._s3.meta.region_name
        headers = s3_signature.headers(path, at.netloc, region, self._credentials.get_frozen_credentials())
        connection = self._connection(at)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            found = _digest(_pieces(answer))
        except (OSError, HTTPException):
            connection.close()
            return None
        self._idle.append(connection)
        # A body that ends early is not an error to http.client: `length` is what it still lacks.
        return found if answer.status == _OK and answer.length == 0 else None

    def _bucket_url(self) -> SplitResult:
        if self._at is None:  # as boto3 addresses the bucket: in the path, or in the host's name
            presigned: str = self._s3.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": "k"})
            self._at = urlsplit(presigned.partition("?")[0].removesuffix("k"))
        return self._at

    def _connection(self, at: SplitResult) -> HTTPConnection:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        if at.scheme == "https":
            return HTTPSConnection(at.netloc, timeout=self._timeout_s, context=self._trusted)
        return HTTPConnection(at.netloc, timeout=self._timeout_s)


def _pieces(answer: HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read(_PIECE_BYTES):
        yield piece


def _digest(pieces: Iterator[bytes]) -> Digest:
    size, sha256 = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        sha256.update(piece)
    return size, sha256.hexdigest()


def code(error: ClientError) -> str:
    """Return S3's word for what went wrong."""
    details: dict[str, Any] = error.response.get("Error", {})
    return str(details.get("Code", ""))


def trusted() -> ssl.SSLContext:
    """Trust whom boto3 trusts: a private S3 often has a private authority."""
    return _trusting(os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE"))


@cache
def _trusting(cafile: str | None) -> ssl.SSLContext:
    """Read the authorities once: there are more than a hundred."""
    return ssl.create_default_context(cafile=cafile)
