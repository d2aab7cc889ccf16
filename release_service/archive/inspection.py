"""The one pass over a tarball: decompress, read headers, judge, hash each member, keep NEWS and ChangeLog."""

import hashlib
from io import BytesIO

from release_service.archive import Inspection, Limits
from release_service.archive.compression import Expansion, Read
from release_service.archive.rules import Contents
from release_service.archive.tar import Kind, Member, Reader
from release_service.archive.tree import Node

# The files whose news is published beside the tarball (CONTRACT.md 4).
TEXTS = ("NEWS", "ChangeLog")

_EXECUTABLE = 0o100


def inspect(read: Read, compression: str, top: str, limits: Limits) -> Inspection:
    """Return what the archive holds, or raise BadArchive at the first rule that it breaks.

    *read* returns the next piece of the compressed file, b"" at its end; *top* is the only top
    directory allowed, ``<module>-<version>``.
    """
    expansion = Expansion(compression, read, limits)
    reader = Reader(iter(expansion), limits)
    contents = Contents(top, limits)
    texts: dict[str, bytes] = {}
    listing = BytesIO()
    for member in reader:
        node = contents.admit(member)
        if member.kind is Kind.FILE:
            text = _text(reader, member, contents)
            if text is None:
                node.content = reader.digest()
            else:
                texts[member.path.removeprefix(contents.below)] = text
                node.content = hashlib.sha256(text).hexdigest()
        elif member.kind is Kind.HARDLINK:
            before = contents.tree.find(member.target)
            node.content = before.content if before is not None else ""
        listing.write(line(member, node))
    reader.finish()
    contents.finish()
    return Inspection(contents.count, expansion.expanded_bytes, contents.warnings, texts, listing.getvalue())


def line(member: Member, node: Node) -> bytes:
    """Return what the listing says of a member: git's mode, the SHA-256, two spaces, the path.

    As in git, a symbolic link's content is its target, and a directory is nothing by itself: so the
    listing can be compared with the tag's tree.
    """
    if member.kind is Kind.DIRECTORY:
        return b""
    if member.kind is Kind.SYMLINK:
        return f"120000 {hashlib.sha256(node.content.encode()).hexdigest()}  {member.path}\n".encode()
    mode = "100755" if member.mode & _EXECUTABLE else "100644"
    return f"{mode} {node.content}  {member.path}\n".encode()


def _text(reader: Reader, member: Member, contents: Contents) -> bytes | None:
    """Return the content of NEWS and ChangeLog, None of other files."""
    base = member.path.removeprefix(contents.below)
    if base not in TEXTS:
        return None
    limit = contents.limits.text_bytes
    text = reader.read(limit)
    if text is None:
        contents.warn(f"{base} is longer than {limit} bytes: its news is not published")
    return text
