"""What gpgv says on its status descriptor, read line by line; every word that is not expected is a refusal.

Exactly one NEWSIG, GOODSIG and VALIDSIG; whatever a user id, a notation or a file name says stands behind a keyword
on the line and decides nothing (CVE-2018-12020).
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from release_service.errors import (
    BadSignature,
    SignatureDoesNotMatch,
    SignatureNotTrusted,
    SignatureOutOfTime,
    SigningKeyNotUsable,
)

_LINE = re.compile(rb"\[GNUPG:\] ([A-Z][A-Z0-9_]*)(?: (.*))?", re.DOTALL)
_VALID = re.compile(
    rb"(?P<fingerprint>[0-9A-F]{40}) \d{4}-\d\d-\d\d (?P<created>\d{1,10}) \d{1,10} "
    rb"4 0 \d+ \d+ 00 (?P<primary>[0-9A-F]{40})"
)
_ONCE = ("NEWSIG", "GOODSIG", "VALIDSIG")
# Said beside a good signature: which keys were considered, what the signature notes; KEYEXPIRED also of a subkey that
# has nothing to do with it (doc/DETAILS of GnuPG), while EXPKEYSIG is about the key that made it.
_WITHOUT_MEANING = frozenset(
    {
        "KEYEXPIRED",
        "KEY_CONSIDERED",
        "NOTATION_DATA",
        "NOTATION_FLAGS",
        "NOTATION_NAME",
        "POLICY_URL",
        "SIG_ID",
        "SIG_SUBPACKET",
        "VERIFICATION_COMPLIANCE_MODE",
    }
)


@dataclass(frozen=True, slots=True)
class Good:
    """The one good signature: the key that made it, that key's primary key, and when."""

    fingerprint: str
    primary: str
    created_at: datetime


def read(status: bytes, exit_status: int) -> Good:
    """Return the one good signature that gpgv reports.  (Raises: BadSignature, SignatureNotTrusted.)"""
    said = list(_lines(status))
    words = Counter(word for word, _ in said)
    _refuse_by_word(words)
    if any(words[word] != 1 for word in _ONCE) or exit_status != 0:
        count = ", ".join(f"{words[word]} {word}" for word in _ONCE)
        raise BadSignature("STATUS", f"gpgv does not report exactly one good signature ({count}; exit {exit_status}).")
    (valid,) = (rest for word, rest in said if word == "VALIDSIG")
    if not (match := _VALID.fullmatch(valid)):
        raise BadSignature("STATUS", "gpgv does not report a version 4 signature over a binary document.")
    created_at = datetime.fromtimestamp(int(match["created"]), UTC)
    return Good(match["fingerprint"].decode(), match["primary"].decode(), created_at)


def _lines(status: bytes) -> list[tuple[str, bytes]]:
    lines = status.split(b"\n")
    if lines.pop() != b"":
        raise BadSignature("STATUS", "gpgv's report is cut off.")
    found = [_LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise BadSignature("STATUS", "gpgv's report has a line that is none of its own.")
    return [(match[1].decode(), match[2] or b"") for match in found if match]


def _refuse_by_word(words: Counter[str]) -> None:
    if words["BADSIG"]:
        raise SignatureDoesNotMatch("BADSIG", "gpgv finds that it was made over other bytes.")
    if words["EXPSIG"]:
        raise SignatureOutOfTime("EXPIRED", "The signature has expired.")
    if words["REVKEYSIG"]:
        raise SigningKeyNotUsable("The key that made the signature was revoked.")
    if words["EXPKEYSIG"]:
        raise SigningKeyNotUsable("The key that made the signature has expired.")
    if words["NO_PUBKEY"]:
        raise SignatureNotTrusted("gpgv finds no registered key that made the signature.")
    if unknown := sorted(set(words) - set(_ONCE) - _WITHOUT_MEANING):
        raise BadSignature("STATUS", f"gpgv does not accept it; it says: {', '.join(unknown)}.")
