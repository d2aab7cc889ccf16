"""`gnome-release yank`: offer a published release to no program any more, or again."""

import json
from typing import Annotated, Any

import typer

from release_service.client import Exit, Failure, proof, report, service
from release_service.client.options import JsonOption, ServerOption
from release_service.client.proof import Caller


def yank(  # noqa: PLR0913 - one for each option
    module: Annotated[str, typer.Argument(help="The module, as in gtk.")],
    version: Annotated[str, typer.Argument(help="The version, as in 4.18.1.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence; everybody can read it.")],
    server: ServerOption = None,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Offer it again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a release that nobody should use out of cache.json and LATEST-IS.  Its files stay where they are."""
    with proof.caller(server, None) as caller:
        caller.token()  # who is not signed in hears it before anything is asked
        url = service.release_url(caller.server, module, version)
        known = service.ask(caller.http, "GET", url).or_failure()
        report.tell(*_effect(known, module, version, reason, undo=undo))
        if not yes and not typer.confirm("Go on?", err=True):
            raise Failure(Exit.FAILED, "Nothing was changed.")
        body = _sent(caller, f"{url}/{'unyank' if undo else 'yank'}", reason)
    if as_json:
        typer.echo(json.dumps(body))
        return
    what = f"{module} {version} is {'yanked' if body.get('yanked') else 'not yanked'}"
    report.say(f"{what}{' now' if body.get('changed') else ', as before'}.")


def _effect(known: dict[str, Any], module: str, version: str, reason: str, *, undo: bool) -> list[str]:
    """Return what will happen, in lines."""
    yanked = known.get("yanked")
    there = f", yanked since {yanked.get('at')}: {yanked.get('reason')}" if isinstance(yanked, dict) else ""
    lines = [f"{module} {version}, received {known.get('received')}{there}"]
    if undo:
        return [*lines, "  cache.json lists it again, and LATEST-IS names it if it is the newest of its series."]
    return [
        *lines,
        "  cache.json and LATEST-IS leave it out: distributions and mirrors' users get the version before it.",
        "  Its files stay where they are; the pages that list them say, for everybody to read:",
        f"  {version} was yanked: {reason}",
        "  Undo it with --undo.",
    ]


def _sent(caller: Caller, url: str, reason: str) -> dict[str, Any]:
    answer = service.ask(caller.http, "POST", url, token=caller.token(), body={"reason": reason})
    return caller.accepted(answer).or_failure()
