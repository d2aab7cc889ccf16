"""What an xz file says of itself before anything is decoded: filters, dictionaries, expansion.

The specification is "The .xz File Format" 1.2.  Whatever is malformed here is left to the decoder,
which says CORRUPT: these functions only refuse what is well-formed and asks for too much.
"""

import zlib
from collections.abc import Callable, Iterator

from release_service.archive import Limits
from release_service.errors import BadArchive

STREAM_HEADER_BYTES = 12
_FOOTER_BYTES = 12
_LONGEST_BLOCK_HEADER = 1024
_LZMA2 = 0x21
_CHECKS = {0x00, 0x01, 0x04, 0x0A}  # none, CRC-32, CRC-64, SHA-256
_LARGEST_DICTIONARY_CODE = 40
# An index that is longer is left to the limits that hold while decoding; so are streams beyond so many.
_LONGEST_INDEX = 256 * 1024
_MOST_STREAMS = 1000
_PADDING_STEP = 64 * 1024

ReadAt = Callable[[int, int], bytes]


class _MalformedError(Exception):
    """Something is not as the format says."""


def block_header_bytes(first: int) -> int:
    """Return how long a block header is that begins with the byte *first*; 0 stands for an index."""
    return (first + 1) * 4 if first else 0


def judge_stream_header(header: bytes) -> None:
    """Refuse a check that nobody knows (FORMAT): the decoder would not check anything, and not say so."""
    if len(header) == STREAM_HEADER_BYTES and header[7] not in _CHECKS:
        raise BadArchive("FORMAT", "The xz file has a check sum of a kind that readers do not know.")


def judge_block_header(header: bytes, limits: Limits) -> None:
    """Refuse filters that `xz -0` to `-9e` do not write (FORMAT), and a dictionary that is too large (BOMB_MEM).

    LZMA2 alone: BCJ and delta filters gain nothing on sources, every other reader of xz would have to
    know them, and no tool that makes GNOME's tarballs uses them.
    """
    try:
        filters = list(_filters(header))
    except (_MalformedError, IndexError):
        return
    if [kind for kind, _ in filters] != [_LZMA2]:
        raise BadArchive("FORMAT", "The xz file uses other filters than LZMA2 alone.")
    properties = filters[0][1]
    if len(properties) != 1 or properties[0] > _LARGEST_DICTIONARY_CODE:
        return
    code = properties[0]
    if (2 | code & 1) << (code // 2 + 11) > limits.decoder_memory_bytes:
        raise BadArchive("BOMB_MEM", "The xz dictionary is larger than a reader should need.")


def prescan(read_at: ReadAt, size: int, limits: Limits) -> None:
    """Judge a whole xz file of *size* bytes by its indexes and all its block headers, decoding nothing.

    *read_at* takes a place and a count.  Raises BadArchive: BOMB_SIZE, BOMB_MEM, FORMAT.
    """
    expanded = 0
    end = size
    try:
        for _ in range(_MOST_STREAMS):
            end = _without_padding(read_at, end)
            if end == 0:
                return
            start, records = _last_stream(read_at, end)
            expanded += sum(uncompressed for _, uncompressed in records)
            if expanded > limits.expanded_bytes:
                raise BadArchive("BOMB_SIZE", f"The archive expands to more than {limits.expanded_bytes} bytes.")
            at = start + STREAM_HEADER_BYTES
            for unpadded, _ in records:
                judge_block_header(read_at(at, _LONGEST_BLOCK_HEADER), limits)
                at += unpadded + -unpadded % 4
            end = start
    except (_MalformedError, IndexError):
        return


def _filters(header: bytes) -> Iterator[tuple[int, bytes]]:
    size = block_header_bytes(header[0])
    body, crc = header[: size - 4], header[size - 4 : size]
    if size == 0 or zlib.crc32(body).to_bytes(4, "little") != crc:
        raise _MalformedError
    flags, at = body[1], 2
    for present in (0x40, 0x80):  # compressed and uncompressed size
        if flags & present:
            _, at = _number(body, at)
    for _ in range((flags & 3) + 1):
        kind, at = _number(body, at)
        length, at = _number(body, at)
        yield kind, body[at : at + length]
        at += length


def _last_stream(read_at: ReadAt, end: int) -> tuple[int, list[tuple[int, int]]]:
    """Return where the stream begins that ends at *end*, and its blocks: unpadded and uncompressed size."""
    if end < STREAM_HEADER_BYTES + _FOOTER_BYTES:
        raise _MalformedError
    footer = read_at(end - _FOOTER_BYTES, _FOOTER_BYTES)
    if footer[10:] != b"YZ" or zlib.crc32(footer[4:10]).to_bytes(4, "little") != footer[:4]:
        raise _MalformedError
    length = (int.from_bytes(footer[4:8], "little") + 1) * 4
    at = end - _FOOTER_BYTES - length
    if length > _LONGEST_INDEX or at < STREAM_HEADER_BYTES:
        raise _MalformedError
    records = _records(read_at(at, length))
    start = at - STREAM_HEADER_BYTES - sum(unpadded + -unpadded % 4 for unpadded, _ in records)
    if start < 0:
        raise _MalformedError
    return start, records


def _records(index: bytes) -> list[tuple[int, int]]:
    if index[0] != 0 or zlib.crc32(index[:-4]).to_bytes(4, "little") != index[-4:]:
        raise _MalformedError
    count, at = _number(index, 1)
    if count > len(index):
        raise _MalformedError
    records = []
    for _ in range(count):
        unpadded, at = _number(index, at)
        uncompressed, at = _number(index, at)
        records.append((unpadded, uncompressed))
    return records


def _without_padding(read_at: ReadAt, end: int) -> int:
    while end > 0:
        start = max(0, end - _PADDING_STEP)
        piece = read_at(start, end - start).rstrip(b"\0")
        if piece:
            return start + len(piece) + -(start + len(piece)) % 4
        end = start
    return 0


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer (1.2 of the specification) and the place behind it."""
    number = 0
    for shift in range(0, 63, 7):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, at
    raise _MalformedError
