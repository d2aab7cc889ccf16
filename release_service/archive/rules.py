"""What a member of a release archive must be (CONTRACT.md 3): one rule a function, in order.

Each rule takes the member and what went before it, and raises BadArchive with the rule's class.
What depends on the members round it is judged where it is placed, in `tree`.
"""

import posixpath
import time

from release_service.archive import Limits
from release_service.archive.tar import Kind, Member
from release_service.archive.tree import Node, Tree
from release_service.errors import BadArchive, shown

_SET_ID = 0o6000
_STICKY = 0o1000
_WORLD_WRITABLE = 0o002
_READABLE = 0o400
# What a plain header has room for, with the slash of a directory.
_SHORT_NAME_BYTES = 99
_SHORT_TARGET_BYTES = 100
_MOST_WARNINGS = 100


class Contents:
    """What the archive has held so far, and what was odd about it."""

    def __init__(self, top: str, limits: Limits) -> None:
        """Begin empty; *top* is the one top directory that is allowed."""
        self.top = top
        self.below = f"{top}/"
        self.limits = limits
        self.count = 0
        self.names_bytes = 0
        self.latest_mtime = time.time() + limits.mtime_ahead_s
        self.tree = Tree(top, limits, self.warn)
        self._warnings: list[str] = []
        self._unsaid = 0

    def admit(self, member: Member) -> Node:
        """Judge *member* by every rule, then remember it."""
        for rule in RULES:
            rule(member, self)
        node = self.tree.place(member)
        self.count += 1
        return node

    def finish(self) -> None:
        """Judge what only the whole archive shows."""
        if self.count == 0:
            raise BadArchive("TOPDIR", f"The archive is empty: there is no {self.top}/ in it.")
        self.tree.follow_links()

    def warn(self, sentence: str) -> None:
        """Keep what is odd but no reason to refuse."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(sentence)
        else:
            self._unsaid += 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """The first hundred of what was odd, and how many more there are."""
        return (*self._warnings, *([f"and {self._unsaid} more like these"] if self._unsaid else []))


def there_are_not_too_many(member: Member, contents: Contents) -> None:
    """At most so many members, and so many bytes of names and targets together."""
    if contents.count >= contents.limits.members:
        raise BadArchive("BOMB_COUNT", f"The archive has more than {contents.limits.members} members.")
    contents.names_bytes += _bytes(member.path) + _bytes(member.target)
    if contents.names_bytes > contents.limits.names_bytes:
        raise BadArchive("BOMB_HEADER", f"The members' names are longer than {contents.limits.names_bytes} bytes.")


def its_name_is_plain(member: Member, contents: Contents) -> None:
    """Its path is relative, without control characters, backslashes, ``..`` and what else has two readings."""
    name, path = member.name, member.path
    if name.startswith("/"):
        raise BadArchive("PATH_ABS", f"{shown(name)!r} is an absolute path.")
    if not name.isprintable():
        raise BadArchive("PATH_CTRL", f"{shown(name)!r} holds a character that cannot be shown.")
    if "\\" in name:
        raise BadArchive("PATH", f"{shown(name)!r} holds a backslash.")
    parts = path.split("/")
    if ".." in parts:
        raise BadArchive("PATH_DOTDOT", f"{shown(name)!r} leads upwards.")
    limits = contents.limits
    if max(_bytes(path), _bytes(member.target)) > limits.path_bytes or len(parts) > limits.path_depth:
        raise BadArchive("PATH_LEN", f"{shown(name)!r} or where it leads is too long or too deep.")
    if parts[0] == contents.top and ("" in parts or "." in parts):
        raise BadArchive("PATH", f"{shown(name)!r} can be written in a shorter way.")


def it_stands_in_the_top_directory(member: Member, contents: Contents) -> None:
    """Exactly one top directory, named as the release; a leading ``./`` is another name."""
    if member.path.startswith(contents.below):
        return
    if member.path != contents.top:
        raise BadArchive("TOPDIR", f"{shown(member.name)!r} is not in {contents.top}/, the one directory allowed.")
    if member.kind is not Kind.DIRECTORY:
        raise BadArchive("TOPDIR", f"{contents.top} is a {member.kind}, not a directory.")


def its_link_stays_inside(member: Member, contents: Contents) -> None:
    """Links lead to members of this archive: symbolic ones anywhere inside, hard ones to what came before."""
    if member.kind is Kind.SYMLINK:
        start = posixpath.dirname(member.path)
    elif member.kind is Kind.HARDLINK:
        start = ""
    else:
        return
    its_target_is_plain(member)
    if member.target.startswith("/"):
        raise BadArchive("LINK_ABS", f"{shown(member.name)!r} leads to the absolute path {shown(member.target)!r}.")
    reached = posixpath.normpath(posixpath.join(start, member.target)).split("/")[0]
    if reached == ".." or (start and reached != contents.top):
        raise BadArchive("LINK_ESCAPE", f"{shown(member.name)!r} leads out of the archive: {shown(member.target)!r}.")
    if member.kind is Kind.HARDLINK:
        before = contents.tree.find(member.target)
        if before is None or before.kind not in {Kind.FILE, Kind.HARDLINK}:
            raise BadArchive("LINK_MISSING", f"{shown(member.name)!r} is a hard link to nothing before it.")


def its_target_is_plain(member: Member) -> None:
    """Refuse a link whose target is not written as plainly as a name, or says nothing."""
    if not member.target:
        raise BadArchive("LINK_MISSING", f"{shown(member.name)!r} is a link to nothing at all.")
    if not member.target.isprintable():
        raise BadArchive("PATH_CTRL", f"{shown(member.name)!r} leads to what cannot be shown.")
    if "\\" in member.target:
        raise BadArchive("PATH", f"{shown(member.name)!r} leads to a path with a backslash.")


def its_names_agree(member: Member, _contents: Contents) -> None:
    """No extended header gives another name than the plain header, where that has room for the name.

    Where it has none, writers put there what they like: git-archive an object's id, others the beginning.
    """
    name, target = member.name, member.target
    if name is not member.short_name and not name.startswith(member.short_name) and _leads_out(member.short_name):
        raise BadArchive("PAX_PATH", f"{shown(name)!r} leads out of the archive for readers without extensions.")
    if target is not member.short_target and member.short_target.startswith("/"):
        raise BadArchive("PAX_PATH", f"{shown(name)!r} leads to an absolute path for readers without extensions.")
    if (
        name is not member.short_name
        and _fits(member.path, _SHORT_NAME_BYTES)
        and member.short_name.rstrip("/") != member.path
    ):
        raise BadArchive("PAX_PATH", f"{shown(name)!r} has another name for readers without extensions.")
    if target is not member.short_target and _fits(target, _SHORT_TARGET_BYTES) and member.short_target != target:
        raise BadArchive("PAX_PATH", f"{shown(name)!r} leads elsewhere for readers without extensions.")


def its_mode_is_ordinary(member: Member, _contents: Contents) -> None:
    """No set-id, no sticky file, nothing that everybody may write or its owner may not read."""
    if member.kind is Kind.SYMLINK:
        return
    refused = _SET_ID | _WORLD_WRITABLE | (0 if member.kind is Kind.DIRECTORY else _STICKY)
    if member.mode & refused or not member.mode & _READABLE:
        raise BadArchive("MODE", f"{shown(member.name)!r} has mode {member.mode & 0o7777:04o}.")


def its_time_has_come(member: Member, contents: Contents) -> None:
    """No time of change far in the future: builds would wait for it; a clock may be a little ahead."""
    if member.mtime > contents.latest_mtime:
        raise BadArchive("META", f"{shown(member.name)!r} was changed in the far future, it says.")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _fits(text: str, room: int) -> bool:
    return text.isascii() and len(text) <= room


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")


# Cheap before costly, and the name is plain before anything is computed from it.
RULES = (
    there_are_not_too_many,
    its_name_is_plain,
    it_stands_in_the_top_directory,
    its_link_stays_inside,
    its_names_agree,
    its_mode_is_ordinary,
    its_time_has_come,
)
