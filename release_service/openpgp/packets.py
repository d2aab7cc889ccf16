"""Packets (RFC 9580, section 4) and what they are made of, read strictly.

Only whole packets with a definite length in its shortest form: partial and indeterminate lengths are for streams,
and readers have disagreed on where such packets end.
"""

from dataclasses import dataclass, field

from release_service.openpgp.malformed import Malformed

SIGNATURE = 2
SECRET_KEY = 5
PUBLIC_KEY = 6
SECRET_SUBKEY = 7
USER_ID = 13
PUBLIC_SUBKEY = 14
USER_ATTRIBUTE = 17

NAMES = {
    1: "a session key",
    SIGNATURE: "a signature",
    3: "a session key",
    4: "a one-pass signature",
    SECRET_KEY: "a secret key",
    PUBLIC_KEY: "a public key",
    SECRET_SUBKEY: "a secret subkey",
    8: "compressed data",
    9: "encrypted data",
    10: "a marker",
    11: "literal data",
    12: "trust",
    USER_ID: "a user id",
    PUBLIC_SUBKEY: "a public subkey",
    USER_ATTRIBUTE: "a user attribute",
    18: "encrypted data",
    19: "a modification check",
    20: "encrypted data",
    21: "padding",
}

# The first octet of a packet: always, in the new format, and the old format's length of the length.
_PACKET = 0x80
_NEW = 0x40
_INDETERMINATE = 3
# The new format's lengths: one octet below, two below, then partial, then five.
_ONE = 192
_TWO = 224
_PARTIAL = 255
_LONGEST_TWO = 8383


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its `tag` (RFC 9580, section 5) and its `body`."""

    tag: int
    body: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """What it is, in words."""
        return NAMES.get(self.tag, f"packet {self.tag}")


class Octets:
    """Octets that are read from the front."""

    def __init__(self, data: bytes, what: str) -> None:
        """Read *data*; *what* names it in a refusal."""
        self._data = data
        self._what = what
        self.at = 0

    @property
    def left(self) -> int:
        """How many are still there."""
        return len(self._data) - self.at

    def take(self, count: int) -> bytes:
        """Return the next *count*.  (Raises: Malformed.)"""
        if count > self.left:
            raise Malformed("CUT", f"{self._what} ends within a value.")
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, octets: int) -> int:
        """Return the next big-endian number of so many *octets*.  (Raises: Malformed.)"""
        return int.from_bytes(self.take(octets), "big")

    def mpi(self, most_bits: int) -> int:
        """Return the next multi-precision integer, positive and in its one form.  (Raises: Malformed.)"""
        bits = self.number(2)
        if bits > most_bits:
            raise Malformed("MPI", f"{self._what} holds a number of {bits} bits.")
        value = self.number((bits + 7) // 8)
        if value == 0 or value.bit_length() != bits:
            raise Malformed("MPI", f"{self._what} holds a number that is zero, or not as long as it says.")
        return value

    def end(self) -> None:
        """Hold that nothing is left.  (Raises: Malformed.)"""
        if self.left:
            raise Malformed("TRAILING", f"{self._what} has {self.left} octets behind its end.")


def read(data: bytes, most: int) -> list[Packet]:
    """Return the packets that *data* consists of, *most* at most.  (Raises: Malformed.)"""
    octets = Octets(data, "The data")
    found: list[Packet] = []
    while octets.left:
        if len(found) == most:
            raise Malformed("PACKETS", f"It has more packets than {most}.")
        found.append(_packet(octets))
    return found


def write(packet: Packet) -> bytes:
    """Return the octets of *packet* with the shortest header of the old format, as GnuPG writes those that we keep.

    Tags below 16 and bodies below 64 KiB, which is all that we keep.
    """
    octets = 1 if len(packet.body) < 1 << 8 else 2
    return bytes([_PACKET | packet.tag << 2 | octets - 1]) + len(packet.body).to_bytes(octets, "big") + packet.body


def subpacket_length(octets: Octets) -> int:
    """Return the length of the next subpacket: as in the new format, but without partial ones.  (Raises: Malformed.)"""
    first = octets.number(1)
    if first < _ONE:
        return first
    if first < _PARTIAL:
        return ((first - _ONE) << 8) + octets.number(1) + _ONE
    return octets.number(4)


def write_subpacket_length(size: int) -> bytes:
    """Return *size* as `subpacket_length` reads it, in the shortest form."""
    if size < _ONE:
        return bytes([size])
    if size <= _LONGEST_TWO:
        return (size - _ONE + (_ONE << 8)).to_bytes(2, "big")
    return b"\xff" + size.to_bytes(4, "big")


def _packet(octets: Octets) -> Packet:
    first = octets.number(1)
    if not first & _PACKET:
        raise Malformed("FRAMING", f"A packet cannot begin with the octet 0x{first:02x}.")
    tag, size = _new_header(octets, first) if first & _NEW else _old_header(octets, first)
    if not tag:
        raise Malformed("FRAMING", "A packet has the reserved tag 0.")
    return Packet(tag, octets.take(size))


def _old_header(octets: Octets, first: int) -> tuple[int, int]:
    kind = first & 3
    if kind == _INDETERMINATE:
        raise Malformed("LENGTH", "A packet has an indeterminate length.")
    size = octets.number(1 << kind)
    # Two octets where one would do: programs older than GnuPG wrote every signature so.
    if kind == _INDETERMINATE - 1 and size <= 0xFFFF:  # noqa: PLR2004 - what two octets hold
        raise Malformed("LENGTH", "A packet's length is not in its shortest form.")
    return first >> 2 & 15, size


def _new_header(octets: Octets, first: int) -> tuple[int, int]:
    tag, lead = first & 63, octets.number(1)
    if lead < _ONE:
        return tag, lead
    if lead < _TWO:
        return tag, ((lead - _ONE) << 8) + octets.number(1) + _ONE
    if lead < _PARTIAL:
        raise Malformed("LENGTH", "A packet has a partial length.")
    size = octets.number(4)
    if size <= _LONGEST_TWO:
        raise Malformed("LENGTH", "A packet's length is not in its shortest form.")
    return tag, size
