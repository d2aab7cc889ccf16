"""`gnome-release upload --wait-visible` and `status`: what the service says of readers is believed, and waited for."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components import Asked, Canned, canned, command
from release_service.client import Exit, Failure, status
from release_service.client.status import wait_until_visible

pytestmark = pytest.mark.slow

BYTES = b"tarball"
URL = "https://download.gnome.org/sources/gtk/4.18/gtk-4.18.1.tar.xz"
SHA256 = hashlib.sha256(BYTES).hexdigest()
NAMED = {"module": "gtk", "version": "4.18.1", "series": "4.18"}
PUBLISHED = NAMED | {"url": URL, "sha256": SHA256, "pending": ["visible"]}


def known(*pending: str) -> dict[str, Any]:
    tarball = {"name": "gtk-4.18.1.tar.xz", "sha256": SHA256}
    return {"url": URL, "tarball": tarball, "visible": not pending, "pending": list(pending)}


def type_(url: str, home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"GNOME_RELEASE_SERVER": url, "GNOME_RELEASE_TOKEN": "t", "HOME": str(home)}
    words = command("gnome-release"), *words
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_an_upload_that_waits_ends_when_readers_have_it(tmp_path: Path) -> None:
    file = tmp_path / "gtk-4.18.1.tar.xz"
    file.write_bytes(BYTES)
    asked: list[str] = []

    def answer(question: Asked) -> Canned:
        if question.method == "PUT":
            return 201, PUBLISHED, {}
        asked.append(question.path)
        return (503, {"title": "The storage cannot be reached now"}, {}) if len(asked) == 1 else (200, known(), {})

    with canned(answer) as url:
        done = type_(url, tmp_path, "upload", "--wait-visible", str(file))
    assert asked == ["/api/v1/releases/gtk/4.18.1"] * 2
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, URL)
    assert done.stderr.splitlines()[-3:] == [
        "Readers see it soon; pending: visible.",
        "waiting: The storage cannot be reached now",
        "Readers have it.",
    ]


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(status, "_PAUSE_S", 0.01)
    monkeypatch.setattr(status, "_PATIENCE_S", 0.2)
    with canned(lambda _: (200, known("purge", "visible"), {})) as url, pytest.raises(Failure) as failure:
        wait_until_visible(url, "gtk", "4.18.1")
    assert failure.value.status is Exit.UNAVAILABLE
    assert "readers do not have it yet: published; pending: purge, visible." in failure.value.lines[0]
    assert capsys.readouterr().err == "waiting: published; pending: purge, visible\n"


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ((200, known(), {}), 0, f"gtk 4.18.1: readers have it\n{URL}\nsha256 {SHA256}\n"),
        ((200, known("visible"), {}), 4, f"gtk 4.18.1: published; pending: visible\n{URL}\nsha256 {SHA256}\n"),
        ((404, {"code": "not_found", "title": "There is no such thing"}, {}), 3, ""),
    ],
)
def test_the_status_says_whether_readers_have_it(answer: Canned, status: int, said: str, tmp_path: Path) -> None:
    with canned(lambda _: answer) as url:
        done = type_(url, tmp_path, "status", "gtk", "4.18.1")
    assert (done.returncode, done.stdout) == (status, said)
