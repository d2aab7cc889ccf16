"""Reads a bucket: an object whole, or the digest of one of any size, as cheaply as can be."""

import contextlib
import hashlib
import os
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody

_PIECE_BYTES = 1024 * 1024
_URL_LIFETIME_S = 3600
_OK = 200
_MISSING = {"NoSuchKey", "404", "NotFound"}


class Reader:
    """Asks *s3*, boto3's client, for the objects of *bucket*; what fails is botocore's to say."""

    def __init__(self, s3: Any, bucket: str, *, timeout_s: float, connections: int) -> None:
        """Keep at most *connections* open."""
        self._s3, self._bucket = s3, bucket
        self._http = URLLib3Session(verify=authorities() or True, timeout=timeout_s, max_pool_connections=connections)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return boto3's answer, whose Body is still to be read; None if there is no object."""
        try:
            answer: dict[str, Any] = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if code(error) in _MISSING:
                return None
            raise
        return answer

    def digest(self, key: str) -> tuple[int, str] | None:
        """Return size and SHA-256 of the object's bytes, None if there is none."""
        body = self._body(key)
        if body is None:
            return None
        size, sha256 = 0, hashlib.sha256()
        for piece in body.iter_chunks(_PIECE_BYTES):
            size += len(piece)
            sha256.update(piece)
        return size, sha256.hexdigest()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _body(self, key: str) -> StreamingBody | None:
        # A verification asks for every object, and get_object takes three times the processor time of a
        # signed GET.  Whatever is not plainly there goes the long way, which knows errors and tries again.
        which = {"Bucket": self._bucket, "Key": key}
        url = self._s3.generate_presigned_url("get_object", Params=which, ExpiresIn=_URL_LIFETIME_S)
        with contextlib.suppress(HTTPClientError):
            answer = self._http.send(AWSRequest(method="GET", url=url, stream_output=True).prepare())
            if answer.status_code == _OK:
                return StreamingBody(answer.raw, answer.headers.get("Content-Length"))
            answer.raw.drain_conn()
        found = self.get(key)
        return found["Body"] if found else None


def code(error: ClientError) -> str:
    """Return S3's word for what went wrong."""
    details: dict[str, Any] = error.response.get("Error", {})
    return str(details.get("Code", ""))


def authorities() -> str | None:
    """Return the file of the authorities that boto3 trusts, None for the system's."""
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
