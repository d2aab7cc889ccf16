"""What a member of a release archive must be (CONTRACT.md 3): one rule a function, in order.

Each rule takes the member and what went before it, and raises BadArchive with the rule's class.
"""

import posixpath

from release_service.archive import Limits
from release_service.archive.tar import Kind, Member
from release_service.errors import BadArchive, shown

_SET_ID_OR_STICKY = 0o7000
_WORLD_WRITABLE = 0o002


class Contents:
    """What the archive has held so far, and what was odd about it."""

    def __init__(self, top: str, limits: Limits) -> None:
        """Begin empty; *top* is the one top directory that is allowed."""
        self.top = top
        self.limits = limits
        self.count = 0
        self.kinds: dict[str, Kind] = {}
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
        self.count += 1


def _path(member: Member) -> str:
    return member.name.rstrip("/")


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


def nothing_leads_through_a_link(member: Member, contents: Contents) -> None:
    """No member below something that is not a directory."""
    above = posixpath.dirname(_path(member))
    while above:
        if contents.kinds.get(above, Kind.DIRECTORY) is not Kind.DIRECTORY:
            raise BadArchive("LINK_THROUGH", f"{shown(member.name)!r} stands below {shown(above)!r}, no directory.")
        above = posixpath.dirname(above)


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
    """No set-id, no sticky bit, nothing that everybody may write."""
    if member.kind is not Kind.SYMLINK and member.mode & (_SET_ID_OR_STICKY | _WORLD_WRITABLE):
        raise BadArchive("MODE", f"{shown(member.name)!r} has mode {member.mode & 0o7777:04o}.")


# Cheap before costly, and the name is plain before anything is computed from it.
RULES = (
    there_are_not_too_many,
    its_name_is_plain,
    it_stands_in_the_top_directory,
    it_is_there_once,
    nothing_leads_through_a_link,
    its_link_stays_inside,
    its_mode_is_ordinary,
)
