"""DOAP files (RDF/XML): which tarballs a project makes, and who maintains it.

Only what GNOME's files use is read: ``download-page`` below /sources/, and ``gnome:userid`` of each
``maintainer``.  The XML is others': entities and DTDs are refused.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from release_service.errors import BadChange, Refused
from release_service.tarball import parse_module

_LONGEST_FILE = 256 * 1024
_DOAP = "{http://usefulinc.com/ns/doap#}"
_GNOME = "{http://api.gnome.org/doap-extensions#}"
_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_SOURCES = re.compile(r".*/sources/([^/]+)/?(?:[^/]+/?)?")
_USERID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Described:
    """What one file tells: `modules` as their tarballs are called, `userids` of the maintainers; both without twins."""

    modules: list[str]
    userids: list[str]


def parse(content: bytes) -> Described:
    """Return what the DOAP file of *content* tells.  Raises BadChange for what is no such file."""
    if len(content) > _LONGEST_FILE:
        raise BadChange(f"The file is longer than {_LONGEST_FILE} bytes.")
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BadChange(f"The file is no XML that is read here ({type(error).__name__}).") from None
    pages = [page.get(_RESOURCE, page.text or "") for page in root.iter(f"{_DOAP}download-page")]
    userids = [
        (userid.text or "").strip()
        for maintainer in root.iter(f"{_DOAP}maintainer")
        for userid in maintainer.iter(f"{_GNOME}userid")
    ]
    return Described(_unique(map(_module, pages)), _unique(name for name in userids if _USERID.fullmatch(name)))


def subjects(text: bytes) -> dict[str, str]:
    """Return {username: id} of the SSO's export of its users, a JSON list of objects.  (Raises: BadChange.)"""
    try:
        users = json.loads(text)
        found = {user["username"]: user["id"] for user in users}
    except (ValueError, TypeError, KeyError):
        found = {"": ""}
    if not all(isinstance(text, str) and text for text in (*found, *found.values())):
        raise BadChange("The file of subjects is no JSON list of objects with id and username, both of them text.")
    return found


def _module(page: str) -> str:
    """Return the module whose directory *page* is, "" if it is none."""
    try:
        found = _SOURCES.fullmatch(urlsplit(page.strip()).path)
        return parse_module(unquote(found[1])) if found else ""
    except (Refused, ValueError):  # no module's name; no URL at all
        return ""


def _unique(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]
