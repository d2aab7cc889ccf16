"""`gnome-release sign`: sign what CI has published, having looked at it."""

import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from release_service.client import Exit, Failure, gpg, proof, report, service
from release_service.client.options import JsonOption, LocalUserOption, ServerOption
from release_service.client.proof import Caller
from release_service.errors import shown
from release_service.tarball import COMPRESSIONS

_TIMEOUT_S = 60
_DIGEST = re.compile(r"[0-9a-f]{64}")


def sign(  # noqa: PLR0913 - one for each option
    module: Annotated[str, typer.Argument(help="The module, as in gtk.")],
    version: Annotated[str, typer.Argument(help="The version, as in 4.18.1.")],
    server: ServerOption = None,
    local_user: LocalUserOption = None,
    *,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Sign only these bytes: the digest of your own build.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before signing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download a published tarball, compare its SHA-256, show what is signed, sign it, and send the signature."""
    if sha256 is not None and not _DIGEST.fullmatch(sha256 := sha256.strip().lower()):
        raise Failure(Exit.USAGE, "--sha256 takes 64 hex digits.", "Nothing was signed. See your own: sha256sum FILE")
    with proof.caller(server, None) as caller, tempfile.TemporaryDirectory(prefix="gnome-release-") as directory:
        caller.token()  # who is not signed in hears it before anything is downloaded
        known = _known(caller, module, version)
        file = Path(directory) / known["name"]
        _download(caller.http, str(known["url"]), file, str(known["sha256"]))
        _show(known, sha256)
        if not yes and not typer.confirm("Sign this?", err=True):
            raise Failure(Exit.FAILED, "Nothing was signed.")
        body = _sent(caller, module, version, gpg.sign(file, local_user))
    if as_json:
        typer.echo(json.dumps(body))
    else:
        report.say(f"Signed {module} {version}.", str(body["signature_url"]), f"key {body['fingerprint']}")


def _known(caller: Caller, module: str, version: str) -> dict[str, Any]:
    """Return what the service knows of the release: name, url, size, sha256, where it comes from."""
    known = service.ask(caller.http, "GET", service.release_url(caller.server, module, version)).or_failure()
    tarball = known.get("tarball")
    if known.get("quarantined"):
        raise Failure(Exit.REFUSED, f"{shown(module)} {shown(version)} is quarantined.", "Nothing was signed.")
    if not isinstance(tarball, dict) or not {"name", "sha256"} <= tarball.keys() or "url" not in known:
        raise Failure(Exit.UNAVAILABLE, f"Something other than the release service answers at {caller.server}.")
    _refuse_other_name(str(tarball["name"]), module, version)
    return known | tarball


def _refuse_other_name(name: str, module: str, version: str) -> None:
    """Hold that what is signed is what was asked for; and what the service calls it becomes a file's name here."""
    if "/" in name or name not in {f"{module}-{version}.tar.{compression}" for compression in COMPRESSIONS}:
        raise Failure(
            Exit.REFUSED,
            f"You want to sign {shown(module)} {shown(version)}; the service says that this is {shown(name)}.",
            "Nothing was signed. Tell the release team.",
        )


def _download(http: httpx2.Client, url: str, file: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    try:
        with http.stream("GET", url, timeout=_TIMEOUT_S) as response, file.open("wb") as whole:
            if response.status_code != httpx2.codes.OK:
                raise Failure(Exit.UNAVAILABLE, f"{url} cannot be downloaded ({response.status_code}).")
            for piece in response.iter_bytes():
                digest.update(piece)
                whole.write(piece)
    except httpx2.RequestError as error:
        raise Failure(Exit.UNAVAILABLE, f"{url} cannot be downloaded: {type(error).__name__}.") from None
    if digest.hexdigest() != sha256:
        raise Failure(
            Exit.REFUSED,
            "What was downloaded is not what the service has published.",
            f"Downloaded: {digest.hexdigest()}. Published: {sha256}.",
            "Nothing was signed. Tell the release team.",
        )


def _show(known: dict[str, Any], wanted: str | None) -> None:
    where = known.get("proof") or {}
    lines = [f"{known['name']}, {known.get('size')} bytes", f"  sha256   {known['sha256']}"]
    lines += [f"  {name:8} {where[key]}" for name, key in _WHERE.items() if where.get(key)]
    if isinstance(yanked := known.get("yanked"), dict):
        lines.append(f"  yanked   {yanked.get('reason')}")
    report.tell(*lines)
    if wanted is not None and wanted != known["sha256"]:
        raise Failure(
            Exit.REFUSED, f"You want to sign {wanted}; published is {known['sha256']}.", "Nothing was signed."
        )


def _sent(caller: Caller, module: str, version: str, signature: bytes) -> dict[str, Any]:
    url = f"{service.release_url(caller.server, module, version)}/signature"
    answer = service.ask(caller.http, "PUT", url, token=caller.token(), content=signature)
    return caller.accepted(answer).or_failure()


_WHERE = {"project": "project_path", "tag": "ref", "commit": "sha", "job": "job_id", "sent by": "login"}
