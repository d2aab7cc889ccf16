"""`release-service audit`: is the record whole, and a copy of it."""

from typing import Annotated

import typer

from release_service import audit
from release_service.cli.database import service

app = typer.Typer(no_args_is_help=True, help="The record of who did, or tried, what.")

_MOST_TOLD = 50


@app.command()
def verify(
    head: Annotated[str, typer.Option(help="SEQ:SHA256, as an earlier run or the log (audit_head) has told it.")] = "",
) -> None:
    """Go through the whole chain; exit 1 if a row was edited, removed, exchanged, cut off or slipped in."""
    with service() as built:
        audit.link(built.transactions)
        verdict = audit.verify(built.transactions, head)
    for finding in verdict.findings[:_MOST_TOLD]:
        typer.echo(finding, err=True)
    if len(verdict.findings) > _MOST_TOLD:
        typer.echo(f"... and {len(verdict.findings) - _MOST_TOLD} more", err=True)
    found = "1 finding" if len(verdict.findings) == 1 else f"{len(verdict.findings)} findings"
    typer.echo(f"{verdict.rows} rows in the chain, {verdict.pending} waiting for it, {found}")
    typer.echo(f"head {verdict.head}")
    raise typer.Exit(1 if verdict.findings else 0)


@app.command()
def export() -> None:
    """Print every row as a line of JSON, with its place in the chain."""
    with service() as built:
        for line in audit.export(built.transactions):
            typer.echo(line)
