"""`release-service follow-ups`: promises that could not be kept yet, and those that wait for a person."""

import json
from typing import Annotated

import typer

from release_service.authorize.stewards import shell_user
from release_service.cli.database import login, service
from release_service.db import audit, follow_ups, releases
from release_service.db.audit import Act
from release_service.db.tables import FollowUp
from release_service.errors import shown

app = typer.Typer(no_args_is_help=True, help="What follows a publication, and failed: look at it, try it again.")
_MOST = 2**63 - 1  # what a database counts up to
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@app.command("list")
def list_(*, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False) -> None:
    """Print every promise that has failed and is not kept; those that nobody tries any more come first.

    Exit status: 1 if a worker has given one up: a person has to look.
    """
    with service() as built, built.transactions.read() as session:
        found = [_described(one) for one in follow_ups.troubled(session)]
    for one in found:
        state = "GIVEN UP" if one["given_up"] else f"next try {one['due']}"
        line = f"{one['id']}\t{one['kind']}\t{one['release']}\t{one['tries']} tries, {state}\t{one['trouble']}"
        typer.echo(json.dumps(one) if as_json else line)
    if not found and not as_json:
        typer.echo("Every promise is kept, or on its way.")
    raise typer.Exit(1 if any(one["given_up"] for one in found) else 0)


@app.command()
def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(min=1, max=_MOST, help="Their numbers, as `list` prints them.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
) -> None:
    """Let promises be tried again at once, when what was in their way is mended."""
    if everything == bool(ids):
        raise typer.BadParameter("name some numbers, or say --all")
    with service() as built, built.transactions.begin() as session:
        again = follow_ups.try_again(session, ids)
        act = Act("follow-ups-retry", shell_user(login()), "")
        audit.record(session, act, audit.ACCEPTED, "changed", built.now(), ids=ids or "all", count=again)
    typer.echo(f"{again} {'promise is' if again == 1 else 'promises are'} tried again by the next worker.")
    raise typer.Exit(0 if again or everything else 1)


def _described(one: FollowUp) -> dict[str, str | int | None]:
    return {
        "id": one.id,
        "kind": one.kind,
        "release": str(releases.tarball_name(one.release)),
        "tries": one.tries,
        "promised": one.promised_at.strftime(_MOMENT),
        "due": one.due_at.strftime(_MOMENT) if one.due_at else None,
        "given_up": one.gave_up_at.strftime(_MOMENT) if one.gave_up_at else None,
        "trouble": shown(one.trouble, follow_ups.LONGEST_TROUBLE),
    }
