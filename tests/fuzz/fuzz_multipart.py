"""Fuzzes the reader of forms, fed in pieces of any size.

A finding is anything but a refusal or success, a form that is read otherwise, or refused, when it is cut elsewhere,
or a file that Python's own email package, or python-multipart as a whole, reads otherwise.
"""

import email
import io
import logging
import re
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass

import atheris
from fuzzer import Reader, fuzz, hold_same, hold_shown

with atheris.instrument_imports(include=["release_service.receive", "python_multipart"]):
    from python_multipart.multipart import File, parse_form

    from release_service.receive.multipart import Form

import test_receive as forms

from release_service.errors import Refused

# A short one: fuzzers guess it sooner.
_BOUNDARY = b"--b"
_TYPE = "multipart/form-data; boundary=b"
# Others decode what says to be encoded; a form has no such thing (RFC 7578, 4.7), and for us it is the file.
_ENCODED = re.compile(rb"content-transfer-encoding", re.IGNORECASE)
# The email package ends lines at a CR or an LF that stands alone, and reads messages inside messages.
_NOT_LIKE_MAIL = re.compile(
    rb"(?:[^\r]\n|\r|\A\n)--b|--b(?:--)?[ \t]*(?:\r(?!\n)|\n)|--b--[ \t]*[^ \t\r]|"
    rb"content-type: *(?:multipart|message)/",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """What a form holds."""

    filename: str
    content: bytes
    said: list[str]
    signature: bytes | None


def read_form(content: bytes) -> None:
    """Read a form in one piece, byte by byte, and cut as its first two bytes say; then as others do."""
    first, size, body = sum(content[:1]), 1 + sum(content[1:2]), content[2:]
    whole = _outcome([body])
    for pieces in ([body[:first], *_cut(body[first:], size)], _cut(body, 1)):
        hold_same(_outcome(pieces), whole)
    if whole is not None and not _ENCODED.search(body):
        hold_same(_as_python_multipart(body), (whole.filename, whole.content))
        if not _NOT_LIKE_MAIL.search(body):
            hold_same(_as_email(body), whole.content)


def seeds() -> Iterator[tuple[Reader, bytes]]:
    """Yield the forms of the tests."""
    for body in [*forms.GOOD.values(), *(bad for _, bad in forms.BAD.values())]:
        yield read_form, b"\x50\x10" + body.replace(forms.BOUNDARY, _BOUNDARY)


def _outcome(pieces: list[bytes]) -> Found | None:
    """Return what the form holds that comes in *pieces*; None if it is refused, be it for this or for that."""
    try:
        return _at_once(_read(pieces))
    except Refused as refused:
        hold_shown(refused)
        return None


async def _read(pieces: list[bytes]) -> Found:
    form = Form(forms.stream(pieces), _TYPE)
    filename = await form.open()
    content = b"".join([chunk async for chunk in form.chunks()])
    return Found(filename, content, form.said, form.signature)


def _at_once(reading: Coroutine[None, None, Found]) -> Found:
    """Return what *reading* returns, without a loop: it waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as done:
        found: Found = done.value
        return found
    raise AssertionError("it waits")


def _cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def _as_python_multipart(body: bytes) -> tuple[str, bytes]:
    files: list[File] = []
    parse_form({"Content-Type": _TYPE.encode()}, io.BytesIO(body), None, files.append)
    (file,) = files
    file.file_object.seek(0)
    return (file.file_name or b"").decode("utf-8", "replace"), file.file_object.read()


def _as_email(body: bytes) -> object:
    message = email.message_from_bytes(f"Content-Type: {_TYPE}\r\n\r\n".encode() + body)
    (content,) = (part.get_payload(decode=True) for part in message.walk() if part.get_filename() is not None)
    return content


if __name__ == "__main__":
    logging.disable()  # python-multipart warns of each
    fuzz((read_form,), (), seeds(), longest=2**12)
