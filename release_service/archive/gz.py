"""What a gzip header says before anything is decoded: the name of the file that was compressed (RFC 1952)."""

from collections.abc import Callable

from release_service.archive import Limits
from release_service.errors import BadArchive, shown

_FIXED_BYTES = 10
_EXTRA, _NAME = 0x04, 0x08
_LOOK_BYTES = 512

Peek = Callable[[int], bytes]


def judge_header(peek: Peek, limits: Limits) -> None:
    """Refuse a name that ``gunzip -N`` would write elsewhere; *peek* returns up to so many bytes of the member.

    What is malformed or cut off is left to the decoder, which says CORRUPT.
    """
    fixed = peek(_FIXED_BYTES)
    if len(fixed) < _FIXED_BYTES or not fixed[3] & _NAME:
        return
    at = _FIXED_BYTES
    if fixed[3] & _EXTRA:
        at += 2 + int.from_bytes(peek(at + 2)[at:], "little")
    _judge_name(_text(_name(peek, at, limits)), limits)


def _name(peek: Peek, at: int, limits: Limits) -> bytes:
    look = at + _LOOK_BYTES
    while b"\0" not in (head := peek(look))[at:]:
        if len(head) < look:
            return b""
        if look > at + limits.header_bytes:
            raise BadArchive("BOMB_HEADER", f"The gzip header is longer than {limits.header_bytes} bytes.")
        look *= 2
    return head[at:].partition(b"\0")[0]


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")  # as the RFC has it


def _judge_name(name: str, limits: Limits) -> None:
    who = f"The file name in the gzip header, {shown(name)!r},"
    if name.startswith("/"):
        raise BadArchive("PATH_ABS", f"{who} is an absolute path.")
    if ".." in name.split("/"):
        raise BadArchive("PATH_DOTDOT", f"{who} leads upwards.")
    if not name.isprintable():
        raise BadArchive("PATH_CTRL", f"{who} holds a character that cannot be shown.")
    if "\\" in name:
        raise BadArchive("PATH", f"{who} holds a backslash.")
    if len(name) > limits.path_bytes:
        raise BadArchive("PATH_LEN", f"{who} is too long.")
