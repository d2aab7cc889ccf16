"""The tree that an archive's members make, so that each is judged by what stands round it.

A member costs the memory of its own last name, however deep it lies, and its place is found by
walking down; links are followed the same way.
"""

import unicodedata
from collections.abc import Callable
from functools import lru_cache

from release_service.archive import Limits
from release_service.archive.tar import Kind, Member
from release_service.errors import BadArchive, shown

# As Linux counts (path_resolution(7)).
_LONGEST_CHAIN = 40
_MOST_STEPS = 4_000_000


class Node:
    """A member, or a directory that is there because something is in it.

    `content` is the digest of a file, the target of a symbolic link; `is_member`: not only there for
    what is in it.
    """

    __slots__ = ("children", "content", "folded", "is_member", "kind", "name", "parent")

    def __init__(self, name: str, kind: Kind, parent: "Node | None") -> None:
        """Stand below *parent*; the root has none."""
        self.name = name
        self.kind = kind
        self.parent = parent
        self.content = ""
        self.is_member = False
        self.children: dict[str, Node] | None = None
        self.folded: set[str] | None = None

    def child(self, name: str) -> "Node | None":
        """Return what stands right below under exactly that name."""
        found = self.children.get(_normal(name)) if self.children else None
        return found if found is not None and found.name == name else None

    @property
    def path(self) -> str:
        """The whole path, from the top directory."""
        names = []
        node = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return "/".join(reversed(names))


class Tree:
    """All members so far; *warn* is told of case twins and of links to nothing."""

    def __init__(self, top: str, limits: Limits, warn: Callable[[str], None]) -> None:
        """Begin with nothing but the root above the *top* directory."""
        self._top = top
        # Directories without a member of their own are half of all at most.
        self._most = 2 * limits.members
        self._count = 0
        self._warn = warn
        self._root = Node("", Kind.DIRECTORY, None)
        self._links: list[Node] = []

    def place(self, member: Member) -> Node:
        """Put *member* where its path says, and return it; raises BadArchive (PATH_DUP, PATH_UNINORM, LINK_THROUGH)."""
        *above, last = member.path.split("/")
        node = self._root
        for part in above:
            found = self._below(node, part)
            node = self._add(node, part, Kind.DIRECTORY) if found is None else found
            if node.kind is not Kind.DIRECTORY:
                rule = "LINK_THROUGH" if node.kind is Kind.SYMLINK else "PATH_DUP"
                raise BadArchive(rule, f"{shown(member.name)!r} stands below {shown(node.path)!r}, a {node.kind}.")
        found = self._below(node, last)
        if found is None:
            found = self._add(node, last, member.kind)
        elif member.kind is Kind.SYMLINK and not found.is_member:
            raise BadArchive("LINK_THROUGH", f"{shown(member.name)!r} is a symbolic link, and a member is below it.")
        elif not found.kind is member.kind is Kind.DIRECTORY:
            raise BadArchive("PATH_DUP", f"{shown(member.name)!r} is there twice.")
        found.is_member = True
        if member.kind is Kind.SYMLINK:
            found.content = member.target
            self._links.append(found)
        return found

    def find(self, path: str) -> Node | None:
        """Return what stands under exactly this path: no link is followed, no dots are."""
        node: Node | None = self._root
        for part in path.split("/"):
            node = node.child(part) if node is not None else None
        return node

    def follow_links(self) -> None:
        """Judge where links lead that lead through other links: what only the whole tree shows."""
        steps = 0
        for link in self._links:
            reached, more = self._follow(link)
            if reached is None:
                self._warn(f"{shown(link.path)} is a symbolic link to nothing in the archive")
            steps += more
            if steps > _MOST_STEPS:
                raise BadArchive("BOMB_COUNT", "The archive's symbolic links are too many and too long to follow.")

    def _below(self, node: Node, name: str) -> Node | None:
        found = node.children.get(_normal(name)) if node.children else None
        if found is not None and found.name != name:
            # Some file systems keep one of the two.
            raise BadArchive("PATH_UNINORM", f"{shown(name)!r} is another spelling of a name that is there.")
        return found

    def _add(self, parent: Node, name: str, kind: Kind) -> Node:
        self._count += 1
        if self._count > self._most:
            raise BadArchive("BOMB_COUNT", f"The archive makes more than {self._most} files and directories.")
        node = Node(name, kind, parent)
        if parent.children is None or parent.folded is None:
            parent.children, parent.folded = {}, set()
        parent.children[_normal(name)] = node
        folded = name.casefold()
        if folded in parent.folded:
            self._warn(f"{shown(node.path)} differs from another member in upper and lower case only")
        parent.folded.add(folded)
        return node

    def _follow(self, link: Node) -> tuple[Node | None, int]:
        """Walk to where *link* ends, as a kernel would; return that (None: nothing) and how many steps it took.

        Reading the target alone is not enough: in ``link/..`` the two dots start from where the link leads.
        """
        node, missing = link.parent or self._root, 0  # so many names below *node* are not there
        ahead = link.content.split("/")[::-1]
        steps = followed = 1
        while ahead:
            steps += 1
            part = ahead.pop()
            if part == "..":
                node, missing = (node, missing - 1) if missing else (node.parent or self._root, 0)
            elif part not in {"", "."}:
                found = None if missing else node.child(part)
                if found is None:
                    missing += 1
                elif found.kind is Kind.SYMLINK:
                    followed += 1
                    if followed > _LONGEST_CHAIN:
                        raise BadArchive("LINK_LOOP", f"{shown(link.path)!r} leads from link to link without end.")
                    ahead += found.content.split("/")[::-1]
                else:
                    node = found
            if node is self._root and (missing or not ahead or ahead[-1] != self._top):
                raise BadArchive(
                    "LINK_ESCAPE", f"{shown(link.path)!r} leads out of the archive by way of another link."
                )
        return (None if missing else node), steps


def _normal(name: str) -> str:
    return name if name.isascii() else _composed(name)


@lru_cache(256)
def _composed(name: str) -> str:
    # The time grows with the square of how many marks there are on a letter: once for each name is enough.
    return unicodedata.normalize("NFC", name)
