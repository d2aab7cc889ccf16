"""`gnome-release yank`, `release-service yank` and `quarantine`, and what Debian's uscan makes of it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

import components
import forked
from builders import a_tarball
from persons import StandInSso
from uploads import Environment

pytestmark = pytest.mark.slow

Done = subprocess.CompletedProcess[str]
SERIES = "sources/gtk/4.18"
WATCH = r"""version=4
opts="searchmode=plain, downloadurlmangle=s|cache.json||" \
  {url}/sources/gtk/cache.json \
  [\d.]+/gtk-([\d.]+)@ARCHIVE_EXT@
"""
CHANGELOG = """gtk (4.18.0-1) unstable; urgency=medium

  * Package it.

 -- Nobody <nobody@gnome.example>  Mon, 01 Jan 2024 00:00:00 +0000
"""


@dataclass(frozen=True, slots=True)
class Shell:
    """A service that has published gtk 4.18.1 and 4.18.2, which bob maintains; and who types at it."""

    url: str
    environment: Environment
    home: Path
    token: Callable[..., str]

    def client(self, who: str, *words: str, answer: str = "") -> Done:
        own = {"GNOME_RELEASE_TOKEN": self.token(who), "GNOME_RELEASE_SERVER": self.url}
        command = [sys.executable, "-m", "release_service.client", *words]
        return subprocess.run(
            command, env=os.environ | own, input=answer, cwd=self.home, capture_output=True, text=True, check=False
        )

    def operator(self, *words: str) -> Done:
        return forked.run(*words, environment=os.environ | self.environment, home=self.home)

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}/{path}")

    def newest(self) -> str:
        """Return what `jq` users take."""
        versions: list[str] = json.loads(self.get("sources/gtk/cache.json").text)[2]["gtk"]
        return versions[-1]


@pytest.fixture
def shell(environment_of: Callable[[str], Environment], tmp_path: Path) -> Iterator[Shell]:
    sso = StandInSso()
    environment = environment_of("embedded") | {"RELEASE_SERVICE_SSO_ISSUER": sso.issuer}

    def token(who: str, *groups: str) -> str:
        return sso.token(sub=f"sub-{who}", preferred_username=who, groups=list(groups))

    with components.service(environment, tmp_path / "log") as (url, _):
        carol = {"Authorization": f"Bearer {token('carol', '/sysadmin')}"}
        module = f"{url}/api/v1/modules/gtk"
        assert httpx2.put(module, headers=carol, json={}).is_success
        assert httpx2.post(f"{module}/maintainers", headers=carol, json={"subject": "sub-bob"}).is_success
        bob = {"Authorization": f"Bearer {token('bob')}"}
        for name in ("gtk-4.18.1.tar.xz", "gtk-4.18.2.tar.xz"):
            sent = httpx2.put(f"{url}/api/v1/tarballs/{name}", headers=bob, content=a_tarball(name))
            assert sent.status_code == 201
        yield Shell(url, environment | {"RELEASE_SERVICE_PUBLIC_URL": url}, tmp_path, token)
    sso.stop()


def said(done: Done, status: int, *parts: str) -> None:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stdout + done.stderr


def test_a_maintainer_is_shown_what_will_happen_and_asked_and_undoes_it(shell: Shell) -> None:
    words = ("yank", "gtk", "4.18.2", "--reason", "It eats \x1b[31mfiles")
    said(
        shell.client("bob", *words[:4], "It eats files", answer="n\n"),
        1,
        "the version before it",
        "Nothing was changed",
    )
    said(shell.client("bob", *words, "--yes"), 3, "(bad_request)")
    assert shell.newest() == "4.18.2"
    said(shell.client("bob", *words[:4], "It eats files", answer="y\n"), 0, "gtk 4.18.2 is yanked now.")
    said(shell.client("bob", *words[:4], "Else", "--yes"), 0, "gtk 4.18.2 is yanked, as before.", "It eats files")
    assert shell.newest() == "4.18.1"
    assert shell.get(f"{SERIES}/gtk-4.18.2.tar.xz").status_code == 200
    said(shell.client("mallory", *words[:4], "Mine", "--undo", "--yes"), 3, "(may_not_manage)")
    undone = shell.client("bob", *words[:4], "Fine", "--undo", "--yes", "--json")
    assert (undone.returncode, json.loads(undone.stdout)["changed"]) == (0, True)
    assert shell.newest() == "4.18.2"
    said(shell.client("bob", "yank", "gtk", "4.18.9", "--reason", "x", "--yes"), 3, "(not_found)")
    said(shell.client("bob", "yank", "gtk", "4.18.2", "--yes"), 2, "--reason")


def upstream(shell: Shell) -> str:
    """Return the newest version that Debian's uscan finds."""
    debian = shell.home / "package" / "debian"
    debian.mkdir(parents=True, exist_ok=True)
    (debian / "watch").write_text(WATCH.format(url=shell.url))
    (debian / "changelog").write_text(CHANGELOG)
    command = [components.needs("uscan", "devscripts"), "--no-conf", "--dehs", "--report"]
    done = subprocess.run(command, cwd=debian.parent, capture_output=True, text=True, check=True)
    return done.stdout.partition("<upstream-version>")[2].partition("<")[0]


@pytest.mark.real
def test_an_operator_yanks_undoes_it_and_quarantines(shell: Shell) -> None:
    assert upstream(shell) == "4.18.2"
    why = ("gtk", "4.18.2", "--reason", "Malware")
    said(shell.operator("yank", *why), 0, "gtk 4.18.2: yanked: Malware.\n")
    said(shell.operator("yank", *why), 0, "gtk 4.18.2: yanked already: Malware.\n")
    assert (shell.newest(), upstream(shell)) == ("4.18.1", "4.18.1")
    said(shell.operator("yank", *why, "--undo"), 0, "gtk 4.18.2: not yanked any more.\n")
    said(shell.operator("yank", "gtk", "4.18.9", "--reason", "Malware"), 3, "(not_found)")
    said(shell.operator("quarantine", *why[:3], "\n", "--yes"), 3, "(bad_request)")
    said(shell.operator("quarantine", *why), 1, "Go on?")
    assert shell.get(f"{SERIES}/gtk-4.18.2.tar.xz").status_code == 200
    done = shell.operator("quarantine", *why, "--yes")
    said(done, 0, "gtk 4.18.2: quarantined.\n", f"{shell.url}/{SERIES}/gtk-4.18.2.tar.xz\n")
    for url in re.findall(r"http\S+", done.stdout):
        assert httpx2.get(url).status_code == 404
    assert shell.get(f"{SERIES}/gtk-4.18.2.release.json").json()["quarantined"]["reason"] == "Malware"
    said(shell.operator("quarantine", *why, "--yes"), 0, "already")
    said(shell.operator("yank", *why), 3, "(quarantined)")
    said(shell.client("bob", "sign", "gtk", "4.18.2", "--yes"), 3, "is quarantined")
    said(shell.operator("verify", "--all"), 0)
    said(shell.operator("audit", "verify"), 0)
