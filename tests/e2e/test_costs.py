"""What an upload may cost: bytes of a refused client, memory of the service."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import components
from builders import noise_tarball
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

pytestmark = [pytest.mark.real, pytest.mark.alone]

MIB = 1024 * 1024


@pytest.fixture
def serving(
    environment_of: Callable[[str], Environment], tmp_path: Path
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    with components.service(environment_of("embedded"), tmp_path / "log") as running:
        yield running


def test_a_401_costs_the_client_less_than_a_mebibyte_of_200(serving: tuple[str, "subprocess.Popen[bytes]"]) -> None:
    """A client that knows no Expect: 100-continue pushes on until it is told."""
    host, port = "127.0.0.1", int(serving[0].rpartition(":")[2])
    with socket.create_connection((host, port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        client.sendall(
            b"PUT /api/v1/tarballs/gtk-4.18.1.tar.xz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n"
            b"Content-Length: %d\r\n\r\n" % (200 * MIB)
        )
        client.setblocking(False)
        sent, answer = 0, b""
        until = time.monotonic() + 20
        while not answer and time.monotonic() < until:
            try:
                sent += client.send(bytes(64 * 1024))
            except BlockingIOError:
                time.sleep(0.001)
            try:
                answer = client.recv(65536)
            except BlockingIOError:
                continue
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()
    assert sent < MIB


def test_memory_does_not_grow_with_the_tarball(
    serving: tuple[str, "subprocess.Popen[bytes]"], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    base, process = serving
    warm_up(base, gitlab, tmp_path)
    idle = peak_mib(process.pid)
    assert send(base, gitlab, noise_tarball("big-1.0", 1000 * MIB, tmp_path)) == "201"
    assert peak_mib(process.pid) - idle < 64


def test_memory_is_bounded_with_eight_uploads_at_once(
    serving: tuple[str, "subprocess.Popen[bytes]"], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    base, process = serving
    warm_up(base, gitlab, tmp_path)
    idle = peak_mib(process.pid)
    tarballs = [noise_tarball(f"big{number}-1.0", 100 * MIB, tmp_path) for number in range(8)]
    with ThreadPoolExecutor(8) as together:
        assert set(together.map(lambda path: send(base, gitlab, path), tarballs)) == {"201"}
    assert peak_mib(process.pid) - idle < 150


def warm_up(base: str, gitlab: StandInGitLab, home: Path) -> None:
    assert send(base, gitlab, noise_tarball("small-1.0", MIB, home)) == "201"


def send(base: str, gitlab: StandInGitLab, path: Path) -> str:
    module = path.name.partition("-")[0]
    token = gitlab.token(f"GNOME/{module}", "1.0")
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-X", "POST", f"{base}/install-module-release"]
    form = ["-H", f"Authorization: Bearer {token}", "-F", f"tarball=@{path}"]
    return subprocess.run([*command, *form], capture_output=True, text=True, check=True).stdout


def peak_mib(pid: int) -> int:
    """Return the highest resident size that the process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
