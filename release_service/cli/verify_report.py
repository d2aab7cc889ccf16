"""The report of `release-service verify`, as lines or JSON; and on a terminal, how far it is."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import typer

from release_service.cli.verify_progress import Earlier, Tally
from release_service.errors import shown
from release_service.verify import Content, Finding

_SHOWN_EVERY_S = 0.2
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a verification of *scope* ended: what was read, what waits to be written, and whether that is all."""

    scope: str
    tally: Tally
    earlier: Earlier | None
    pending: Sequence[str]
    complete: bool


class Report(Protocol):
    """What is printed: each finding as it is found, so that a long report takes no memory."""

    def finding(self, found: Finding) -> None:
        """Tell of one object."""
        ...

    def end(self, ending: Ending) -> None:
        """Tell how it ended."""
        ...


class Lines:
    """A line a finding, then one that counts."""

    def finding(self, found: Finding) -> None:
        """Print the kind, the key, and what is wrong."""
        kind = found.kind.value.replace("_", " ")
        typer.echo(f"{kind}: {shown(found.key, 400)}{in_words(found)}")

    def end(self, ending: Ending) -> None:
        """Print what was not read, then the sum."""
        for one in ending.pending:
            typer.echo(f"not compared: the indexes of {one} are promised and not yet written")
        if (earlier := ending.earlier) is not None:
            read = f"read between {earlier.started} and {earlier.until}, and not again"
            typer.echo(f"resumed: the releases up to {shown(earlier.last)} were {read}")
        typer.echo(f"{ending.tally}{'' if ending.complete else '; NOT COMPLETE'}")


class Json:
    """One JSON object, written as it comes."""

    def __init__(self) -> None:
        """Open it."""
        self._separator = ""
        typer.echo('{"findings": [', nl=False)

    def finding(self, found: Finding) -> None:
        """Print the finding as an object."""
        typer.echo(f"{self._separator}\n  {json.dumps(asdict(found))}", nl=False)
        self._separator = ","

    def end(self, ending: Ending) -> None:
        """Close it; `found` counts the findings of earlier runs, too, that this one goes on from."""
        tally = ending.tally
        said = {
            "scope": ending.scope,
            "releases": tally.releases,
            "objects": tally.objects,
            "bytes": tally.bytes,
            "found": tally.findings,
            "resumed": asdict(ending.earlier) if ending.earlier else None,
            "pending": ending.pending,
            "complete": ending.complete,
        }
        typer.echo(f"\n], {json.dumps(said)[1:]}")


class Progress:
    """One line on a terminal's standard error that says how far a command is; nothing elsewhere."""

    def __init__(self) -> None:
        """Look whether there is a terminal."""
        self._is_on = sys.stderr.isatty()
        self._at = 0.0

    def show(self, line: object) -> None:
        """Show how far it is, a few times a second."""
        if self._is_on and time.monotonic() - self._at > _SHOWN_EVERY_S:
            typer.echo(f"{_CLEAR}{line}", err=True, nl=False)
            self._at = time.monotonic()

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        self.clear()
        typer.echo(line)

    def clear(self) -> None:
        """Make room for what is printed."""
        if self._is_on:
            typer.echo(_CLEAR, err=True, nl=False)


def in_words(finding: Finding) -> str:
    """Return what was expected and found, as far as it is known."""
    expected, found = finding.expected, finding.found
    if expected is None:
        return ""
    return f": expected {_content(expected)}" + (f", found {_content(found)}" if found else "")


def _content(content: Content) -> str:
    return f"{content.size} bytes with SHA-256 {content.sha256}"
