"""ASCII armour (RFC 9580, section 6), read strictly and written in one way.

One block and nothing beside it: no text before or after, no header that we do not know, no second block.  Binary is
taken as it is.  The check sum may be missing, as RFC 9580 advises, and must be right where it is not.
"""

import base64
import binascii
import re

from release_service.errors import shown
from release_service.openpgp.malformed import Malformed

SIGNATURE = "PGP SIGNATURE"
PUBLIC_KEY = "PGP PUBLIC KEY BLOCK"
_PRIVATE_KEY = "PGP PRIVATE KEY BLOCK"
_CLEAR_TEXT = "PGP SIGNED MESSAGE"

# Every packet's first octet has this bit, and no ASCII has it.
_BINARY = 0x80
_LINE = 64
_LONGEST_LINE = 76
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# Hash belongs to the clear-text framework only.
_HEADER = re.compile(r"(?:Version|Charset|MessageID): [\x20-\x7e]{0,200}|Comment: .{0,200}")
_CRC_START = 0xB704CE
_CRC_POLYNOMIAL = 0x1864CFB
_CRC_TOP = 0x1000000


def _crc_of(octet: int) -> int:
    crc = octet << 16
    for _ in range(8):
        crc <<= 1
        if crc & _CRC_TOP:
            crc ^= _CRC_POLYNOMIAL
    return crc


# An octet at a time: bit by bit a certificate of 64 KiB takes a third of a second.
_CRC_TABLE = tuple(map(_crc_of, range(256)))


def write(packets: bytes, label: str) -> str:
    """Return *packets* in armour: LF, lines of 64, no headers, with the check sum that older readers want."""
    text = base64.b64encode(packets).decode("ascii")
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {label}-----", "", *lines, _check_sum(packets), f"-----END {label}-----", ""])


def size(packets: bytes, label: str) -> int:
    """Return how many bytes `write` makes of *packets*."""
    letters = (len(packets) + 2) // 3 * 4
    return letters + (letters + _LINE - 1) // _LINE + len(write(b"", label))


def read(data: bytes, label: str) -> bytes:
    """Return the packets in *data*, which is binary, or one block of *label*.  (Raises: Malformed.)"""
    if not data:
        raise Malformed("EMPTY", "There is nothing in it.")
    if data[0] & _BINARY:
        return data
    content = _content(_lines(data), label)
    while content and content[0]:
        if not _HEADER.fullmatch(content[0]):
            raise Malformed("ARMOUR", f"The armour has a header that is not known: {shown(content[0])}.")
        del content[0]
    if not content:
        raise Malformed("ARMOUR", "The armour has no empty line after its headers.")
    del content[0]
    given = content.pop() if content and content[-1].startswith("=") else None
    packets = _decoded(content)
    if given is not None and given != _check_sum(packets):
        raise Malformed("ARMOUR", f"The armour's check sum is {shown(given)}, and not {_check_sum(packets)}.")
    return packets


def _lines(data: bytes) -> list[str]:
    # Only a comment, which is dropped, may be other than ASCII.
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if any(not (character.isprintable() or character == "\n") for character in text):
        raise Malformed("ARMOUR", "The armour holds control characters.")
    return text.rstrip("\n").split("\n")


def _content(lines: list[str], label: str) -> list[str]:
    """Return what is between the first line and the last, which must be the block's."""
    if lines[0] == f"-----BEGIN {_CLEAR_TEXT}-----":
        raise Malformed("CLEARTEXT", "It is a clear-signed text, not a detached signature.")
    if lines[0] == f"-----BEGIN {_PRIVATE_KEY}-----":
        raise Malformed("SECRET", "It is a block of a secret key.")
    if lines[0] != f"-----BEGIN {label}-----":
        raise Malformed("ARMOUR", f"It does not begin with -----BEGIN {label}-----, but with: {shown(lines[0], 60)}.")
    if lines[-1] != f"-----END {label}-----":
        raise Malformed("ARMOUR", f"It does not end with -----END {label}-----, but with: {shown(lines[-1], 60)}.")
    return lines[1:-1]


def _decoded(lines: list[str]) -> bytes:
    for line in lines:
        if len(line) > _LONGEST_LINE or not _BASE64.fullmatch(line):
            raise Malformed("ARMOUR", f"The armour has a line that is not base64: {shown(line, 60)}.")
    text = "".join(lines)
    try:
        packets = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Malformed("ARMOUR", "The armour's base64 is not whole.") from None
    # Spare bits that are not zero, or padding inside: a second spelling of the same bytes.
    if not packets or base64.b64encode(packets).decode("ascii") != text:
        raise Malformed("ARMOUR", "The armour's base64 is not in its one canonical form.")
    return packets


def _check_sum(packets: bytes) -> str:
    crc = _CRC_START
    for octet in packets:
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC_TABLE[crc >> 16 ^ octet]
    return "=" + base64.b64encode(crc.to_bytes(3, "big")).decode("ascii")
