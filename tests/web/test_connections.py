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

pytestmark = pytest.mark.slow

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


def test_trailers_are_not_kept(port: int) -> None:
    """What follows a chunked body is header fields again, and nobody had bounded those."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        try:
            for _ in range(640):
                peer.sendall(b"X: " + b"a" * 65_000 + b"\r\n")
        except OSError:
            pass  # closed meanwhile
    assert peak_mib(port) < 200


def peak_mib(port: int) -> int:
    """Return the highest resident size of the process that listens on *port*."""
    listening = subprocess.run(["pgrep", "-f", f"serve --port {port}"], capture_output=True, text=True, check=True)
    status = Path(f"/proc/{listening.stdout.split()[0]}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


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


def test_the_route_with_a_slash_too_many_does_not_look_like_success(port: int) -> None:
    """curl --fail-with-body takes a redirect for one."""
    answer = httpx2.post(f"http://127.0.0.1:{port}/install-module-release/", follow_redirects=False)
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["a" * 300, "gtk/4.18/" + "b" * 256, "gtk/" + "a" * 5000 + "/x", "gtk/" + "é" * 200])
def test_a_path_too_long_for_a_file_system_is_not_found(port: int, path: str) -> None:
    assert httpx2.get(f"http://127.0.0.1:{port}/sources/{path}").status_code == 404


def test_a_staging_directory_that_is_none_is_our_fault(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    (tmp_path / "staging").write_text("not a directory")
    with components.service(environment_of("embedded"), tmp_path / "log2") as (base, _):
        answer = httpx2.post(
            f"{base}/install-module-release",
            headers={"Authorization": f"Bearer {gitlab.token('GNOME/gtk', '4.18.1')}"},
            files={"tarball": (NAME, a_tarball(NAME))},
        )
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_readyz_names_the_part_that_is_down(environment_of: Callable[[str], Environment], tmp_path: Path) -> None:
    with components.service(environment_of("embedded"), tmp_path / "log") as (base, _):
        subprocess.run(["rm", "-rf", tmp_path / "tree"], check=True)
        (tmp_path / "tree").write_text("not a directory")
        answer = httpx2.get(f"{base}/readyz")
        assert (answer.status_code, "(store_unavailable)" in answer.text) == (503, True)
        assert httpx2.get(f"{base}/healthz").status_code == 200
