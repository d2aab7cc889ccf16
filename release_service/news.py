"""What is new in a NEWS or ChangeLog file, compared with the previous version's (CONTRACT.md 4)."""

from difflib import SequenceMatcher

# The old tool kept a block only if it says something.
_TOO_SHORT_LINES = 2
# difflib is quadratic in the worst case, and what is new stands at the top.
_COMPARED_LINES = 4000


def new_block(previous: bytes | None, current: bytes) -> bytes | None:
    """Return the first inserted or replaced block of new lines.

    The whole of *current* when there is nothing to compare with (*previous* is None).  None when
    nothing is new, or when the block has no more than two lines.  Bytes in, bytes out: the
    encoding is the module's own.
    """
    if previous is None:
        return current
    old, new = previous.splitlines(keepends=True), current.splitlines(keepends=True)
    block = _first_block(*_without_common_end(old, new))
    return b"".join(block) if len(block) > _TOO_SHORT_LINES else None


def _without_common_end(old: list[bytes], new: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Cut off what both end with: for a file that grows at its top that leaves *old* empty."""
    same = 0
    while same < min(len(old), len(new)) and old[-1 - same] == new[-1 - same]:
        same += 1
    return old[: len(old) - same], new[: len(new) - same]


def _first_block(old: list[bytes], new: list[bytes]) -> list[bytes]:
    if not old:
        return new
    matcher = SequenceMatcher(None, old[:_COMPARED_LINES], new[:_COMPARED_LINES])
    for tag, _, _, start, end in matcher.get_opcodes():
        if tag in {"insert", "replace"}:
            return new[start:end]
    return []
