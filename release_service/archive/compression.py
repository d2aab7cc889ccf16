"""Decompress a tarball in bounded steps; what follows the compressed stream is refused.

Every decoder is driven the same way: a piece of input in, at most one step of output out.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol

from release_service.archive import MIB, Limits, gz, xz
from release_service.errors import BadArchive

_MAGIC = {"xz": b"\xfd7zXZ\x00", "gz": b"\x1f\x8b", "bz2": b"BZh", "zst": b"\x28\xb5\x2f\xfd"}
_STEP_BYTES = 1 * MIB
# A stream is fed little at first: what follows a short one is given back, and copied each time.
_FIRST_FEED_BYTES = 512
_PADDING_STEP = 4096

Read = Callable[[], bytes]


class _Decoder(Protocol):
    """The shape that lzma, bz2 and zstd share."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipDecoder:
    """zlib in the shape of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


@cache
def _zstd_library() -> Any:
    try:
        # Of the standard library from Python 3.14 on, which mypy does not read here.
        from compression import zstd  # type: ignore[import-not-found] # noqa: PLC0415 - as below
    except ImportError:
        from backports import zstd  # noqa: PLC0415 - only where an instance enables it
    return zstd


class _ZstdDecoder:
    """zstd whose errors are those of the others."""

    def __init__(self, limits: Limits) -> None:
        zstd = _zstd_library()
        self._error: type[Exception] = zstd.ZstdError
        # The largest power of two that is within the limit.
        largest = limits.decoder_memory_bytes.bit_length() - 1
        self._zstd = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: largest})

    @property
    def eof(self) -> bool:
        return bool(self._zstd.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._zstd.needs_input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._zstd.unused_data)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return bytes(self._zstd.decompress(data, max_length))
        except self._error as error:
            if "too much memory" in str(error):
                raise BadArchive("BOMB_MEM", "The zstd window is larger than a reader should need.") from None
            raise ValueError(str(error)) from None


def _decoder(compression: str, limits: Limits) -> _Decoder:
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.decoder_memory_bytes)
    if compression == "gz":
        return _GzipDecoder()
    return bz2.BZ2Decompressor() if compression == "bz2" else _ZstdDecoder(limits)


class Expansion:
    """The archive inside the compressed stream, in pieces of at most 1 MiB, once.

    Several streams one after another are one archive, and so is xz padding (both legal).
    Iterating raises BadArchive: FORMAT (not compressed as named, or in an exotic way), CORRUPT (damaged
    or cut off), TRAILING (junk after the stream), PATH_* (the name in a gzip header), BOMB_*.
    """

    def __init__(self, compression: str, read: Read, limits: Limits) -> None:
        """Expand what *read* returns piece by piece, b"" at the end."""
        self._compression = compression
        self._source = _Source(read)
        self._limits = limits
        self.expanded_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        magic = _MAGIC[self._compression]
        if not self._source.peek(len(magic)).startswith(magic):
            raise BadArchive("FORMAT", f"The file is not {self._compression}-compressed, as its name says.")
        for _ in range(self._limits.streams):
            self._judge_head()
            for piece in _stream(_decoder(self._compression, self._limits), self._source):
                self._count(len(piece))
                yield piece
            if self._compression == "xz":
                self._source.skip_padding()
            head = self._source.peek(len(magic))
            if not head:
                return
            if not head.startswith(magic):
                raise BadArchive("TRAILING", "Something else follows the compressed stream.")
        raise BadArchive("BOMB_COUNT", f"The file has more than {self._limits.streams} compressed streams.")

    def _judge_head(self) -> None:
        """Look at what a stream says of itself, before any of it is decoded."""
        peek = self._source.peek
        if self._compression == "gz":
            gz.judge_header(peek, self._limits)
        elif self._compression == "xz":
            at = xz.STREAM_HEADER_BYTES
            xz.judge_stream_header(peek(at))
            length = xz.block_header_bytes(int.from_bytes(peek(at + 1)[at:], "little"))
            if length:
                xz.judge_block_header(peek(at + length)[at:], self._limits)

    def _count(self, more: int) -> None:
        self.expanded_bytes += more
        limits = self._limits
        if self.expanded_bytes > limits.expanded_bytes:
            raise BadArchive("BOMB_SIZE", f"The archive expands to more than {limits.expanded_bytes} bytes.")
        if self.expanded_bytes > max(limits.ratio_from_bytes, limits.ratio * self._source.taken):
            raise BadArchive("BOMB_RATIO", f"The archive expands more than {limits.ratio}-fold.")


def _stream(decoder: _Decoder, source: "_Source") -> Iterator[bytes]:
    """Yield what one compressed stream holds; give back to *source* what follows it."""
    feed = _FIRST_FEED_BYTES
    while not decoder.eof:
        data = b""
        if decoder.needs_input:
            data = source.take(feed)
            feed = min(2 * feed, _STEP_BYTES)
            if not data:
                raise BadArchive("CORRUPT", "The compressed data ends too early.")
        try:
            piece = decoder.decompress(data, _STEP_BYTES)
        except lzma.LZMAError as error:
            raise _judged(error) from None
        except (OSError, ValueError, zlib.error, EOFError):
            raise BadArchive("CORRUPT", "The compressed data is damaged.") from None
        if piece:
            yield piece
    source.give_back(len(decoder.unused_data))


def _judged(error: lzma.LZMAError) -> BadArchive:
    said = str(error)
    if "emory" in said:
        return BadArchive("BOMB_MEM", "The xz dictionary is larger than a reader should need.")
    if "nsupported" in said:  # a check or an option that liblzma does not know
        return BadArchive("FORMAT", "The xz file is made in a way that readers do not know.")
    return BadArchive("CORRUPT", "The compressed data is damaged.")


class _Source:
    """The file, with what was read too far given back."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._piece = b""
        self._at = 0
        self.taken = 0

    def take(self, limit: int) -> bytes:
        """Return the next bytes, at most *limit*; b"" at the end."""
        if self._at == len(self._piece):
            self._piece, self._at = self._read(), 0
        taken = self._piece[self._at : self._at + limit]
        self._at += len(taken)
        self.taken += len(taken)
        return taken

    def give_back(self, count: int) -> None:
        """Give back the last *count* bytes of what was taken last."""
        self._at -= count
        self.taken -= count

    def peek(self, count: int) -> bytes:
        """Return up to *count* next bytes without taking them."""
        while len(self._piece) - self._at < count and (more := self._read()):
            self._piece, self._at = self._piece[self._at :] + more, 0
        return self._piece[self._at : self._at + count]

    def skip_padding(self) -> None:
        """Take stream padding: zero bytes, four at a time (the xz file format, 2.2)."""
        padding = 0
        while self.peek(1) == b"\0":
            piece = self.take(_PADDING_STEP)
            rest = len(piece.lstrip(b"\0"))
            padding += len(piece) - rest
            if rest:
                self.give_back(rest)
                break
        if padding % 4:
            raise BadArchive("TRAILING", "The zero bytes after an xz stream are no padding: not a multiple of four.")
