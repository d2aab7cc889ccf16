"""What a member of a release archive must be (CONTRACT.md 3): one rule a function, in order.

Each rule takes the member and what went before it, and raises BadArchive with the rule's class.
"""

import posixpath
import unicodedata
from collections.abc import Iterator

from release_service.archive import Limits
from release_service.archive.tar import Kind, Member
from release_service.errors import BadArchive, shown

_SET_ID_OR_STICKY = 0o7000
_WORLD_WRITABLE = 0o002
_READABLE = 0o400
# As Linux counts (path_resolution(7)).
_LONGEST_CHAIN = 40
_MOST_STEPS = 4_000_000


class Contents:
    """What the archive has held so far, and what was odd about it."""

    def __init__(self, top: str, limits: Limits) -> None:
        """Begin empty; *top* is the one top directory that is allowed."""
        self.top = top
        self.limits = limits
        self.count = 0
        self.kinds: dict[str, Kind] = {}
        self.links: dict[str, str] = {}
        self.spellings: dict[str, str] = {}
        self.folded: set[str] = set()
        self.warnings: list[str] = []

    def admit(self, member: Member) -> None:
        """Judge *member* by every rule, then remember it."""
        for rule in RULES:
            rule(member, self)
        path = _path(member)
        if path.casefold() in self.folded and path not in self.kinds:
            self.warnings.append(f"{shown(path)} differs from another member in upper and lower case only")
        self.folded.add(path.casefold())
        self.kinds[path] = member.kind
        if member.kind is Kind.SYMLINK:
            self.links[path] = member.target
        for above in _above(path):  # a directory is there as soon as something is in it
            self.kinds.setdefault(above, Kind.DIRECTORY)
        self.count += 1

    def finish(self) -> None:
        """Judge what only the whole archive shows: where links lead that lead through other links."""
        steps = 0
        for path in self.links:
            reached, more = _follow(path, self.links, self.top)
            if reached not in self.kinds:
                self.warnings.append(f"{shown(path)} is a symbolic link to nothing in the archive")
            steps += more
            if steps > _MOST_STEPS:
                raise BadArchive("BOMB_COUNT", "The archive's symbolic links are too many and too long to follow.")


def _path(member: Member) -> str:
    return member.name.rstrip("/")


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _follow(path: str, links: dict[str, str], top: str) -> tuple[str, int]:
    """Walk to where *path* ends, as a kernel would; return that, and how many steps it took.

    Reading the target alone is not enough: in ``link/..`` the two dots start from where the link leads.
    """
    at: list[str] = []
    ahead = path.split("/")[::-1]
    steps = followed = 0
    while ahead:
        steps += 1
        part = ahead.pop()
        if part == "..":
            del at[-1:]
        elif part not in {"", "."}:
            at.append(part)
        if (target := links.get("/".join(at))) is not None:
            followed += 1
            if followed > _LONGEST_CHAIN:
                raise BadArchive("LINK_LOOP", f"{shown(path)!r} leads from link to link without end.")
            at.pop()
            ahead += target.split("/")[::-1]
        if at[:1] != [top] and (at or not ahead or ahead[-1] != top):
            raise BadArchive("LINK_ESCAPE", f"{shown(path)!r} leads out of the archive by way of another link.")
    return "/".join(at), steps


def there_are_not_too_many(_member: Member, contents: Contents) -> None:
    """At most so many members."""
    if contents.count >= contents.limits.members:
        raise BadArchive("BOMB_COUNT", f"The archive has more than {contents.limits.members} members.")


def its_name_is_plain(member: Member, contents: Contents) -> None:
    """Its path is relative, without control characters, backslashes, ``..`` or ``.``."""
    name = member.name
    if name.startswith("/"):
        raise BadArchive("PATH_ABS", f"{shown(name)!r} is an absolute path.")
    if not name.isprintable():
        raise BadArchive("PATH_CTRL", f"{shown(name)!r} holds a character that cannot be shown.")
    if "\\" in name:
        raise BadArchive("PATH", f"{shown(name)!r} holds a backslash.")
    parts = name.rstrip("/").split("/")
    if ".." in parts:
        raise BadArchive("PATH_DOTDOT", f"{shown(name)!r} leads upwards.")
    if len(name.encode()) > contents.limits.path_bytes or len(parts) > contents.limits.path_depth:
        raise BadArchive("PATH_LEN", f"{shown(name)!r} is too long or too deep.")


