"""The command lines as people and jobs type them."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import components
from builders import a_tarball
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"


def run(command: str, *arguments: str | Path, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RELEASE_", "GNOME_"))}
    return subprocess.run(
        [components.command(command), *arguments],
        env=kept | environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def server(environment_of: Callable[[str], Environment], tmp_path: Path) -> Iterator[str]:
    with components.service(environment_of("embedded"), tmp_path / "log") as (base, _):
        yield base


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(a_tarball(NAME))
    return path


def upload(tarball: Path, server: str, token: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return run(
        "gnome-release",
        "upload",
        tarball,
        *options,
        home=tarball.parent,
        GNOME_RELEASE_SERVER=server,
        GNOME_RELEASE_TOKEN=token,
    )


def test_upload_prints_where_the_release_is_and_may_be_repeated(
    server: str, tarball: Path, gitlab: StandInGitLab
) -> None:
    for _ in range(2):
        done = upload(tarball, server, gitlab.token("GNOME/gtk", "4.18.1"))
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == "Published gtk 4.18.1 in series 4.18."
        assert lines[1] == f"{server}/sources/gtk/4.18/{NAME}"
        assert "100 % of" in done.stderr


def test_upload_as_json_prints_the_services_answer(server: str, tarball: Path, gitlab: StandInGitLab) -> None:
    done = upload(tarball, server, gitlab.token("GNOME/gtk", "4.18.1"), "--json")
    assert json.loads(done.stdout)["version"] == "4.18.1"


def test_a_refused_upload_says_why_and_exits_with_3(server: str, tarball: Path, gitlab: StandInGitLab) -> None:
    done = upload(tarball, server, gitlab.token("GNOME/gtk", "4.18.2"))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-3:] == [
        "The tag does not say this version. (tag_says_other_version)",
        "The tag is 4.18.2, the tarball says 4.18.1; accepted: 4.18.1, v4.18.1, gtk-4.18.1, GTK_4_18_1.",
        "Tag the commit with the version that the tarball carries, and let its pipeline upload it.",
    ]


def test_a_name_that_is_no_tarballs_is_refused_before_anything_is_sent(tarball: Path) -> None:
    wrong = tarball.rename(tarball.with_name("gtk.zip"))
    done = upload(wrong, "http://127.0.0.1:9", "token")
    assert (done.returncode, "(bad_tarball_name)" in done.stderr) == (3, True)


def test_without_a_token_it_says_how_to_get_one_and_exits_with_5(tarball: Path) -> None:
    done = upload(tarball, "http://127.0.0.1:9", "")
    assert (done.returncode, "id_tokens" in done.stderr) == (5, True)


def test_without_a_service_it_tries_again_and_exits_with_4(tarball: Path) -> None:
    port = components.free_port()
    done = upload(tarball, f"http://127.0.0.1:{port}", "token")
    assert (done.returncode, done.stderr.count("trying again in")) == (4, 3)


@pytest.mark.parametrize("page", [b"<html>Sign in</html>", b"[]", b'{"sha256": "' + b"0" * 64 + b'"}'])
def test_an_answer_that_is_not_the_services_is_never_success(tarball: Path, page: bytes) -> None:
    """A proxy that asks to sign in says 200 to everything."""

    class Proxy(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        done = upload(tarball, f"http://127.0.0.1:{proxy.server_port}", "token", "--json")
        proxy.shutdown()
    assert done.returncode == 4


def test_modules_are_registered_and_listed(environment_of: Callable[[str], Environment], tmp_path: Path) -> None:
    environment = environment_of("embedded")
    project = ["--project", "GNOME/gtk", "--project-id", "665", "--namespace-id", "8"]
    assert run("release-service", "modules", "add", "gtk+", *project, home=tmp_path, **environment).returncode == 0
    assert run("release-service", "modules", "add", "glib", home=tmp_path, **environment).returncode == 0
    twin = run("release-service", "modules", "add", "GLib", home=tmp_path, **environment)
    assert (twin.returncode, "glib" in twin.stderr) == (3, True)
    listed = run("release-service", "modules", "list", home=tmp_path, **environment)
    assert listed.stdout.splitlines() == ["glib\t-\t-\t-", "gtk+\tGNOME/gtk (665)\t-\t-"]
    moved = ["--project", "World/gtk", "--project-id", "665", "--namespace-id", "9"]
    assert run("release-service", "modules", "add", "gtk+", *moved, home=tmp_path, **environment).returncode == 0
    listed = run("release-service", "modules", "list", home=tmp_path, **environment)
    assert listed.stdout.splitlines() == ["glib\t-\t-\t-", "gtk+\tWorld/gtk (665)\t-\t-"]
    half = run("release-service", "modules", "add", "x", *moved[:4], home=tmp_path, **environment)
    assert half.returncode == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITLAB_ISSUER", "http://gitlab.gnome.org"),
        ("STORE_URL", "ftp://x"),
        ("COMPRESSIONS", "xz,rar"),
        ("STORE_URL", "s3://bucket/prefix"),
        ("DATABASE_URL", "nonsense"),
        ("MAX_TARBALL_BYTES", "-1"),
        ("UPLOAD_TIMEOUT_S", "nan"),
        ("GITLAB_ISSUER", "https://gitlab.gnome.org/"),
        ("MAX_MEMBERS", "many"),
    ],
)
def test_serve_refuses_settings_that_make_no_sense_naming_them(name: str, value: str, tmp_path: Path) -> None:
    done = run("release-service", "serve", home=tmp_path, **{f"RELEASE_SERVICE_{name}": value})
    assert (done.returncode, f"RELEASE_SERVICE_{name}" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
def test_serve_refuses_a_postgresql_database_that_is_not_migrated(postgresql_url: str, tmp_path: Path) -> None:
    done = run("release-service", "serve", home=tmp_path, RELEASE_SERVICE_DATABASE_URL=postgresql_url)
    assert (done.returncode, "release-service migrate" in done.stderr) == (4, True)


def test_serve_stops_in_order_when_told_to(environment_of: Callable[[str], Environment], tmp_path: Path) -> None:
    with components.service(environment_of("embedded"), tmp_path / "log") as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_demo_checks_what_it_has_published(tmp_path: Path) -> None:
    done = run("release-service", "demo", "--once", "--port", str(components.free_port()), home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "hello-gnome-48.1.tar.xz: OK" in done.stdout
