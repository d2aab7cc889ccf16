"""The CI component's form (CONTRACT.md 1): one part ``tarball``, perhaps ``sha256`` and ``signature``.

The smallest parser surface: python-multipart is pushed to chunk by chunk after the caller is
known, part headers are read by our own strict grammar, and everything unexpected is refused.
"""

import re
from collections.abc import AsyncIterator

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from release_service.errors import BadUpload, TooLarge, UnsupportedMediaType, UploadCutOff, shown

_BOUNDARY = re.compile(r"multipart/form-data\s*;\s*boundary=(?:\"([!-~ ]{1,70})\"|([!#-~]{1,70}))\s*", re.IGNORECASE)
_DISPOSITION = re.compile(r'form-data((?:[ \t]*;[ \t]*(?:name|filename)="[^"\\\r\n]*")+)', re.IGNORECASE)
_PARAMETER = re.compile(r'(name|filename)="([^"\\\r\n]*)"', re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")

# A name, a type, perhaps a length: real clients send well under a kilobyte.
_HEADER_BYTES = 8 * 1024
_FIELD_BYTES = 256
SIGNATURE_BYTES = 16 * 1024

_Event = tuple[str, bytes]


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that *content_type* names.  (Raises: UnsupportedMediaType.)"""
    match = _BOUNDARY.fullmatch(content_type)
    if not match:
        raise UnsupportedMediaType(f"Content-Type is {shown(content_type)!r}, not multipart/form-data with a boundary.")
    return (match[1] or match[2]).encode("ascii")


class Form:
    """A form that arrives: `open` it, read its `chunks`, then see what was `said`."""

    def __init__(self, stream: AsyncIterator[bytes], content_type: str) -> None:
        """Read parts out of *stream*."""
        self._events = _events(stream, boundary_of(content_type))
        self._seen: set[str] = set()
        self.said: list[str] = []
        self.signature: bytes | None = None

    async def open(self) -> str:
        """Read up to the tarball's bytes; return its file name.  Raises BadUpload if there is none."""
        filename = await self._next_part()
        if filename is None:
            raise BadUpload("The form has no part named 'tarball'.")
        return filename

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the tarball's bytes, then take the parts after it, which must not be files."""
        async for kind, data in self._events:
            if kind == "part_end":
                break
            yield data
        await self._next_part()

    async def _next_part(self) -> str | None:
        """Take parts up to and with the header of the tarball's; None at the end of the form."""
        async for _, block in self._events:
            name, filename = _disposition(block)
            if name in self._seen:
                raise BadUpload(f"The form has a second part named {shown(name)!r}.")
            self._seen.add(name)
            if name == "tarball" and filename is not None:
                return filename
            await self._take_field(name, filename)
        return None

    async def _take_field(self, name: str, filename: str | None) -> None:
        if name == "signature":
            self.signature = await self._value(name, SIGNATURE_BYTES)
            return
        if name != "sha256" or filename is not None:
            raise BadUpload(f"The form has a part named {shown(name)!r} that is not expected here.")
        digest = (await self._value(name, _FIELD_BYTES)).decode("ascii", "replace").strip().lower()
        if not _SHA256.fullmatch(digest):
            raise BadUpload(f"The part 'sha256' is {shown(digest)!r}, not 64 hex letters.")
        self.said.append(digest)

    async def _value(self, name: str, most: int) -> bytes:
        value = b""
        async for kind, data in self._events:
            if kind == "part_end":
                break
            value += data
            if len(value) > most:
                raise TooLarge(f"The part {name!r} is longer than {most} bytes.")
        return value


def _disposition(block: bytes) -> tuple[str, str | None]:
    """Return the name and the file name that a part's header block gives."""
    fields = [line.partition(":")[::2] for line in block.decode("utf-8", "replace").split("\n")]
    dispositions = [value.strip(" \t") for field, value in fields if field.lower() == "content-disposition"]
    match = _DISPOSITION.fullmatch(dispositions[0]) if len(dispositions) == 1 else None
    found = _PARAMETER.findall(match[1]) if match else []
    parameters = {key.lower(): text for key, text in found}
    if len(parameters) == len(found) and "name" in parameters:
        return parameters["name"], parameters.get("filename")
    raise BadUpload('A part has no plain Content-Disposition: form-data; name="..."; filename="...".')


async def _events(stream: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[_Event]:
    """Yield ("header", block), ("data", bytes)..., ("part_end", b"") for each part."""
    pushed = _Pushed()
    parser = MultipartParser(
        boundary,
        pushed.callbacks(),  # type: ignore[arg-type] # a subset, which it takes
        # Ours is the stricter cap, and says what is wrong.
        max_header_count=_HEADER_BYTES,
        max_header_size=2 * _HEADER_BYTES,
    )
    async for chunk in _from_the_boundary(stream):
        try:
            parser.write(chunk)
        except MultipartParseError:
            raise BadUpload("The body is not well-formed multipart/form-data.") from None
        for event in pushed.take():
            yield event
    if not pushed.ended:
        raise UploadCutOff("The form ends before its closing boundary.")


async def _from_the_boundary(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass *stream* on without empty lines before it: of text behind them the parser takes what comes in one chunk."""
    begun = False
    async for chunk in stream:
        rest = chunk if begun else chunk.lstrip(b"\r\n")
        if not begun and rest[:1] not in {b"", b"-"}:
            raise BadUpload("The body is not well-formed multipart/form-data: it does not begin with its boundary.")
        begun = begun or bool(rest)
        yield rest


class _Pushed:
    """Collects what the parser calls back with."""

    def __init__(self) -> None:
        self._events: list[_Event] = []
        self._header = bytearray()
        self.ended = False

    def take(self) -> list[_Event]:
        events, self._events = self._events, []
        return events

    def callbacks(self) -> dict[str, object]:
        return {
            "on_header_field": self._on_header,
            "on_header_value": self._on_header_value,
            "on_header_end": lambda: self._on_header(b"\n", 0, 1),
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": lambda data, start, end: self._events.append(("data", data[start:end])),
            "on_part_end": lambda: self._events.append(("part_end", b"")),
            "on_end": self._on_end,
        }

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        if len(self._header) > _HEADER_BYTES:
            raise TooLarge(f"The header of a part is longer than {_HEADER_BYTES} bytes.")

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        if b"\n" in data[start:end]:
            raise BadUpload("A header of a part holds a line of its own.")
        if b":" not in self._header.rpartition(b"\n")[2]:
            self._header += b":"
        self._on_header(data, start, end)

    def _on_headers_finished(self) -> None:
        self._events.append(("header", bytes(self._header)))
        self._header.clear()

    def _on_end(self) -> None:
        self.ended = True
