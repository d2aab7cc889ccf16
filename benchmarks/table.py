"""Prints figures in columns."""

from collections.abc import Sequence


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* below *head*: the first column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        first, *figures = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *figures]), flush=True)
    print(flush=True)


def heading(title: str, *lines: str) -> None:
    """Print *title* and what the reader must know about the figures below it."""
    print(f"{title}\n{'=' * len(title)}")
    for line in lines:
        print(line)
    print(flush=True)
