"""`make demo`: everything on this machine, nothing simulated but GitLab.

The service and GNOME's sign-in run as processes of their own; one tarball comes from a CI job, the
next one from a maintainer who signs in; and what is shown is read back over HTTP.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from rich.console import Console

from release_service.demo import module, person, sso
from release_service.demo.gitlab import StandInGitLab

_START_S = 30
_out = Console(highlight=False, soft_wrap=True)


def run(port: int, *, once: bool) -> int:
    """Run the demo on *port*, or a free one if it is taken; return the exit status.  *once*: check, then stop."""
    gitlab = StandInGitLab()
    home = Path(tempfile.mkdtemp(prefix="release-service-demo-"))
    base = f"http://127.0.0.1:{_free(port)}"
    sso_port = _free(port + 1)
    sign_in = person.start_sso(home, sso_port, base)
    service = _serve(gitlab, home, base, sso.issuer(sso_port) if sign_in else None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as by Ctrl+C: leave nothing running
    try:
        if not _is_ready(base, service):
            _out.print((home / "service.log").read_text())
            return 1
        _release_all(gitlab, home, base, can_sign_in=sign_in is not None)
        _show(base)
        if once:
            return _check(base, home)
        _out.print(f"\nThe service keeps running at {base}/ (files below {home}); Ctrl+C ends it.")
        _out.print(f"Sign in at {base}/auth/login as alice, bob or carol; the password is the name.")
        return service.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for process in filter(None, (service, sign_in)):
            process.terminate()
            process.wait()
        gitlab.stop()
        shutil.rmtree(home, ignore_errors=True)


def _serve(gitlab: StandInGitLab, home: Path, base: str, sso_issuer: str | None) -> subprocess.Popen[bytes]:
    settings = (
        {}
        if sso_issuer is None
        else {
            "SSO_ISSUER": sso_issuer,
            "SSO_WEB_CLIENT_SECRET": sso.WEB_CLIENT_SECRET,
        }
    )
    settings |= {
        "DATABASE_URL": f"sqlite:///{home}/release-service.db",
        "STORE_URL": f"file:{home}/tree",
        "GITLAB_ISSUER": gitlab.issuer,
        "BASE_URL": base,
        "PUBLIC_URL": base,
    }
    environment = {f"RELEASE_SERVICE_{name}": value for name, value in settings.items()}
    port = base.rpartition(":")[2]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own command
        [sys.executable, "-c", "from release_service.cli import main; main()", "serve", "--port", port],
        env=os.environ | environment,
        stderr=(home / "service.log").open("wb"),
    )


def _is_ready(base: str, service: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and service.poll() is None:
        try:
            if httpx2.get(f"{base}/readyz").is_success:
                return True
        except httpx2.TransportError:
            time.sleep(0.1)
    return False


def _release_all(gitlab: StandInGitLab, home: Path, base: str, *, can_sign_in: bool) -> None:
    *by_jobs, by_hand = module.VERSIONS
    for version in by_jobs:
        _release(gitlab, base, version)
    if can_sign_in:
        _out.rule(f"{module.NAME} {by_hand}, as a maintainer without CI sends it")
        person.release(home, base, by_hand, lambda line: _out.print(line, markup=False))
    else:
        _out.print("(nanoidp is not installed, so nobody can sign in: the next release comes from CI, too)")
        _release(gitlab, base, by_hand)


def _release(gitlab: StandInGitLab, base: str, version: str) -> None:
    filename, content = module.tarball(version)
    token = gitlab.token(f"GNOME/{module.NAME}", version)
    _out.rule(f"{filename}, as GNOME's CI component sends it")
    _out.print(f'curl --fail-with-body -X POST {base}/install-module-release -H "Authorization: Bearer $JWT"')
    _out.print(f"     -F tarball=@public-dist/{filename}\n")
    answer = httpx2.post(
        f"{base}/install-module-release",
        headers={"Authorization": f"Bearer {token}"},
        files={"tarball": (filename, content)},
        timeout=60,
    )
    _out.print(f"{answer.status_code}\n{answer.text}", end="")
    if not answer.is_success:
        raise SystemExit(1)


def _show(base: str) -> None:
    directory = f"{base}/sources/{module.NAME}"
    _out.rule("What distributions read")
    _out.print(f"{directory}/cache.json")
    _out.print(httpx2.get(f"{directory}/cache.json").text)
    _out.rule("What people look at")
    for url in (f"{base}/sources/", f"{directory}/", f"{directory}/48/"):
        httpx2.get(url).raise_for_status()
        _out.print(url)


def _check(base: str, home: Path) -> int:
    """Download each release and let sha256sum judge; return its exit status."""
    _out.rule("Downloaded again, and checked")
    listed = httpx2.get(f"{base}/sources/{module.NAME}/cache.json").json()
    downloads = home / "downloads"
    downloads.mkdir()
    if listed[2] != {module.NAME: list(module.VERSIONS)}:
        _out.print("cache.json does not list both versions")
        return 1
    for files in listed[1][module.NAME].values():
        for path in files.values():
            content = httpx2.get(f"{base}/sources/{module.NAME}/{path}").raise_for_status().content
            (downloads / Path(path).name).write_bytes(content)
    sums = sorted(path.name for path in downloads.glob("*.sha256sum"))
    return subprocess.run(["sha256sum", "-c", *sums], cwd=downloads, check=False).returncode  # noqa: S603, S607 - a reader's


def _free(port: int) -> int:
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("There is no free port.")
