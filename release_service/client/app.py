"""The commands of `gnome-release`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from release_service.client import Exit, Failure, account, gpg, keys, proof, report
from release_service.client.check import check
from release_service.client.options import JsonOption, LocalUserOption, ServerOption, SignOption, TokenEnvOption
from release_service.client.sign import sign
from release_service.client.status import status, wait_until_visible
from release_service.client.upload import upload
from release_service.client.yank import yank
from release_service.errors import Refused
from release_service.tarball import COMPRESSIONS, TarballName

app = typer.Typer(
    cls=report.Commands,
    no_args_is_help=True,
    # A pretty traceback shows the values of variables, tokens among them.
    pretty_exceptions_enable=False,
    help="Release GNOME modules: for maintainers and CI jobs.",
)
app.command()(account.login)
app.command()(account.logout)
app.command()(account.whoami)
app.command()(check)
app.command()(sign)
app.command()(status)
app.command()(yank)
app.add_typer(keys.app, name="keys")


@app.command("upload")
def upload_command(  # noqa: PLR0913 - one for each option
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The tarball.")],
    server: ServerOption = None,
    token_env: TokenEnvOption = None,
    *,
    sign: SignOption = False,
    local_user: LocalUserOption = None,
    signature: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="Send this detached signature along."),
    ] = None,
    wait_visible: Annotated[
        bool, typer.Option("--wait-visible", help="Return when readers have it, through the CDN too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish FILE.

    Exit status: 0 published (also when it was before), 2 wrong usage, 3 refused, 4 the service is
    not there, 5 no token or not signed in, 1 anything else.
    """
    try:
        TarballName.parse(file.name, COMPRESSIONS)
    except Refused as refusal:
        lines = f"{refusal.title}. ({refusal.code})", refusal.detail, refusal.next_step
        raise Failure(Exit.REFUSED, *lines) from None
    with proof.caller(server, token_env) as caller:
        caller.token()  # before the file is read: who is not signed in hears it at once
        made = _signature(file, signature, local_user, sign=sign)
        with report.progress(file) as (sent, tell):
            answer = caller.accepted(upload(caller.server, caller.token, file, sent, tell, signature=made))
    if as_json:
        typer.echo(json.dumps(answer.body))
    else:
        report.published(answer)
    if wait_visible and answer.is_success:
        wait_until_visible(caller.server, str(answer.body["module"]), str(answer.body["version"]))
        report.tell("Readers have it.")
    raise typer.Exit(answer.exit)


def _signature(file: Path, made: Path | None, local_user: str | None, *, sign: bool) -> bytes | None:
    if made is None:
        return gpg.sign(file, local_user) if sign or local_user else None
    if sign or local_user:
        raise Failure(Exit.USAGE, "--signature sends a signature that exists, --sign makes one: say one of them.")
    return made.read_bytes()


def main() -> None:
    """Run the command line."""
    app()
