"""The report of `release-service import`, as lines or JSON: problems as they are found, then the sum."""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Protocol

import typer

from release_service.errors import shown
from release_service.importing import Outcome
from release_service.importing.problems import MEANINGS


@dataclass(slots=True)
class Total:
    """How far an import from *origin* is."""

    origin: str
    modules: int = 0
    releases: int = 0
    files: int = 0
    bytes: int = 0
    as_before: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    is_complete: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count a module."""
        self.modules += bool(outcome.module)
        self.releases += outcome.releases
        self.files += outcome.files
        self.bytes += outcome.bytes
        self.as_before += outcome.as_before
        self.problems.update(problem.kind.value for problem in outcome.problems)

    def __str__(self) -> str:
        """Return the line that says how far it is."""
        return (
            f"{self.modules} modules: {self.releases} releases, {self.files} files, {self.bytes / 1e6:.1f} MB are new; "
            f"{self.as_before} files are as before"
        )


class Report(Protocol):
    """What is printed: each problem as it is found, so that a long report takes no memory."""

    def outcome(self, outcome: Outcome) -> None:
        """Tell of one module."""
        ...

    def end(self, total: Total) -> None:
        """Tell how it ended."""
        ...


def show(total: Total) -> None:
    """Show on a terminal's standard error how far it is, until something else is printed; nothing elsewhere."""
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{total}\r", err=True, nl=False)


class Lines:
    """A line a problem, then what was brought, and how many problems of which kind there are."""

    def outcome(self, outcome: Outcome) -> None:
        """Print the kind, the path, and what is wrong."""
        for problem in outcome.problems:
            detail = f": {shown(problem.detail, 300)}" if problem.detail else ""
            typer.echo(f"{problem.kind.value.replace('_', ' ')}: {shown(problem.path, 400)}{detail}")

    def end(self, total: Total) -> None:
        """Print the sum."""
        typer.echo(f"\n{total}{'' if total.is_complete else '; NOT COMPLETE'}")
        for kind, meaning in MEANINGS.items():
            if count := total.problems[kind.value]:
                typer.echo(f"{count:>7}  {kind.value.replace('_', ' '):<20} {meaning}")
        if total.is_complete and not total.problems:
            typer.echo("No problems.")


class Json:
    """One JSON object, written as it comes."""

    def __init__(self) -> None:
        """Open it."""
        self._separator = ""
        typer.echo('{"problems": [', nl=False)

    def outcome(self, outcome: Outcome) -> None:
        """Print each problem as an object."""
        for problem in outcome.problems:
            told = {name: shown(value, 600) for name, value in asdict(problem).items()}
            typer.echo(f"{self._separator}\n  {json.dumps(told)}", nl=False)
            self._separator = ","

    def end(self, total: Total) -> None:
        """Close it."""
        said = {
            "origin": total.origin,
            "modules": total.modules,
            "releases": total.releases,
            "files": total.files,
            "bytes": total.bytes,
            "as_before": total.as_before,
            "found": dict(sorted(total.problems.items())),
            "complete": total.is_complete,
        }
        typer.echo(f"\n], {json.dumps(said)[1:]}")
