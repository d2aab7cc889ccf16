"""`release-service switch`: stop a way in at once, in every replica, and open it again."""

from enum import StrEnum
from typing import Annotated

import typer

from release_service.authorize.stewards import shell_user
from release_service.cli.database import login, service
from release_service.db import audit, limits
from release_service.db.audit import Act
from release_service.errors import shown
from release_service.limits import SWITCHES
from release_service.rights.blocks import check_reason
from release_service.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What is switched off: uploads, or a kind of proof.")


class Switch(StrEnum):
    """What can be switched, as it is typed."""

    UPLOADS = "uploads"
    SSO = "sso"
    GITLAB_ID_TOKENS = "gitlab-id-tokens"
    JOB_TOKENS = "job-tokens"


@app.command()
def off(name: Switch, reason: Annotated[str, typer.Option(help="Why; uploaders read it.")]) -> None:
    """Switch something off, until somebody switches it on: whoever asks is told to come back later (503)."""
    with service() as built, built.transactions.begin() as session:
        check_reason(reason)
        limits.switch_off(session, name.value, reason, built.now())
        act = Act("switch-off", shell_user(login()), "")
        audit.record(session, act, audit.ACCEPTED, "switched", built.now(), switch=name.value, reason=reason)
    typer.echo(f"{name.value} is off: {shown(reason, 400)}")


@app.command()
def on(name: Switch) -> None:
    """Switch something on again."""
    with service() as built, built.transactions.begin() as session:
        if limits.switch_on(session, name.value):
            act = Act("switch-on", shell_user(login()), "")
            audit.record(session, act, audit.ACCEPTED, "switched", built.now(), switch=name.value)
    still_off = name.value in Settings().switched_off
    typer.echo(f"{name.value} is {'still off by RELEASE_SERVICE_SWITCHED_OFF' if still_off else 'on'}")


@app.command("list")
def list_() -> None:
    """Print each switch, and since when and why it is off."""
    with service() as built, built.transactions.begin() as session:
        off_since = {found.name: (found.switched_off_at, found.reason) for found in limits.switches(session)}
    why = {name: f"since {at:%Y-%m-%d %H:%M} UTC: {shown(reason, 400)}" for name, (at, reason) in off_since.items()}
    why |= dict.fromkeys(Settings().switched_off, "by RELEASE_SERVICE_SWITCHED_OFF")
    for name in SWITCHES:
        typer.echo(f"{name}\t{'off' if name in why else 'on'}\t{why.get(name, '-')}")
