"""PAX extended headers: records well-formed, and saying nothing that could be read in two ways.

The specification is POSIX.1-2017 pax, "pax Extended Header".
"""

import math
from collections.abc import Mapping

from release_service.errors import BadArchive, shown

# Extended attributes, access control lists, SELinux labels.
_FOREIGN = ("SCHILY.xattr.", "LIBARCHIVE.xattr.", "SCHILY.acl.", "RHT.security.")
_FOREIGN_KEYS = tuple(key.encode() for key in _FOREIGN)
_SPARSE = ("GNU.sparse.", "SCHILY.realsize")
_CHARSETS = {"BINARY", "ISO-IR 10646 2000 UTF-8"}
_LONGEST_NUMBER = 40


def text(name: bytes) -> str:
    """Return a name as text; raises BadArchive (PATH_ENC) unless it is UTF-8."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise BadArchive("PATH_ENC", f"A member's name is not UTF-8: {shown(name)}.") from None


def records(content: bytes) -> dict[str, str]:
    """Read ``<length> <key>=<value>`` records, a newline after each; the length counts itself."""
    found: dict[str, str] = {}
    at = 0
    while at < len(content):
        length, _, _ = content[at : at + 8].partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(content) - at:
            raise _malformed()
        record = content[at : at + int(length)]
        at += int(length)
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not key or not equals or record[-1:] != b"\n" or text(key) in found:
            raise _malformed()
        found[text(key)] = text(value) if not key.startswith(_FOREIGN_KEYS) else ""  # may be any bytes
    return found


def judge_local(found: Mapping[str, str]) -> None:
    """Refuse what an extended header of one member must not say."""
    for key in found:
        if key.startswith(_FOREIGN):
            raise BadArchive("PAX_XATTR", "An extended header carries extended attributes or access lists.")
        if key.startswith(_SPARSE):
            raise BadArchive("PAX_SPARSE", "An extended header makes a sparse file.")
    if found.get("hdrcharset", "BINARY") not in _CHARSETS:
        raise BadArchive("PATH_ENC", "An extended header says that names are not UTF-8.")
    if "mtime" in found:
        mtime(found["mtime"])


def judge_global(found: Mapping[str, str]) -> None:
    """Refuse what a global header must not say: anything but a comment, which git-archive writes."""
    judge_local(found)
    if found.keys() - {"comment"}:
        raise BadArchive("PAX_GLOBAL", "A global extended header carries more than a comment.")


def mtime(value: str) -> float:
    """Return the moment that *value* says, in seconds since 1970, perhaps with a fraction."""
    # float() alone would take underscores, spaces, other scripts' digits, and infinity.
    if len(value) <= _LONGEST_NUMBER and set(value) <= set("0123456789.+-e"):
        try:
            moment = float(value)
        except ValueError:
            raise _malformed() from None
        if math.isfinite(moment):
            return moment
    raise _malformed()


def _malformed() -> BadArchive:
    return BadArchive("PAX_MALFORMED", "An extended header is malformed.")
