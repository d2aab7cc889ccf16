"""`release-service reindex`: every index anew from the rows."""

from typing import Annotated

import typer

from release_service.cli.database import service
from release_service.cli.verify_report import Progress
from release_service.errors import shown
from release_service.repair import reindex

_JOBS = 4
_MOST_JOBS = 16


def command(
    modules: Annotated[list[str] | None, typer.Argument(help="The modules; or see --all.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every module that has published.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=_MOST_JOBS, help="How many modules at once.")] = _JOBS,
) -> None:
    """Write keyrings, LATEST-IS, HTML, cache.json and release.json anew from the database, where they differ.

    What is right is not written again. An index that would lose a version, or a release.json that tells
    more than the database, is left alone, and its module is named.

    Exit status: 0 all are right now, 1 modules were left alone, 4 store or database did not answer.
    """
    if everything == bool(modules):
        raise typer.BadParameter("name modules, or say --all")
    objects = written = refused = done = 0
    with service() as built:
        names = reindex.modules(built, modules or [])
        screen = Progress()
        for one in reindex.reindex(built, names, jobs):
            done, objects, written = done + 1, objects + one.objects, written + len(one.written)
            if one.refused:
                refused += 1
                screen.tell(f"left alone: {one.module}: {shown(one.refused, 400)}")
            screen.show(f"{done} of {len(names) + 1} directories, {written} objects written")
        screen.clear()
    typer.echo(f"{len(names)} modules, {objects} objects, {written} written, {refused} left alone")
    raise typer.Exit(1 if refused else 0)
