"""What a signature says about itself (RFC 9580, section 5.2.3.7), read strictly."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from release_service.openpgp.malformed import Malformed, Outdated
from release_service.openpgp.packets import Octets, subpacket_length, write_subpacket_length

CREATED = 2
EXPIRES_AFTER = 3
KEY_EXPIRES_AFTER = 9
ISSUER = 16
NOTATION = 20
KEY_SERVER = 24
POLICY = 26
KEY_FLAGS = 27
SIGNER_USER_ID = 28
EMBEDDED_SIGNATURE = 32
ISSUER_FINGERPRINT = 33
KEY_BLOCK = 38

_CRITICAL = 0x80
_V4_FINGERPRINT = 21
_KEY_ID = 8
_TIME = 4
_HUMAN_READABLE = 0x80000000
_MOST = 64
_LONGEST_TEXT = 1024


@dataclass(frozen=True, slots=True)
class Subpacket:
    """One statement: its kind, whether who does not understand it must refuse the signature, and its octets."""

    kind: int
    critical: bool
    body: bytes = field(repr=False)


def read(data: bytes) -> tuple[Subpacket, ...]:
    """Return the statements that *data*, one of a signature's two areas, consists of.  (Raises: Malformed.)"""
    octets = Octets(data, "A signature's subpackets")
    found: list[Subpacket] = []
    while octets.left:
        size = subpacket_length(octets)
        if size == 0 or len(found) == _MOST:
            raise Malformed("SUBPACKET", f"A signature has an empty subpacket, or more than {_MOST}.")
        body = octets.take(size)
        found.append(Subpacket(body[0] & ~_CRITICAL, bool(body[0] & _CRITICAL), body[1:]))
    return tuple(found)


def write(subpacket: Subpacket) -> bytes:
    """Return the octets of *subpacket*, its length in the shortest form."""
    kind = subpacket.kind | (_CRITICAL if subpacket.critical else 0)
    return write_subpacket_length(len(subpacket.body) + 1) + bytes([kind]) + subpacket.body


def only(area: Iterable[Subpacket], kind: int) -> bytes | None:
    """Return the octets of the one subpacket of *kind*, or None.  (Raises: Malformed, where there are several.)"""
    found = [subpacket.body for subpacket in area if subpacket.kind == kind]
    if len(found) > 1:
        raise Malformed("SUBPACKET", f"The signature has {len(found)} subpackets of the kind {kind}.")
    return found[0] if found else None


def time(area: Iterable[Subpacket], kind: int) -> datetime | None:
    """Return the one time of *kind*, or None.  (Raises: Malformed.)"""
    seconds = _seconds(only(area, kind), kind)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def after(begin: datetime, area: Iterable[Subpacket], kind: int) -> datetime | None:
    """Return the time that the one subpacket of *kind* counts from *begin*; None for never.  (Raises: Malformed.)"""
    seconds = _seconds(only(area, kind), kind)
    return begin + timedelta(seconds=seconds) if seconds else None


def fingerprint(area: Iterable[Subpacket]) -> str | None:
    """Return the issuer's fingerprint, 40 upper-case hex digits, or None.  (Raises: Malformed.)"""
    body = only(area, ISSUER_FINGERPRINT)
    if body is None:
        return None
    if len(body) != _V4_FINGERPRINT or body[0] != 4:  # noqa: PLR2004 - the version of the key
        raise Malformed("ISSUER", "The issuer's fingerprint is not that of a version 4 key.")
    return body[1:].hex().upper()


def key_id(area: Iterable[Subpacket]) -> str | None:
    """Return the issuer's key id, 16 upper-case hex digits, or None.  (Raises: Malformed.)"""
    body = only(area, ISSUER)
    if body is not None and len(body) != _KEY_ID:
        raise Malformed("ISSUER", "The issuer's key id does not have 8 octets.")
    return None if body is None else body.hex().upper()


def check_critical(area: Iterable[Subpacket], known: frozenset[int]) -> None:
    """Hold that all critical subpackets are *known*.  (Raises: Malformed.)"""
    for subpacket in area:
        if subpacket.critical and subpacket.kind not in known:
            raise Malformed("CRITICAL", f"A critical subpacket of the kind {subpacket.kind} is not understood here.")


def check_texts(area: Iterable[Subpacket]) -> None:
    """Hold that nothing that is shown to people can move a cursor or begin a line.  (Raises: Malformed.)"""
    for subpacket in area:
        if subpacket.kind in {KEY_SERVER, POLICY, SIGNER_USER_ID}:
            check_text(subpacket.body, "A subpacket")
        elif subpacket.kind == NOTATION:
            _check_notation(subpacket.body)


def check_text(body: bytes, what: str) -> str:
    """Return *body* as text: UTF-8, not too long, all printable.  *what* names it.  (Raises: Malformed.)"""
    if len(body) > _LONGEST_TEXT:
        raise Malformed("TEXT", f"{what} holds a text of {len(body)} octets; {_LONGEST_TEXT} are accepted.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Outdated("TEXT", f"{what} holds a text that is not UTF-8.") from None
    if not text.isprintable():
        raise Malformed("TEXT", f"{what} holds a text with control characters.")
    return text


def _check_notation(body: bytes) -> None:
    octets = Octets(body, "A notation")
    flags, name_size, value_size = octets.number(4), octets.number(2), octets.number(2)
    name, value = octets.take(name_size), octets.take(value_size)
    octets.end()
    if flags & ~_HUMAN_READABLE:
        raise Malformed("NOTATION", f"A notation has flags that are not known: 0x{flags:08x}.")
    text = check_text(name, "A notation's name")
    if not text.isascii() or " " in text or text.count("@") > 1 or not text.strip("@"):
        raise Malformed("NOTATION", "A notation's name is not NAME or NAME@DOMAIN.")
    if flags & _HUMAN_READABLE:
        check_text(value, "A notation")


def _seconds(body: bytes | None, kind: int) -> int | None:
    if body is None:
        return None
    if len(body) != _TIME:
        raise Malformed("SUBPACKET", f"The time in a subpacket of the kind {kind} does not have {_TIME} octets.")
    return int.from_bytes(body, "big")
