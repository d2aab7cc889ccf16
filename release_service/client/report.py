"""What the commands print: results on standard output, all else on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from typer.core import TyperGroup

from release_service.client import Exit, Failure
from release_service.client.service import Answer
from release_service.client.upload import Sent, Tell

_SANDBOX = "SANDBOX: this is no real release."


class Commands(TyperGroup):
    """Commands that end with one sentence: also when they fail as foreseen, or by Ctrl+C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            tell(*failure.lines)
            raise typer.Exit(failure.status) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise  # `| head`: typer ends quietly
            tell(f"{error.filename or 'The system'}: {error.strerror}.")
            raise typer.Exit(Exit.FAILED) from None
        except KeyboardInterrupt:
            tell("Interrupted.")
            raise typer.Exit(Exit.INTERRUPTED) from None


def printable(text: object) -> str:
    """Return *text* without what could move a terminal's cursor: others wrote it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))


def console() -> Console:
    """Return standard error, which breaks no line that somebody may want to copy."""
    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def tell(*lines: str) -> None:
    """Print *lines* to standard error."""
    notes = console()
    for line in lines:
        notes.print(printable(line), markup=False)


def say(*lines: str) -> None:
    """Print *lines*, the result, to standard output."""
    for line in lines:
        typer.echo(printable(line))


def published(answer: Answer) -> None:
    """Print where the release is, or why it is not there."""
    body = answer.body
    if not answer.is_success:
        tell(*answer.lines)
        return
    if body.get("sandbox"):
        say(_SANDBOX)
    say(f"Published {body['module']} {body['version']} in series {body['series']}.", body["url"])
    say(f"sha256 {body['sha256']}")
    if body.get("signature_url"):
        say(f"signature {body['signature_url']}")
    if isinstance(yanked := body.get("yanked"), dict):
        tell(f"warning: it is yanked, and stays so: {yanked.get('reason')}")
    tell(*(f"warning: {warning}" for warning in body.get("warnings", [])))
    if body.get("pending"):
        tell(f"Readers see it soon; pending: {', '.join(map(str, body['pending']))}.")


def person(server: str, profile: str | None, body: dict[str, Any]) -> None:
    """Print who the service says is asking."""
    if body.get("sandbox"):
        say(_SANDBOX)
    proofs = {"sso": "sign-in", "gitlab-id-token": "GitLab ID token", "gitlab-job-token": "GitLab job token"}
    kind = body.get("kind")
    may_any = "release-team" in (body.get("roles") or [])
    say(
        str(body.get("login") or body["subject"]),
        f"  server   {server}" + (f" (profile {profile})" if profile else ""),
        f"  proof    {proofs.get(str(kind), kind)} ({body.get('issuer')})",
        *([f"  project  {body['project']}"] if body.get("project") else []),
        f"  roles    {_listed(body.get('roles'))}",
        f"  modules  {_listed(body.get('modules'))}" + ("; every registered one, by role" if may_any else ""),
    )


def verdict(filename: str, body: dict[str, Any]) -> None:
    """Print whether the tarball would be accepted, every reason why not, then the warnings."""
    if body.get("sandbox"):
        say(_SANDBOX)
    for reason in body.get("reasons", []):
        tell(*_reason(reason), "")
    for warning in body.get("warnings", []):
        title, *rest = _reason(warning)
        tell(f"warning: {title}", *rest, "")
    if not body["accepted"]:
        reasons = len(body.get("reasons", []))
        tell(f"{filename} would be refused: {reasons} {'reason' if reasons == 1 else 'reasons'}, named above.")
    elif body.get("published"):
        say(f"{filename} is published already, these very bytes: sending it again changes nothing.")
    else:
        say(f"{filename} would be accepted: {body.get('module')} {body.get('version')}, series {body.get('series')}.")


@contextmanager
def progress(file: Path) -> Iterator[tuple[Sent, Tell]]:
    """Show a bar on a terminal, one line at each quarter in a CI log."""
    size = file.stat().st_size
    notes = console()
    if notes.is_terminal:
        columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=notes, transient=True) as bar:
            task = bar.add_task(file.name, total=size)
            yield (
                (lambda sent: bar.update(task, completed=sent)),
                lambda why: bar.console.print(printable(why), markup=False),
            )
        return
    said: set[int] = set()

    def sent_plainly(sent: int) -> None:
        quarter = sent * 4 // size if size else 4
        if quarter not in said:
            said.add(quarter)
            notes.print(f"{file.name}: {25 * quarter} % of {size} bytes sent")

    yield sent_plainly, lambda why: notes.print(printable(why), markup=False)


def _reason(reason: dict[str, Any]) -> list[str]:
    lines = (f"{reason.get('title')}. ({reason.get('code')})", reason.get("detail"), reason.get("next"))
    return [str(line) for line in lines if line]


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) and names else "none"
