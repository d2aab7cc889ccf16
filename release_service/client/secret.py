"""Is there a secret key in this?  Looked at here, before anything is sent: whoever sees one can sign with it."""

import base64
import binascii
from collections.abc import Iterator

_SECRET_KEY, _SECRET_SUBKEY = 5, 7
_ARMOUR = b"-----BEGIN PGP "
_LABEL = b"PRIVATE KEY"
_IS_PACKET, _IS_NEW = 0x80, 0x40
_OCTETS_OF_LENGTH = (1, 2, 4)
# The first octet of a length in the new format: below the first it is the length, below the second it has two octets.
_TWO_OCTETS, _PARTIAL, _FIVE_OCTETS = 192, 224, 255


def holds_secret_key(data: bytes) -> bool:
    """Say whether *data* is, or begins as, packets (RFC 9580, section 4) with a secret key among them, or an armour so.

    It is no judge of form: what it cannot read on, the service refuses.
    """
    return _LABEL in data or any(tag in {_SECRET_KEY, _SECRET_SUBKEY} for tag in _tags(_unarmoured(data)))


def _unarmoured(data: bytes) -> bytes:
    """Return what is in the armour, whatever its label says; *data* if there is none."""
    if _ARMOUR not in data:
        return data
    block = data.partition(_ARMOUR)[2].replace(b"\r\n", b"\n").partition(b"\n-----END")[0]
    lines = [line.strip() for line in block.partition(b"\n\n")[2].splitlines()]
    text = b"".join(line for line in lines if not line.startswith(b"="))
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _tags(data: bytes) -> Iterator[int]:
    """Yield the tags of the packets, as far as they can be followed."""
    at = 0
    while at < len(data) and data[at] & _IS_PACKET:
        first = data[at]
        is_new = bool(first & _IS_NEW)
        yield first & 0x3F if is_new else first >> 2 & 0x0F
        size = _new_size(data, at + 1) if is_new else _old_size(data, at + 1, first & 3)
        if size is None:
            return
        at += 1 + sum(size)


def _old_size(data: bytes, at: int, kind: int) -> tuple[int, int] | None:
    """Return how many octets the length has, and the length; None if it goes on to the end."""
    if kind == len(_OCTETS_OF_LENGTH):
        return None
    octets = _OCTETS_OF_LENGTH[kind]
    return octets, int.from_bytes(data[at : at + octets], "big")


def _new_size(data: bytes, at: int) -> tuple[int, int] | None:
    """Return how many octets the length has, and the length; None if it comes in parts, or not at all."""
    first = data[at] if at < len(data) else _PARTIAL
    if first < _TWO_OCTETS:
        return 1, first
    if first < _PARTIAL:
        return 2, (first - _TWO_OCTETS << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + _TWO_OCTETS
    if first == _FIVE_OCTETS:
        return 5, int.from_bytes(data[at + 1 : at + 5], "big")
    return None
