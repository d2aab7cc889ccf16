"""`gnome-release login`, `logout` and `whoami`."""

import json
import os
import sys
import webbrowser
from contextlib import suppress
from typing import Annotated

import httpx2
import typer

from release_service.client import Failure, private, proof, report, service
from release_service.client.device_flow import Invitation, sign_in
from release_service.client.issuer import Issuer
from release_service.client.options import JsonOption, ServerOption, TokenEnvOption
from release_service.client.profiles import Profiles, SignIn
from release_service.client.refresh_tokens import RefreshTokens


def login(
    server: ServerOption = None,
    *,
    profile: Annotated[str | None, typer.Option(help="Name for this server.", show_default="the host's name")] = None,
    default: Annotated[bool, typer.Option("--default", help="Make it the default profile.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the sign-in page.")] = True,
) -> None:
    """Sign in with GNOME's account page; later commands need no password and no browser."""
    directory = proof.directory()
    profiles = Profiles(directory)
    url = profiles.server(server)
    name = profiles.name_for(url, profile)
    with httpx2.Client() as http:
        offer = service.sign_in_offer(http, url)
        issuer = Issuer(http, offer.issuer, offer.client_id)
        tokens = sign_in(issuer, offer.scope, lambda invitation: _show(invitation, browser=browser), report.tell)
        with private.locked(directory):
            RefreshTokens(directory).keep(url, str(tokens.refresh), report.tell)
            # Read again: another login may have ended while this one waited.
            Profiles(directory).add(name, url, SignIn(offer.issuer, offer.client_id), default=default)
        report.say(f"Signed in at {url} (profile {name}).")
        said = service.whoami(http, url, tokens.access)
    if not said.is_success:
        report.tell("The sign-in is kept, but the service does not say who you are:", *said.lines)
        raise typer.Exit(said.exit)
    report.person(url, name, said.body)


def logout(server: ServerOption = None) -> None:
    """Forget the sign-in here, and end it at the issuer."""
    directory = proof.directory()
    profiles = Profiles(directory)
    url = profiles.server(server)
    with private.locked(directory):
        kept = RefreshTokens(directory)
        refresh = kept.read(url)
        kept.forget(url)
    known = profiles.sign_in(url)
    if refresh is None or known is None:
        report.say(f"You were not signed in at {url}.")
    elif why := _revoke(known, refresh):
        report.say(f"Signed out of {url}: the sign-in is forgotten here.")
        report.tell(
            f"It could not be revoked there: {why}",
            "If this machine is not safe, end your sessions on the account page of GNOME's sign-in, too.",
        )
    else:
        report.say(f"Signed out of {url}: the sign-in is forgotten here and revoked at {known.issuer}.")


def whoami(server: ServerOption = None, token_env: TokenEnvOption = None, *, as_json: JsonOption = False) -> None:
    """Say who you are to the service, by which proof, and what you may release."""
    with proof.caller(server, token_env) as caller:
        body = caller.accepted(service.whoami(caller.http, caller.server, caller.token())).or_failure()
    if as_json:
        typer.echo(json.dumps(body))
    else:
        report.person(caller.server, Profiles(proof.directory()).name_of(caller.server), body)


def _show(invitation: Invitation, *, browser: bool) -> None:
    report.tell(
        "Open this page and sign in there:",
        "",
        f"    {invitation.page}",
        "",
        f"Compare: the code there must be   {invitation.code}",
        "If it is another one, or if you did not type this command yourself, sign in to nothing:",
        "whoever sends you such a link wants to release in your name.",
        "",
        f"Waiting, {max(1, invitation.lifetime_s // 60)} min at most; Ctrl+C ends it.",
    )
    if browser and _has_screen():
        with suppress(webbrowser.Error):
            webbrowser.open(invitation.page)


def _has_screen() -> bool:
    # Without one, webbrowser starts a browser in this very terminal, over the code to be compared.
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _revoke(known: SignIn, refresh: str) -> str:
    """End the sign-in at the issuer (RFC 7009); return "", or why it goes on there."""
    try:
        with httpx2.Client() as http:
            issuer = Issuer(http, known.issuer, known.client_id)
            if not issuer.offers("revocation_endpoint"):
                return "it does not offer that."
            reply = issuer.post("revocation_endpoint", token=refresh, token_type_hint="refresh_token")  # noqa: S106 - RFC 7009's word
    except Failure as failure:
        return failure.lines[0]
    return "" if reply.is_success else f"{reply.reason}."
