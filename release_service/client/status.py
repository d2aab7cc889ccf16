"""`gnome-release status`, and waiting until readers have a release."""

import json
import time
from typing import Annotated, Any

import httpx2
import typer

from release_service.client import Exit, Failure, report
from release_service.client.options import JsonOption, ServerOption
from release_service.client.profiles import Profiles
from release_service.client.proof import directory
from release_service.client.service import Answer, ask, release_url

_PAUSE_S = 2.0
_PATIENCE_S = 900


def status(
    module: Annotated[str, typer.Argument(help="As in gtk.")],
    version: Annotated[str, typer.Argument(help="As in 4.18.1.")],
    server: ServerOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Say what is known of a published release, and whether readers have it.

    Exit status: 0 readers have it, 3 there is no such release, 4 they do not have it yet, or the service is not there.
    """
    url = Profiles(directory()).server(server)
    with httpx2.Client() as http:
        body = ask(http, "GET", release_url(url, module, version)).or_failure()
    if as_json:
        typer.echo(json.dumps(body))
    else:
        report.say(f"{module} {version}: {_state(body)}", str(body["url"]), f"sha256 {body['tarball']['sha256']}")
    raise typer.Exit(Exit.DONE if body["visible"] else Exit.UNAVAILABLE)


def wait_until_visible(server: str, module: str, version: str) -> None:
    """Return when readers have the release, its index too, with the right bytes.

    (Raises: Failure: not within a quarter of an hour; or the service is not there.)
    """
    until = time.monotonic() + _PATIENCE_S
    said = ""
    with httpx2.Client() as http:
        while True:
            answer: Answer = ask(http, "GET", release_url(server, module, version))
            body = answer.body if answer.is_worth_retrying else answer.or_failure()
            if body.get("visible"):
                return
            if time.monotonic() > until:
                raise Failure(
                    Exit.UNAVAILABLE,
                    f"{module} {version} is published, and readers do not have it yet: {_state(body)}.",
                    f"It follows by itself.  Look again with: gnome-release status {module} {version}",
                )
            if (state := _state(body)) != said:
                report.tell(f"waiting: {state}")
                said = state
            time.sleep(_PAUSE_S)


def _state(body: dict[str, Any]) -> str:
    if "visible" not in body:
        return str(body.get("title", "no answer"))
    pending = body.get("pending") or []
    return "readers have it" if body["visible"] else f"published; pending: {', '.join(map(str, pending)) or 'nothing'}"
