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
    encoding is the module's own.  Never takes more than a few times the memory of its arguments.
    """
    if previous is None:
        return current
    same = _common_end(previous, current)
    old, new = previous[: len(previous) - same], current[: len(current) - same]
    # For a file that grows at its top nothing of the old one is left.
    block = _first_block(_lines(old), _lines(new)) if old else new
    return block if block.count(b"\n", 0, -1) + 1 > _TOO_SHORT_LINES else None


def _common_end(old: bytes, new: bytes) -> int:
    """Return how many bytes both end with, counted from the beginning of a line in both."""
    ours, theirs = memoryview(old), memoryview(new)
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if ours[len(old) - middle :] == theirs[len(new) - middle :]:
            low = middle
        else:
            high = middle - 1
    if _begins_line(old, len(old) - low) and _begins_line(new, len(new) - low):
        return low
    after = old.find(b"\n", len(old) - low)
    return 0 if after < 0 else len(old) - after - 1


def _begins_line(text: bytes, at: int) -> bool:
    return at == 0 or text[at - 1 : at] == b"\n"


def _lines(text: bytes) -> list[bytes]:
    """Return the first lines of *text*, each with its end."""
    pieces = text.split(b"\n", _COMPARED_LINES)
    lines = [piece + b"\n" for piece in pieces[:-1]]
    return lines if len(lines) == _COMPARED_LINES or not pieces[-1] else [*lines, pieces[-1]]


def _first_block(old: list[bytes], new: list[bytes]) -> bytes:
    for tag, _, _, start, end in SequenceMatcher(None, old, new).get_opcodes():
        if tag in {"insert", "replace"}:
            return b"".join(new[start:end])
    return b""