def it_stands_in_the_top_directory(member: Member, contents: Contents) -> None:
    """Exactly one top directory, named as the release; a leading ``./`` is another name."""
    path = _path(member)
    parts = path.split("/")
    if parts[0] != contents.top or "" in parts or "." in parts:
        raise BadArchive("TOPDIR", f"{shown(member.name)!r} is not in {contents.top}/, the one directory allowed.")
    if len(parts) == 1 and member.kind is not Kind.DIRECTORY:
        raise BadArchive("TOPDIR", f"{contents.top} is a {member.kind}, not a directory.")


def it_is_there_once(member: Member, contents: Contents) -> None:
    """No second member of a name, except that a directory may come twice."""
    before = contents.kinds.get(_path(member))
    if before is not None and not (before is member.kind is Kind.DIRECTORY):
        raise BadArchive("PATH_DUP", f"{shown(member.name)!r} is there twice.")


def its_name_is_no_other_in_disguise(member: Member, contents: Contents) -> None:
    """No two spellings that Unicode calls the same: some file systems keep one of them."""
    path = _path(member)
    for spelling in (path, *_above(path)):
        known = contents.spellings.setdefault(unicodedata.normalize("NFC", spelling), spelling)
        if known != spelling:
            raise BadArchive("PATH_UNINORM", f"{shown(spelling)!r} is another spelling of a name that is there.")
        if spelling != path and spelling in contents.kinds:
            break  # it was judged with its own parents before


def nothing_leads_through_a_link(member: Member, contents: Contents) -> None:
    """No member below something that is not a directory."""
    for above in _above(_path(member)):
        if contents.kinds.get(above, Kind.DIRECTORY) is not Kind.DIRECTORY:
            raise BadArchive("LINK_THROUGH", f"{shown(member.name)!r} stands below {shown(above)!r}, no directory.")


def its_link_stays_inside(member: Member, contents: Contents) -> None:
    """Links lead to members of this archive: symbolic ones anywhere inside, hard ones to what came before."""
    if member.kind not in {Kind.SYMLINK, Kind.HARDLINK}:
        return
    if member.target.startswith("/"):
        raise BadArchive("LINK_ABS", f"{shown(member.name)!r} leads to the absolute path {shown(member.target)!r}.")
    if member.kind is Kind.HARDLINK:
        if contents.kinds.get(member.target) not in {Kind.FILE, Kind.HARDLINK}:
            raise BadArchive("LINK_MISSING", f"{shown(member.name)!r} is a hard link to nothing before it.")
        return
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(_path(member)), member.target))
    if reached.split("/")[0] != contents.top:
        raise BadArchive("LINK_ESCAPE", f"{shown(member.name)!r} leads out of the archive: {shown(member.target)!r}.")


def its_mode_is_ordinary(member: Member, _contents: Contents) -> None:
    """No set-id, no sticky bit, nothing that everybody may write or its owner may not read."""
    if member.kind is Kind.SYMLINK:
        return
    if member.mode & (_SET_ID_OR_STICKY | _WORLD_WRITABLE) or not member.mode & _READABLE:
        raise BadArchive("MODE", f"{shown(member.name)!r} has mode {member.mode & 0o7777:04o}.")


# Cheap before costly, and the name is plain before anything is computed from it.
RULES = (
    there_are_not_too_many,
    its_name_is_plain,
    it_stands_in_the_top_directory,
    it_is_there_once,
    its_name_is_no_other_in_disguise,
    nothing_leads_through_a_link,
    its_link_stays_inside,
    its_mode_is_ordinary,
)
