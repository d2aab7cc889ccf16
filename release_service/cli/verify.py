"""`release-service verify`: is the store what the database says?  The report, and how an interrupted run goes on."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer

from release_service import verify
from release_service.cli.database import service
from release_service.db.releases import Place
from release_service.errors import shown
from release_service.verify import Content, Finding, Scope, Verified

_JOBS = 8
_MOST_JOBS = 32  # as many connections as the store keeps
_SAVED_EVERY_S = 1.0
_SHOWN_EVERY_S = 0.2
_CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class Tally:
    """How far a verification is: what its progress file holds."""

    scope: str
    after: Place = verify.BEGINNING
    releases: int = 0
    objects: int = 0
    bytes: int = 0
    findings: int = 0
    foreign: int = 0

    @property
    def found(self) -> int:
        """How many objects are not as they should be, or should not be."""
        return self.findings + self.foreign

    def add(self, verified: Verified) -> None:
        """Count a release."""
        self.after = verified.place
        self.releases += 1
        self.objects += verified.objects
        self.bytes += verified.size
        self.findings += len(verified.findings)

    def __str__(self) -> str:
        """Return the line that says how much was read."""
        found = "1 finding" if self.found == 1 else f"{self.found} findings"
        return f"{self.releases} releases, {self.objects} objects, {self.bytes / 1e6:.1f} MB read, {found}"


class Saved:
    """The progress file: written while the verification goes on, removed when it has come to its end."""

    def __init__(self, path: Path | None, scope: Scope) -> None:
        """Read *path*, if it is there; what it holds must be of the same *scope*."""
        self._path = path
        self._at = 0.0
        self.tally = Tally(str(scope))
        if path is not None and path.exists():
            self.tally = self._read(path, scope)

    @staticmethod
    def _read(path: Path, scope: Scope) -> Tally:
        try:
            found = Tally(**json.loads(path.read_bytes()))
            found.after = (int(found.after[0]), str(found.after[1]))
        except (ValueError, TypeError, IndexError):
            raise typer.BadParameter(f"{path} is no progress of a verification") from None
        if found.scope != str(scope):
            raise typer.BadParameter(f"{path} is the progress of: verify {found.scope}")
        return found

    def save(self, *, at_once: bool = False) -> None:
        """Write it, whole or not at all; not more often than once a second."""
        if self._path is None or (not at_once and time.monotonic() - self._at < _SAVED_EVERY_S):
            return
        # Foreign files are looked for anew each time: their listing is quick, and a part of it proves nothing.
        new = self._path.with_name(f".{self._path.name}.new")
        new.write_text(json.dumps(asdict(self.tally) | {"foreign": 0}) + "\n", encoding="utf-8")
        new.replace(self._path)
        self._at = time.monotonic()

    def end(self) -> None:
        """Remove it."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Report(Protocol):
    """What is printed: each finding as it is found, so that a long report takes no memory."""

    def finding(self, found: Finding) -> None:
        """Tell of one object."""
        ...

    def end(self, tally: Tally, *, complete: bool) -> None:
        """Tell how much was read, and whether that is all."""
        ...


class Lines:
    """A line a finding, then one that counts."""

    def finding(self, found: Finding) -> None:
        """Print the kind, the key, and what is wrong."""
        kind = found.kind.value.replace("_", " ")
        typer.echo(f"{kind}: {shown(found.key, 400)}{_difference(found)}")

    def end(self, tally: Tally, *, complete: bool) -> None:
        """Print the sum."""
        typer.echo(f"{tally}{'' if complete else '; NOT COMPLETE'}")


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

    def end(self, tally: Tally, *, complete: bool) -> None:
        """Close it; `found` counts the findings of earlier runs, too, that this one goes on from."""
        sums = {"releases": tally.releases, "objects": tally.objects, "bytes": tally.bytes, "found": tally.found}
        typer.echo(f"\n], {json.dumps({'scope': tally.scope, **sums, 'complete': complete})[1:]}")


class Screen:
    """One line on a terminal's standard error that says how far it is; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        """Count up to *total* releases."""
        self._total = total
        self._is_on = sys.stderr.isatty()
        self._at = 0.0

    def show(self, tally: Tally) -> None:
        """Show how far it is, a few times a second."""
        if self._is_on and time.monotonic() - self._at > _SHOWN_EVERY_S:
            typer.echo(f"{_CLEAR}{tally} (of {self._total} releases)", err=True, nl=False)
            self._at = time.monotonic()

    def clear(self) -> None:
        """Make room for what is printed."""
        if self._is_on:
            typer.echo(_CLEAR, err=True, nl=False)


def command(
    module: Annotated[str | None, typer.Argument(help="The module; or see --all.")] = None,
    version: Annotated[str | None, typer.Argument(help="Only this version of it.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every release of every module.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=_MOST_JOBS, help="How many objects are read at once.")] = _JOBS,
    resume: Annotated[
        Path | None, typer.Option(help="Keep the progress in this file, and go on from what it holds.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read every object of the published releases again and compare it with the database; nothing is changed.

    Tarballs by the size and SHA-256 of their bytes, what stands beside them byte for byte.
    What no release and no index explains is named, too.

    Exit status: 0 nothing found, 1 findings, 4 store or database did not answer.
    """
    if everything == (module is not None):
        raise typer.BadParameter("name a module, or say --all")
    scope = Scope(module, version)
    saved = Saved(resume, scope)
    with service() as built:
        screen = Screen(verify.count(built.transactions, scope))
        with _reported(saved, screen, as_json=as_json) as tell:
            for one in verify.published(built.transactions, built.store, scope, saved.tally.after, jobs):
                saved.tally.add(one)
                tell(one.findings)
                saved.save()
                screen.show(saved.tally)
            for found in verify.foreign(built.transactions, built.store, scope):
                saved.tally.foreign += 1
                tell([found])
    raise typer.Exit(1 if saved.tally.found else 0)


@contextmanager
def _reported(saved: Saved, screen: Screen, *, as_json: bool) -> Iterator[Callable[[Sequence[Finding]], None]]:
    """Yield what tells of findings; whatever ends the verification, the report and the progress are finished."""
    report: Report = Json() if as_json else Lines()

    def tell(findings: Sequence[Finding]) -> None:
        if findings:
            screen.clear()
        for found in findings:
            report.finding(found)

    complete = False
    try:
        yield tell
        complete = True
    finally:
        screen.clear()
        if complete:
            saved.end()
        else:
            saved.save(at_once=True)
        report.end(saved.tally, complete=complete)


def _difference(finding: Finding) -> str:
    expected, found = finding.expected, finding.found
    if expected is None:
        return ""
    return f": expected {_in_words(expected)}" + (f", found {_in_words(found)}" if found else "")


def _in_words(content: Content) -> str:
    return f"{content.size} bytes with SHA-256 {content.sha256}"
