"""`release-service modules`: which modules there are, and which projects may publish them."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from release_service.db import Transactions, connect, modules
from release_service.db.migrate import upgrade
from release_service.errors import Refused
from release_service.settings import Settings
from release_service.tarball import parse_module

app = typer.Typer(no_args_is_help=True, help="Modules, and the projects that may publish them.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The module, as its tarballs are called: gtk, NetworkManager.")],
    project: Annotated[str | None, typer.Option(help="Path of the GitLab project, GNOME/gtk.")] = None,
    project_id: Annotated[int | None, typer.Option(help="Its numeric id.")] = None,
    namespace_id: Annotated[int | None, typer.Option(help="The numeric id of its namespace.")] = None,
) -> None:
    """Register a module; with a project, pin the module to it, or confirm that project's new path."""
    given = (project, project_id, namespace_id)
    if any(given) and not all(given):
        raise typer.BadParameter("--project, --project-id and --namespace-id go together")
    now = datetime.now(UTC)
    try:
        with _transactions().begin() as session:
            module = modules.ensure(session, parse_module(name), now)
            if project:
                modules.confirm(
                    session,
                    module,
                    now,
                    project_id=str(project_id),
                    namespace_id=str(namespace_id),
                    project_path=project,
                )
    except Refused as refusal:
        typer.echo(f"{refusal.title}: {refusal.detail}", err=True)
        raise typer.Exit(3) from None
    typer.echo(f"{name} is registered" + (f", published by {project}." if project else "."))


@app.command("list")
def list_() -> None:
    """Print each module and the projects that may publish it."""
    with _transactions().begin() as session:
        for module, publishers in modules.all_with_publishers(session):
            projects = ", ".join(f"{found.project_path} ({found.project_id})" for found in publishers)
            typer.echo(f"{module.name}\t{projects or '-'}")


def _transactions() -> Transactions:
    engine = connect(Settings().database_url)
    if engine.dialect.name == "sqlite":
        upgrade(engine)
    return Transactions(engine)
