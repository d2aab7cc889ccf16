"""`release-service import`: an existing download.gnome.org tree becomes the service's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from release_service.archive.inspector import Inspector
from release_service.authorize.stewards import shell_user
from release_service.cli.database import login, service
from release_service.cli.import_report import Json, Lines, Report, Total, show
from release_service.importing import Importer
from release_service.importing.directory import Directory
from release_service.importing.source import Source
from release_service.importing.website import Website
from release_service.settings import Settings

_JOBS, _MOST_JOBS = 8, 24


def command(
    tree: Annotated[
        str, typer.Argument(metavar="DIR|URL", help="What has sources/: a directory, or a tree over HTTP.")
    ],
    *,
    jobs: Annotated[int, typer.Option(min=1, max=_MOST_JOBS, help="How many files are brought at once.")] = _JOBS,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Read and check everything; import nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Import an old tree: every path and byte of its modules, checksums verified, problems named.

    It may be interrupted, and run again: what is there and unchanged is not even read. The old tree is only read.

    Exit status: 0 no problems, 1 problems, 4 the tree, the store or the database did not answer: run it again.
    """
    with service() as built, _source(tree, jobs) as source:
        importer = Importer(built, source, Inspector(Settings().archive_limits()), shell_user(login()), jobs)
        report: Report = Json() if as_json else Lines()
        total = Total(source.origin)
        try:
            for outcome in importer.examine() if report_only else importer.bring():
                total.add(outcome)
                report.outcome(outcome)
                show(total)
            total.is_complete = True
        finally:
            report.end(total)
    raise typer.Exit(1 if total.problems else 0)


@contextmanager
def _source(tree: str, jobs: int) -> Iterator[Source]:
    is_url = tree.startswith(("http://", "https://"))
    source: Source = Website(tree, jobs) if is_url else Directory(Path(tree))
    try:
        yield source
    finally:
        source.close()
