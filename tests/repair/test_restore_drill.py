"""The drill of docs/operations.md, with its very commands: an older copy of the database is brought forward."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from archived import Archived
from components import needs
from conftest import KINDS
from registry import ASC, DIRECTORY, GOOD, NAME, make_signers, signature
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(params=KINDS)
def archived(
    request: pytest.FixtureRequest,
    environment_of: Callable[[str], Environment],
    gitlab: StandInGitLab,
    tmp_path: Path,
) -> Iterator[Archived]:
    """CI has published gtk 4.18.1, of each kind."""
    environment = environment_of(request.param)
    with make_signers(environment, gitlab) as people:
        made = Archived(people, environment, tmp_path)
        assert people.uploads.post(NAME, GOOD).status_code == 201
        yield made


def commands(title: str) -> list[str]:
    """Return the command lines of docs/operations.md below **title**, as an operator would copy them."""
    page = (ROOT / "docs/operations.md").read_text()
    block = page.partition(f"**{title}.**")[2].partition("```sh\n")[2].partition("```")[0]
    return [line.partition("  #")[0].strip() for line in block.splitlines() if line.strip()]


def run(archived: Archived, lines: list[str]) -> None:
    """Type them: ours as `release-service`, the databases' own tools as a shell would."""
    for line in lines:
        if line.startswith("release-service "):
            words = re.findall(r'"[^"]*"|\S+', line)[1:]
            done = archived.type(*(word.strip('"') for word in words))
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            continue
        tool = line.split()[0]
        url = archived.environment["RELEASE_SERVICE_DATABASE_URL"].replace("+psycopg", "")
        given = {"DATABASE_URL": url, "DATABASE_FILE": urlsplit(url).path[1:], "BACKUP": str(archived.home / "backup")}
        path = f"{Path(needs(tool, 'postgresql sqlite3')).parent}:{os.environ['PATH']}"
        subprocess.run(["/bin/sh", "-ec", line], env=given | {"PATH": path}, check=True, cwd=archived.home)


def test_after_an_older_copy_was_restored_the_documented_commands_bring_everything_back(archived: Archived) -> None:
    kind = "SQLite" if "sqlite" in archived.environment["RELEASE_SERVICE_DATABASE_URL"] else "PostgreSQL"
    saving, restoring, bringing = (
        commands(title) for title in (f"Saving {kind}", f"Restoring {kind}", "Bringing it forward")
    )
    assert (len(saving), len(restoring), len(bringing)) == (1, 1, 6)
    run(archived, saving)
    archived.publish("gtk-4.18.2.tar.xz", NEWS="1\n2\n3\n")
    archived.publish("glib-2.80.0.tar.xz")
    answer = archived.people.ask("PUT", "/api/v1/releases/gtk/4.18.1/signature", "bob", signature())
    assert answer.status_code == 201
    facts, objects = archived.facts(), archived.objects()
    archived.uploads.parts.service.transactions.engine.dispose()
    run(archived, restoring)
    assert archived.facts().keys() == {"gtk 4.18.1", "modules", "digests"}
    assert archived.type("reindex", "--all").returncode == 1
    assert archived.objects() == objects
    run(archived, bringing)
    assert archived.facts() == facts
    assert archived.objects() == objects
    assert {ASC, f"{DIRECTORY}/gtk-4.18.2.tar.xz"} < objects.keys()
    assert archived.type("reindex", "--all").stdout.endswith(" 0 written, 0 left alone\n")
    archived.publish("gtk-4.18.3.tar.xz")
