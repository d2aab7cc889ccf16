"""A maintainer at her desk: signs in, asks, uploads, all with `gnome-release` as anybody would type it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import httpx2

from release_service.demo import module, sso

NAME = "alice"
_LINK = re.compile(r"https?://\S+user_code=(\w+)\S*")
_START_S = 30
_SSO = "from release_service.demo.sso import main; main()"  # by -m it would be imported twice
Show = Callable[[str], None]


def start_sso(home: Path, port: int, base: str) -> "subprocess.Popen[bytes] | None":
    """Start GNOME's sign-in on *port*; None where nanoidp is not installed (it is no part of the service)."""
    if find_spec("nanoidp") is None:
        return None
    options = ["--port", str(port), "--home", str(home / "sso"), "--web-callback", f"{base}/auth/callback"]
    process = subprocess.Popen([sys.executable, "-c", _SSO, *options])  # noqa: S603 - ours
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx2.get(f"{sso.issuer(port)}/.well-known/openid-configuration").raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            break
    return process


def release(home: Path, base: str, version: str, show: Show) -> None:
    """Sign in at *base*, ask whether *version* would be accepted, and upload it; raises SystemExit if it is not."""
    filename, content = module.tarball(version)
    (home / filename).write_bytes(content)
    _sign_in(home, base, show)
    for command in (["check", filename], ["upload", filename], ["whoami"]):
        show(f"\n$ gnome-release {' '.join(command)}")
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "release_service.client", *command],
            cwd=home,
            env=_environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        show(done.stdout.rstrip())
        if done.returncode:
            raise SystemExit(1)


def _sign_in(home: Path, base: str, show: Show) -> None:
    """Follow the link that is shown, as a browser would, and confirm its code."""
    show(f"$ gnome-release login --server {base}")
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "release_service.client", "login", "--no-browser", "--server", base],
        cwd=home,
        env=_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as login:
        for line in login.stdout or ():
            show(line.rstrip())
            if link := _LINK.search(line):
                form = {"user_code": link[1], "username": NAME, "password": NAME, "action": "authorize"}
                httpx2.post(link[0], data=form).raise_for_status()
    if login.returncode:
        raise SystemExit(1)


def _environment(home: Path) -> dict[str, str]:
    """Return her environment: the demo must not touch the real keyring, nor find a real job's token."""
    inherited = {name: value for name, value in os.environ.items() if not value.startswith("eyJ")}
    inherited.pop("GITLAB_CI", None)
    return inherited | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONUNBUFFERED": "1",
    }
