"""`gnome-release keys`: the public keys that one's signatures are verified with."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from release_service.client import Exit, Failure, gpg, proof, report, service
from release_service.client.options import JsonOption, ServerOption
from release_service.client.secret import holds_secret_key

app = typer.Typer(cls=report.Commands, no_args_is_help=True, help="Your signing keys at the service.")

_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
FingerprintArgument = Annotated[str, typer.Argument(metavar="FINGERPRINT", help="40 hex digits; spaces are taken.")]


@app.command("list")
def list_keys(server: ServerOption = None, *, as_json: JsonOption = False) -> None:
    """Show your keys, and those of others that you may consent to."""
    body = _asked(server, "GET", "")
    if as_json:
        typer.echo(json.dumps(body))
        return
    for key in body["keys"]:
        _show(key)
    if not body["keys"]:
        report.say("You have no key here: gnome-release keys add FINGERPRINT")
    for key in body.get("to_consent", []):
        report.say("", f"A new key of {key['owner']} waits; if it is theirs: gnome-release keys consent FINGERPRINT")
        _show(key)


@app.command()
def add(
    key: Annotated[str, typer.Argument(metavar="FILE|FINGERPRINT", help="A public key or revocation, or gpg's key.")],
    server: ServerOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Register a public key, or its newer form: extended, with another subkey, or with its revocation."""
    file = Path(key)
    wanted = "" if file.is_file() else _parsed(key)
    data = gpg.export(wanted) if wanted else file.read_bytes()
    if holds_secret_key(data):
        raise Failure(
            Exit.REFUSED, f"{key} holds a secret key; it was not sent.", "Export the public one: gpg --export"
        )
    body = _asked(server, "POST", "", data)
    if wanted and body.get("fingerprint") != wanted:
        raise Failure(Exit.FAILED, "The service has read another key than the one that was sent.")
    if as_json:
        typer.echo(json.dumps(body))
        return
    _show(body)
    report.tell("Compare this fingerprint with:  gpg --fingerprint", *_what_next(body))


@app.command()
def remove(fingerprint: FingerprintArgument, server: ServerOption = None, *, as_json: JsonOption = False) -> None:
    """Let one of your keys sign nothing any more; what it has signed stays good."""
    _done(_asked(server, "DELETE", f"/{_parsed(fingerprint)}"), as_json=as_json)


@app.command()
def consent(fingerprint: FingerprintArgument, server: ServerOption = None, *, as_json: JsonOption = False) -> None:
    """Let the new key of somebody you maintain a module with sign at once.

    Compare the fingerprint with its owner first, not by mail and not in a chat: that is what your consent says.
    """
    _done(_asked(server, "POST", f"/{_parsed(fingerprint)}/consent"), as_json=as_json)


def _asked(server: str | None, method: str, path: str, content: bytes | None = None) -> dict[str, Any]:
    with proof.caller(server, None) as caller:
        url = f"{caller.server}/api/v1/keys{path}"
        answer = service.ask(caller.http, method, url, token=caller.token(), content=content)
        return caller.accepted(answer).or_failure()


def _done(body: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(body))
    else:
        _show(body)


def _parsed(text: str) -> str:
    plain = text.replace(" ", "").removeprefix("0x").upper()
    if not _FINGERPRINT.fullmatch(plain):
        raise Failure(
            Exit.USAGE, f"{text} is no file, and no fingerprint.", "See yours: gpg --list-secret-keys --fingerprint"
        )
    return plain


def spaced(fingerprint: str) -> str:
    """Return a fingerprint as gpg shows it, to be compared."""
    groups = [fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4)]
    return " ".join(groups[:5]) + "  " + " ".join(groups[5:])


def _show(key: dict[str, Any]) -> None:
    until = f", until {key['expires_at']}" if key.get("expires_at") else ""
    states = {
        "waiting": f"waits; may sign from {key.get('may_sign_from')} on{until}",
        "usable": f"may sign{until}",
        "expired": f"expired at {key.get('expires_at')}",
        "removed": "removed",
        "revoked": "revoked",
    }
    report.say(
        spaced(str(key["fingerprint"])), f"  {key.get('user_id')}", f"  {states.get(str(key.get('state')), '?')}"
    )


def _what_next(key: dict[str, Any]) -> list[str]:
    if key.get("state") != "waiting":
        return []
    return [
        f"If it is right, another maintainer may let it sign at once: gnome-release keys consent {key['fingerprint']}"
    ]
