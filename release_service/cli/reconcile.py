"""`release-service reconcile`: do database, store and indexes agree, and what can be done about it?"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer

from release_service.archive.inspector import WholeFiles
from release_service.authorize.stewards import shell_user
from release_service.cli.database import login, service
from release_service.cli.verify_report import Progress, in_words
from release_service.errors import shown
from release_service.publish import Service
from release_service.repair.adoption import Adopter
from release_service.repair.mending import Mender
from release_service.repair.reconcile import Difference, Reconciled, reconcile
from release_service.settings import Settings

_JOBS = 4
_MOST_JOBS = 16


def command(
    modules: Annotated[list[str] | None, typer.Argument(help="The modules; or see --all.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="The whole store.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be; each act is written down.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=_MOST_JOBS, help="How many modules at once.")] = _JOBS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare the database with the store's listing and with small files; tarballs by their size (see verify).

    --fix writes again what is missing and the database holds, and indexes that are wrong; with uploads switched off it
    adopts releases of which only the bucket tells. Nothing that is written once is ever overwritten or deleted.

    Exit status: 0 nothing is left, 1 findings are left, 3 nobody knows a module, 4 store or database did not answer.
    """
    if everything == bool(modules):
        raise typer.BadParameter("name modules, or say --all")
    with service() as built, adopting(built) as adopter:
        mender = Mender(adopter) if fix else None
        run = _Run(Progress(), as_json=as_json)
        for one in reconcile(built, modules or [], mender, jobs):
            run.add(one)
        run.end()
    raise typer.Exit(1 if run.left else 0)


@contextmanager
def adopting(built: Service) -> Iterator[Adopter]:
    """Yield what adopts releases as who types, under the limits of today's settings."""
    with closing(WholeFiles(Settings().archive_limits())) as inspector:
        yield Adopter(built, shell_user(login()), inspector)


@dataclass(slots=True)
class _Run:
    """Prints each difference as it is found, and counts."""

    screen: Progress
    as_json: bool
    objects: int = 0
    mended: int = 0
    left: int = 0
    pending: list[str] = field(default_factory=list)
    separator: str = '{"findings": ['

    def add(self, one: Reconciled) -> None:
        """Tell of a directory."""
        self.objects += one.objects
        self.pending += filter(None, [one.pending])
        for difference in one.differences:
            self.mended += difference.is_mended
            self.left += not difference.is_mended
            self.screen.clear()
            self._tell(difference)
        self.screen.show(f"{one.module}: {self.objects} objects, {self.left} findings left")

    def _tell(self, difference: Difference) -> None:
        if self.as_json:
            said = asdict(difference.finding) | {"mended": difference.is_mended, "why": difference.why}
            typer.echo(f"{self.separator}\n  {json.dumps(said)}", nl=False)
            self.separator = ","
            return
        finding = difference.finding
        end = "; mended" if difference.is_mended else f"; {shown(difference.why, 400)}" if difference.why else ""
        kind = finding.kind.value.replace("_", " ")
        typer.echo(f"{kind}: {shown(finding.key, 400)}{in_words(finding)}{end}")

    def end(self) -> None:
        """Tell the sum."""
        self.screen.clear()
        if self.as_json:
            opened = self.separator if self.separator != "," else ""
            said = {"objects": self.objects, "mended": self.mended, "left": self.left, "pending": self.pending}
            typer.echo(f"{opened}\n], {json.dumps(said)[1:]}")
            return
        for one in self.pending:
            typer.echo(f"not compared: the indexes of {one} are promised and not yet written")
        typer.echo(f"{self.objects} objects, {self.mended} findings mended, {self.left} left")
