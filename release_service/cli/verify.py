"""`release-service verify`: is the store what the database says?"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

import typer

from release_service import verify
from release_service.cli.database import service
from release_service.cli.verify_progress import Saved, Subject, Tally
from release_service.cli.verify_report import Ending, Json, Lines, Progress, Report
from release_service.publish import Service
from release_service.settings import Settings
from release_service.verify import Finding, Scope

_JOBS = 8
_MOST_JOBS = 32  # as many connections as the store keeps


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

    Tarballs by the size and SHA-256 of their bytes, what stands beside them and the indexes byte for byte.
    What no release and no index explains is named, too; with --all, wherever it lies in the store.

    Exit status: 0 nothing found, 1 findings, 4 store or database did not answer.
    """
    if everything == (module is not None):
        raise typer.BadParameter("name a module, or say --all")
    scope = Scope(module, version)
    saved = Saved(resume, Subject.of(Settings(), scope))
    with service() as built:
        total, screen = verify.count(built.transactions, scope), Progress()
        with _Run(scope, saved, (screen, total), Json() if as_json else Lines()) as run:
            run.releases(built, jobs)
            run.everything_else(built, jobs)
    raise typer.Exit(1 if run.tally.findings else 0)


class _Run:
    """One run: whatever ends it, its report and its progress are finished."""

    def __init__(self, scope: Scope, saved: Saved, screen: tuple[Progress, int], report: Report) -> None:
        self._scope, self._saved, self._report = scope, saved, report
        self._screen, self._total = screen
        self.tally: Tally = saved.tally
        self._pending: list[str] = []

    def __enter__(self) -> Self:
        return self

    def releases(self, built: Service, jobs: int) -> None:
        """Verify the releases that no earlier run has."""
        for one in verify.published(built.transactions, built.store, self._scope, self.tally.after, jobs):
            self.tally.add(one)
            self._tell(one.findings)
            self._saved.save()
            self._screen.show(f"{self.tally} (of {self._total} releases)")

    def everything_else(self, built: Service, jobs: int) -> None:
        """Verify the indexes, and look for foreign files: anew in each run, so that this is not saved."""
        self.tally = replace(self._saved.tally)
        moment = built.moment()
        for one in verify.indexes(built.transactions, built.store, self._scope, moment, jobs):
            self.tally.count(one)
            self._tell(one.findings)
            self._pending += filter(None, [one.pending])
            self._screen.show(f"{self.tally} (of {self._total} releases)")
        for found in verify.foreign(built.transactions, built.store, self._scope):
            self.tally.findings += 1
            self._tell([found])

    def _tell(self, findings: Sequence[Finding]) -> None:
        if findings:
            self._screen.clear()
        for found in findings:
            self._report.finding(found)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._screen.clear()
        if kind is None:
            self._saved.end()
        else:
            self._saved.save(at_once=True)
        complete = kind is None
        self._report.end(Ending(str(self._scope), self.tally, self._saved.earlier, self._pending, complete))
