"""Writes docs/errors.md and docs/settings.md from the code: `make docs`; a test holds them to it."""

from html import escape
from pathlib import Path

from release_service.errors import Refused, Unavailable
from release_service.settings import Settings
from release_service.web.errors import status_of

HERE = Path(__file__).parent
_WRITTEN_BY = "<!-- Written by docs/generate.py from the code: run `make docs`. -->\n"


def kinds(kind: type[Refused] | type[Unavailable]) -> list[type[Refused] | type[Unavailable]]:
    """Return *kind* and all that derive from it, in the order of the source."""
    return [kind, *(below for child in kind.__subclasses__() for below in kinds(child))]


def error_page() -> str:
    """Return docs/errors.md: every code, with its status, meaning and remedy."""
    lines = [
        "# Errors",
        "",
        _WRITTEN_BY,
        "Every refusal has three parts: what, why (names the offender), and what to do next. Programs that send",
        "`Accept: application/json` get RFC 9457 problem details with the `code` below. Codes are stable.",
        "A refused upload leaves nothing behind. After a 503 the same bytes are right again later (`Retry-After`).",
        "",
        "| code | status | what | what to do |",
        "| --- | --- | --- | --- |",
    ]
    found = sorted((*kinds(Refused), *kinds(Unavailable)), key=lambda kind: (status_of(kind), kind.code))
    lines += [f"| `{kind.code}` | {status_of(kind)} | {escape(kind.title)} | {escape(kind.remedy)} |" for kind in found]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return docs/settings.md: every setting with its default."""
    lines = [
        "# Settings",
        "",
        _WRITTEN_BY,
        "Environment variables, or lines of a `.env` file in the working directory. Lists are comma-separated.",
        "Sizes are in bytes, times in seconds. Credentials for S3 are read by boto3 (`AWS_ACCESS_KEY_ID`, ...).",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        lines.append(f"| `RELEASE_SERVICE_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


PAGES = {"errors.md": error_page, "settings.md": settings_page}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (HERE / page).write_text(write(), encoding="utf-8")
