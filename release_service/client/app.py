"""The commands of `gnome-release`."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from release_service.client import Exit
from release_service.client.upload import Answer, Sent, Tell, upload
from release_service.errors import Refused
from release_service.tarball import COMPRESSIONS, TarballName

app = typer.Typer(no_args_is_help=True, help="Release GNOME modules: for maintainers and CI jobs.")

# A job names its own: id_tokens: { GNOME_RELEASE_TOKEN: { aud: gnome-release-service } }.
_TOKEN_ENV = "GNOME_RELEASE_TOKEN"  # noqa: S105 - the variable's name


@app.callback()
def commands() -> None:
    """Keep `upload` a command of its own, although it is the only one yet."""


@app.command("upload")
def upload_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The tarball.")],
    server: Annotated[str, typer.Option(envvar="GNOME_RELEASE_SERVER", help="URL of the release service.")],
    token_env: Annotated[str, typer.Option(help="Variable that holds the job's ID token.")] = _TOKEN_ENV,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")] = False,
) -> None:
    """Publish FILE.

    Exit status: 0 published (also when it was before), 2 wrong usage, 3 refused, 4 the service is
    not there, 5 no token, 1 anything else.
    """
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        TarballName.parse(file.name, COMPRESSIONS)
    except Refused as refusal:
        notes.print(f"{refusal.title}. ({refusal.code})\n{refusal.detail}\n{refusal.next_step}", markup=False)
        raise typer.Exit(Exit.REFUSED) from None
    token = os.environ.get(token_env, "").strip()
    if not token:
        notes.print(
            f"There is no token in ${token_env}.\n"
            f"In .gitlab-ci.yml, give the job  id_tokens: {{ {token_env}: {{ aud: gnome-release-service }} }}",
            markup=False,
        )
        raise typer.Exit(Exit.NO_TOKEN)
    with _progress(file, notes) as (sent, tell):
        answer = upload(server, token, file, sent, tell)
    if as_json:
        typer.echo(json.dumps(answer.body))
    else:
        _report(answer, notes)
    raise typer.Exit(_exit_of(answer))


@contextmanager
def _progress(file: Path, notes: Console) -> Iterator[tuple[Sent, Tell]]:
    """Show a bar on a terminal, one line at each quarter in a CI log."""
    size = file.stat().st_size
    if notes.is_terminal:
        columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=notes, transient=True) as bar:
            task = bar.add_task(file.name, total=size)
            yield (lambda sent: bar.update(task, completed=sent)), lambda why: bar.console.print(why, markup=False)
        return
    said: set[int] = set()

    def sent_plainly(sent: int) -> None:
        quarter = sent * 4 // size if size else 4
        if quarter not in said:
            said.add(quarter)
            notes.print(f"{file.name}: {25 * quarter} % of {size} bytes sent")

    yield sent_plainly, lambda why: notes.print(why, markup=False)


def _report(answer: Answer, notes: Console) -> None:
    body = answer.body
    if answer.is_published:
        sandbox = "SANDBOX: this is no real release.\n" if body.get("sandbox") else ""
        typer.echo(
            f"{sandbox}Published {body['module']} {body['version']} in series {body['series']}.\n"
            f"{body['url']}\nsha256 {body['sha256']}"
        )
        for warning in body.get("warnings", []):
            notes.print(f"warning: {warning}", markup=False)
        return
    code = f" ({body['code']})" if "code" in body else ""
    notes.print(f"{body.get('title', answer.status)}.{code}", markup=False)
    for line in (body.get("detail"), body.get("next")):
        if line:
            notes.print(line, markup=False)


def _exit_of(answer: Answer) -> Exit:
    if answer.is_published:
        return Exit.DONE
    if answer.is_worth_retrying:
        return Exit.UNAVAILABLE
    return Exit.REFUSED if "code" in answer.body else Exit.FAILED


def main() -> None:
    """Run the command line."""
    app()
