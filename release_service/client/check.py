"""`gnome-release check`: would this tarball be accepted?  Nothing is published and nothing changes."""

import json
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from release_service.archive import Limits
from release_service.client import Exit, proof, report, service
from release_service.client.options import JsonOption, ServerOption, TokenEnvOption
from release_service.client.upload import sha256_of
from release_service.errors import BadArchive, Refused, Unavailable
from release_service.tarball import TarballName

Verdict = dict[str, Any]

# The decoder of zstd is not among what maintainers install.
_READABLE_HERE = ("xz", "gz", "bz2")


def check(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The tarball, or the name that it would have.")],
    server: ServerOption = None,
    token_env: TokenEnvOption = None,
    *,
    signed: Annotated[bool, typer.Option("--signed", help="A signature will come along.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say whether FILE would be published: all reasons against it at once.

    The service judges name, rights and what is published already; what is inside the archive is
    looked at here, by the same rules.
    """
    question: Verdict = {"filename": file.name} | ({"signed": True} if signed else {})
    is_here = file.exists()
    if is_here:
        question |= {"sha256": sha256_of(file).hex(), "size": file.stat().st_size}
    with proof.caller(server, token_env) as caller:
        verdict = caller.accepted(service.check(caller.http, caller.server, caller.token(), question)).or_failure()
    if is_here:
        verdict = judged_inside(verdict, file)
    else:
        report.tell(f"There is no file {file}: only its name was asked about.")
    if as_json:
        typer.echo(json.dumps(verdict))
    else:
        report.verdict(file.name, verdict)
    raise typer.Exit(Exit.DONE if verdict["accepted"] else Exit.REFUSED)


def judged_inside(verdict: Verdict, file: Path) -> Verdict:
    """Return *verdict* with what the archive rules say of *file*; a bad name leaves nothing to compare with."""
    try:
        name = TarballName.parse(file.name, _READABLE_HERE)
    except Refused:
        report.tell("What is inside is not looked at here.")
        return verdict
    reasons, warnings = _inspected(name, file)
    return verdict | {
        "accepted": verdict["accepted"] and not reasons,
        "reasons": [*verdict.get("reasons", []), *reasons],
        "warnings": [*verdict.get("warnings", []), *warnings],
    }


def _inspected(name: TarballName, file: Path) -> tuple[list[Verdict], list[Verdict]]:
    """Return what is wrong inside, and what is odd, in the form of the service's reasons."""
    from release_service.archive.inspector import Inspecting  # noqa: PLC0415 - brings asyncio: others start without

    try:
        with file.open("rb") as tarball:
            inspecting = Inspecting(name, tarball.fileno(), Limits(), threading.Semaphore(0))
            found = inspecting.result(file.stat().st_size)
    except BadArchive as refusal:
        return [_reason(refusal.code, refusal.title, refusal.detail, refusal.next_step)], []
    except Unavailable as down:
        return [], [_reason(down.code, "What is inside could not be looked at", down.detail, "")]
    return [], [_reason("odd_archive", "Something in the archive is odd", odd, "") for odd in found.warnings]


def _reason(code: str, title: str, detail: str, next_step: str) -> Verdict:
    return {"code": code, "title": title, "detail": detail, "next": next_step}
