"""`release-service rebuild`: an empty database, filled from the bucket."""

from typing import Annotated

import typer

from release_service.cli.database import service
from release_service.cli.reconcile import adopting
from release_service.cli.verify_report import Progress
from release_service.errors import shown
from release_service.repair.rebuild import rebuild

_JOBS = 4
_MOST_JOBS = 16


def command(
    jobs: Annotated[int, typer.Option(min=1, max=_MOST_JOBS, help="How many tarballs are looked at at once.")] = _JOBS,
) -> None:
    """Fill an empty, migrated database from the bucket's release.json files; the last resort.

    Each is held against all that lies beside it: the tarball is read whole and inspected again, the signature is
    verified. Rights, keys' owners, tokens and the audit are not in the bucket: if there is a copy of the database,
    restore that. Uploads must be switched off. A run that was interrupted is ended by: reconcile --all --fix.

    Exit status: 0 all are in the database, 1 some were left out, 3 refused, 4 store or database did not answer.
    """
    done = left = 0
    screen = Progress()
    with service() as built, adopting(built) as adopter:
        for one in rebuild(adopter, jobs):
            done += not one.why
            if one.why:
                left += 1
                screen.tell(f"left out: {shown(one.key, 400)}: {shown(one.why, 400)}")
            screen.show(f"{done} releases")
    screen.clear()
    typer.echo(f"{done} releases, {left} left out")
    raise typer.Exit(1 if left else 0)
