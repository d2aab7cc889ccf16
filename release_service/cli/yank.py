"""`release-service yank` and `quarantine`: a release that nobody should use, or that nobody may have."""

from typing import Annotated

import typer

from release_service import paths, quarantine, yank
from release_service.authorize.stewards import operator
from release_service.cli.database import login, service
from release_service.errors import shown
from release_service.settings import Settings
from release_service.yank import Changed, Reason

Module = Annotated[str, typer.Argument(help="The module, as its tarballs are called: gtk.")]
Version = Annotated[str, typer.Argument(help="The version, as in 4.18.1.")]
Why = Annotated[str, typer.Option("--reason", help="Why; everybody can read it.")]


def yank_command(
    module: Module,
    version: Version,
    reason: Why,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Offer it again.")] = False,
) -> None:
    """Offer a release to no program any more: out of cache.json and LATEST-IS.  Its files stay."""
    with service() as built:
        change = yank.unyank if undo else yank.yank
        made = change(built, operator(login(), module), version, Reason.parse(reason))
    typer.echo(f"{module} {version}: {_state(made)}.")


def quarantine_command(
    module: Module,
    version: Version,
    reason: Why,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a release's files from the store, for ever; nothing is published under its name again.

    Prints their URLs: what a CDN or a mirror has of them is not removed from there.
    """
    with service() as built:
        why = Reason.parse(reason)
        if not yes:
            typer.confirm(f"Nobody will be able to download {shown(module)} {shown(version)} again. Go on?", abort=True)
        made = yank.quarantine(built, operator(login(), module), version, why)
    again = "" if made.is_new else " already; its files are not there"
    typer.echo(f"{module} {version}: quarantined{again}.")
    for key in quarantine.files(made.release):
        typer.echo(paths.public_url(Settings().public_url, key))


def _state(made: Changed) -> str:
    again = "" if made.is_new else " already"
    if made.release.yanked_at is None:
        return f"not yanked{again or ' any more'}"
    return f"yanked{again}: {shown(made.release.yank_reason, 500)}"
