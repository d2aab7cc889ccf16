"""`release-service`: what operators type.  `--help` of each command says what it does."""

import signal
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from release_service import log
from release_service.cli import (
    audit,
    follow_ups,
    importing,
    modules,
    rebuild,
    reconcile,
    reindex,
    switch,
    verify,
    yank,
)
from release_service.db import connect
from release_service.db.migrate import prepare, upgrade
from release_service.errors import Unavailable
from release_service.settings import Settings
from release_service.wiring import build_service, mail_server
from release_service.worker import Worker

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show what variables hold: tokens
    help="The GNOME Release Service, for operators.",
)
app.add_typer(modules.app, name="modules")
app.add_typer(audit.app, name="audit")
app.add_typer(switch.app, name="switch")
app.add_typer(follow_ups.app, name="follow-ups")
app.command("verify")(verify.command)
app.command("yank")(yank.yank_command)
app.command("quarantine")(yank.quarantine_command)
app.command("reindex")(reindex.command)
app.command("reconcile")(reconcile.command)
app.command("rebuild")(rebuild.command)
app.command("import")(importing.command)

HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(help="Port to listen on.")]


@app.command()
def serve(host: HostOption = "127.0.0.1", port: PortOption = 8000) -> None:
    """Serve uploads; with a file: store also the tree.  An SQLite database is migrated first."""
    from release_service.web import server  # noqa: PLC0415 - the other commands need not wait for it

    server.run(host, port)


@app.command("worker")
def worker_command() -> None:
    """Keep promises, finish what died, link the audit, send mail, warn and sweep, until told to stop.

    Any number may run.

    `serve` does so, too.
    """
    settings = Settings()
    log.configure(settings.log_format)
    service = build_service(settings)
    prepare(service.transactions.engine)
    worker = Worker(service, mail_server(settings))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision; several may run this at once."""
    upgrade(connect(Settings().database_url))
    typer.echo("The database is at the newest revision.")


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Check what was published, then exit.")] = False,
    port: PortOption = 8000,
) -> None:
    """Run everything here: a stand-in for GitLab, the service, and two releases of a small module."""
    from release_service import demo as stage  # noqa: PLC0415 - as above

    raise typer.Exit(stage.run(port, once=once))


def main() -> None:
    """Run the command line; what is down is said in a sentence."""
    log.configure("text")
    try:
        app()
    except ValidationError as error:
        for mistake in error.errors():
            name = "_".join(map(str, mistake["loc"])).upper()
            typer.echo(f"{'RELEASE_SERVICE_' + name + ': ' if name else ''}{mistake['msg']}", err=True)
        sys.exit(2)
    except Unavailable as error:
        typer.echo(f"{error.title}: {error.detail}", err=True)
        sys.exit(4)
