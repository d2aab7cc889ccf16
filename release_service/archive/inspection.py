"""The one pass over a tarball: decompress, read headers, judge, keep NEWS and ChangeLog."""

from release_service.archive import Inspection, Limits
from release_service.archive.compression import Expansion, Read
from release_service.archive.rules import Contents
from release_service.archive.tar import Kind, Reader
from release_service.errors import BadArchive

# The files whose news is published beside the tarball (CONTRACT.md 4).
TEXTS = ("NEWS", "ChangeLog")


def inspect(read: Read, compression: str, top: str, limits: Limits) -> Inspection:
    """Return what the archive holds, or raise BadArchive at the first rule that it breaks.

    *read* returns the next piece of the compressed file, b"" at its end; *top* is the only top
    directory allowed, ``<module>-<version>``.
    """
    expansion = Expansion(compression, read, limits)
    reader = Reader(iter(expansion), limits)
    contents = Contents(top, limits)
    texts: dict[str, bytes] = {}
    for member in reader:
        contents.admit(member)
        base = member.name.removeprefix(f"{top}/")
        if base in TEXTS and member.kind is Kind.FILE:
            text = reader.read(limits.text_bytes)
            if text is None:
                contents.warnings.append(f"{base} is longer than {limits.text_bytes} bytes: its news is not published")
            else:
                texts[base] = text
    reader.finish()
    contents.finish()
    if contents.count == 0:
        raise BadArchive("TOPDIR", f"The archive is empty: there is no {top}/ in it.")
    return Inspection(contents.count, expansion.expanded_bytes, tuple(contents.warnings), texts)
