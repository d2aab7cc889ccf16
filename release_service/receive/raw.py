"""A tarball as the whole body of a PUT: its name in the URL, its digest (RFC 9530) and its signature in headers."""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from release_service.errors import BadUpload, TooLarge, UnsupportedMediaType, shown
from release_service.receive.multipart import SIGNATURE_BYTES

_LONGEST_LENGTH = 20  # digits; int() refuses thousands of them
_BYTES = re.compile(r":([A-Za-z0-9+/]+={0,2}):")
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


def signature(headers: Mapping[str, str]) -> bytes | None:
    """Return the detached signature in a Signature-OpenPGP header, as it was sent; None where there is none.

    Its form is that of Repr-Digest's value: ``:<base64 of the .asc>:``.  (Raises: BadUpload, TooLarge.)
    """
    value = headers.get("signature-openpgp")
    if value is None:
        return None
    if len(value) > 2 * SIGNATURE_BYTES:
        raise TooLarge(f"The Signature-OpenPGP header holds more than {SIGNATURE_BYTES} bytes.")
    if found := _BYTES.fullmatch(value):
        with suppress(ValueError):
            return base64.b64decode(found[1], validate=True)
    raise BadUpload("The Signature-OpenPGP header is not :<base64 of the .asc>:.")


class RawBody:
    """The body is the tarball."""

    def __init__(self, stream: AsyncIterator[bytes], headers: Mapping[str, str]) -> None:
        """Take *stream*, and what *headers* (lower-case names) say of it."""
        self._stream = stream
        self.said = repr_digest(headers)
        self.signature = signature(headers)

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the tarball's bytes."""
        return self._stream
