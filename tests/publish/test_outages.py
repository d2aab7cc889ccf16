"""A part of ours that is down: 503 and Retry-After, nothing lost, and the same bytes are right again later."""

import io
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

import components
from builders import a_tarball
from release_service.archive.__main__ import main
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, make_uploads

NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)


@pytest.mark.real
def test_an_s3_that_is_down_costs_nothing_but_time(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    environment = environment_of("production")
    nowhere = {"s3_endpoint_url": f"http://127.0.0.1:{components.free_port()}"}
    with make_uploads(environment, gitlab, **nowhere) as uploads:
        answer = uploads.post(NAME, GOOD)
        assert (answer.status_code, "(store_unavailable)" in answer.text) == (503, True)
        assert int(answer.headers["retry-after"]) > 0
        assert uploads.http.get("/readyz").status_code == 503
    with make_uploads(environment, gitlab) as uploads:
        assert uploads.post(NAME, GOOD).status_code == 201
        assert uploads.read("sources/gtk/4.18/gtk-4.18.1.tar.xz") == GOOD


@pytest.mark.real
def test_a_database_that_is_down_lets_nothing_be_stored(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    home.chmod(0o755)
    environment = environment_of("embedded")
    server = components.postgresql(home)
    environment["RELEASE_SERVICE_DATABASE_URL"] = server.__enter__()
    try:
        with make_uploads(environment, gitlab) as uploads:
            server.__exit__(None, None, None)  # it stops, with our connections open
            answer = uploads.post(NAME, GOOD)
            assert (answer.status_code, "(database_unavailable)" in answer.text) == (503, True)
            assert int(answer.headers["retry-after"]) > 0
            assert uploads.http.get("/readyz").status_code == 503
            assert (uploads.stored(), uploads.staged()) == ([], [])
    finally:
        shutil.rmtree(home)


def inspected(content: bytes, top: str, file: BinaryIO) -> dict[str, object]:
    """Run what the inspecting process runs, here."""
    file.write(content)
    task = {"fd": file.fileno(), "compression": "xz", "top": top, "limits": {}}
    out = io.BytesIO()
    news = f"{len(content) // 2}\nend {len(content)}\n".encode()
    main(json.dumps(task), io.BytesIO(news), out)
    answer: dict[str, object] = json.loads(out.getvalue().partition(b"\n")[0])
    return answer


def test_the_inspecting_process_answers_in_a_line_what_it_found_and_what_it_refuses(tmp_path: Path) -> None:
    content = a_tarball(NAME, NEWS="1\n2\n3\n")
    with (tmp_path / "good").open("w+b", buffering=0) as file:
        found = inspected(content, "gtk-4.18.1", file)
    assert (found["members"], found["texts"]) == (2, {"NEWS": 6})
    with (tmp_path / "other").open("w+b", buffering=0) as file:
        assert inspected(content, "gtk-4.18.2", file)["rule"] == "TOPDIR"


def test_an_inspecting_process_whose_parent_has_gone_ends(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("rb") as file, pytest.raises(SystemExit):
        main(
            json.dumps({"fd": file.fileno(), "compression": "xz", "top": "x", "limits": {}}), io.BytesIO(), io.BytesIO()
        )
