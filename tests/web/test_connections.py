"""What a peer may do before anybody knows who it is, and what never reaches a log."""

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

import components
from builders import a_tarball
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

NAME = "gtk-4.18.1.tar.xz"


@pytest.fixture
def port(environment_of: Callable[[str], Environment], tmp_path: Path) -> Iterator[int]:
    environment = environment_of("embedded") | {
        "RELEASE_SERVICE_HEADER_TIMEOUT_S": "1",
        "RELEASE_SERVICE_UPLOAD_RATE_GRACE_S": "1",
        "RELEASE_SERVICE_UPLOAD_IDLE_TIMEOUT_S": "2",
        "RELEASE_SERVICE_LOG_FORMAT": "json",
    }
    with components.service(environment, tmp_path / "log") as (base, _):
        yield int(base.rpartition(":")[2])


def answer_to(port: int, *pieces: bytes, pause_s: float = 0) -> bytes:
    """Send *pieces*, resting between them; return all that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        try:
            for piece in pieces:
                peer.sendall(piece)
                time.sleep(pause_s)
        except OSError:
            pass  # closed already: what was said before is what counts
        answer = b""
        try:
            while more := peer.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
        return answer


def test_a_header_without_end_is_cut_off(port: int) -> None:
    endless = [b"a" * 65536] * 320
    answer = answer_to(port, b"GET / HTTP/1.1\r\nHost: x\r\nX: ", *endless)
    assert b" 200 " not in answer
    assert httpx2.get(f"http://127.0.0.1:{port}/healthz").text == "ok\n"


def test_a_header_that_never_ends_is_not_waited_for(port: int) -> None:
    began = time.monotonic()
    assert answer_to(port, b"GET / HTTP/1.1\r\nHost: x\r\n") == b""
    assert time.monotonic() - began < 10


def test_a_body_of_a_byte_a_second_is_refused(port: int, gitlab: StandInGitLab) -> None:
    head = (
        f"PUT /api/v1/tarballs/{NAME} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
        f"Authorization: Bearer {gitlab.token('GNOME/gtk', '4.18.1')}\r\n\r\n"
    )
    answer = answer_to(port, head.encode(), *[b"x"] * 4, pause_s=0.5)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"(upload_too_slow)" in answer


@pytest.mark.parametrize("length", ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: -1"])
def test_a_body_of_two_lengths_or_a_negative_one_is_refused(port: int, length: str) -> None:
    answer = answer_to(port, f"POST /install-module-release HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400")


def test_a_body_that_says_to_be_too_long_is_refused_at_once(port: int, gitlab: StandInGitLab) -> None:
    head = (
        f"PUT /api/v1/tarballs/{NAME} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n"
        f"Authorization: Bearer {gitlab.token('GNOME/gtk', '4.18.1')}\r\n\r\n"
    )
    assert answer_to(port, head.encode()).startswith(b"HTTP/1.1 413")


def test_no_token_reaches_the_log(port: int, gitlab: StandInGitLab, tmp_path: Path) -> None:
    good = gitlab.token("GNOME/gtk", "4.18.1")
    for token in (good, good, gitlab.token("GNOME/gtk", "4.18.1", ref_protected="false"), good[:-9] + "AAAAAAAAA", "x"):
        httpx2.post(
            f"http://127.0.0.1:{port}/install-module-release",
            headers={"Authorization": f"Bearer {token}"},
            files={"tarball": (NAME, a_tarball(NAME))},
        )
    log = (tmp_path / "log").read_text()
    assert log.count('"event": "refused"') == 3
    assert log.count('"event": "published"') == 2
    assert not re.search("eyJ|Bearer|Authorization", log)


def test_readyz_names_the_part_that_is_down(environment_of: Callable[[str], Environment], tmp_path: Path) -> None:
    with components.service(environment_of("embedded"), tmp_path / "log") as (base, _):
        subprocess.run(["rm", "-rf", tmp_path / "tree"], check=True)
        (tmp_path / "tree").write_text("not a directory")
        answer = httpx2.get(f"{base}/readyz")
        assert (answer.status_code, "(store_unavailable)" in answer.text) == (503, True)
        assert httpx2.get(f"{base}/healthz").status_code == 200
