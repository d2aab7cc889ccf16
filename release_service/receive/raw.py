"""A tarball as the whole body of a PUT, its name in the URL, its digest in a header (RFC 9530)."""

import base64
import re
from collections.abc import AsyncIterator, Mapping

from release_service.errors import BadUpload, TooLarge, UnsupportedMediaType, shown

_LONGEST_LENGTH = 20  # digits; int() refuses thousands of them
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


def refuse_too_long(headers: Mapping[str, str], max_bytes: int) -> None:
    """Raise TooLarge before the body is read, if its Content-Length says that it is."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadUpload(f"Content-Length {shown(length)!r} is no number.")
    if len(length) > _LONGEST_LENGTH or int(length) > max_bytes:
        raise TooLarge(f"The request says to have {shown(length)} bytes; {max_bytes} are allowed.")
    if headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("The body is sent encoded (Content-Encoding); send the file as it is.")


def repr_digest(headers: Mapping[str, str]) -> list[str]:
    """Return the SHA-256 of a Repr-Digest header as 64 hex letters, [] where there is none.

    Other algorithms in the header are ignored, as RFC 9530, 2 says.  Raises BadUpload for a
    sha-256 member that is malformed.
    """
    members = [member.strip() for member in headers.get("repr-digest", "").split(",")]
    found = [_DIGEST.fullmatch(member) for member in members if member.startswith("sha-256")]
    if not all(found):
        raise BadUpload("The Repr-Digest header is not sha-256=:<base64 of 32 bytes>:.")
    return [base64.b64decode(match[1]).hex() for match in found if match]


class RawBody:
    """The body is the tarball."""

    def __init__(self, stream: AsyncIterator[bytes], headers: Mapping[str, str]) -> None:
        """Take *stream*, and what *headers* (lower-case names) say of it."""
        self._stream = stream
        self.said = repr_digest(headers)

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the tarball's bytes."""
        return self._stream
