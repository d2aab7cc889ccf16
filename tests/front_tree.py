"""One published tree a session and kind: served by the service itself, and from S3 through Varnish."""

import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

import builders
import components
import old_tree
from front import Front, Project, Tree, public_bucket, varnish
from old_tree import OldModule
from release_service.demo.gitlab import StandInGitLab
from release_service.version import Version

_NEWS = "Changes in 48.{0}\n================\n\n- Say hello {0} times\n- Translations\n\n"
_PROJECTS = {
    "gtk+": Project("GNOME/gtk", "665", "8"),
    "gnome-shell": Project("GNOME/gnome-shell", "546", "8"),
    "libsigc++": Project("libsigcplusplus/libsigcplusplus", "7001", "701"),
    "hello-gnome": Project("GNOME/hello-gnome", "1665", "8"),
    "gnome-backgrounds": Project("GNOME/gnome-backgrounds", "1239", "8"),
    "polled-early": Project("GNOME/polled-early", "2001", "8"),
    "something-else": Project("GNOME/something-else", "2002", "8"),
}
_BIG = 8 * 1024 * 1024


@pytest.fixture(scope="session", params=["directory", "bucket", "old-directory", "old-bucket"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A tree with releases in it: of the service (SQLite, a directory), or of a bucket (PostgreSQL) behind Varnish.

    They were uploaded; or, old-..., an old tree was imported.
    """
    home = tmp_path_factory.mktemp(request.param)
    gitlab: StandInGitLab = request.getfixturevalue("gitlab")
    with ExitStack() as stack:
        settings = {"GITLAB_ISSUER": gitlab.issuer, "STAGING_DIR": str(home / "staging")}
        front = None
        if request.param.endswith("directory"):
            settings |= {"DATABASE_URL": f"sqlite:///{home}/db", "STORE_URL": f"file:{home}/tree"}
        else:
            s3_url: str = request.getfixturevalue("seaweedfs")
            bucket = public_bucket(s3_url)
            front = stack.enter_context(varnish(_directory(home / "front"), s3_url, bucket))
            settings |= {
                "DATABASE_URL": _database(request.getfixturevalue("postgresql")),
                "S3_ENDPOINT_URL": s3_url,
                "STORE_URL": f"s3://{bucket}",
                "PUBLIC_URL": front.url,
            }
        environment = {f"RELEASE_SERVICE_{name}": value for name, value in settings.items()}
        if front:
            _command(environment, "migrate")  # an SQLite database is migrated by the service
        files = 5000 if request.config.getoption("--all-trees") else 0
        imported = _import(environment, home / "old", files) if request.param.startswith("old-") else {}
        service, _ = stack.enter_context(components.service(environment, home / "log"))
        front = front or Front(service, lambda: None)
        _register_modules(environment)
        published = Tree(request.param, front.url, service, front.forget, gitlab, _PROJECTS, imported)
        for filename, content in (_releases() if not imported else {}).items():
            published.upload(filename, content)
        published.forget()
        yield published


def _releases() -> dict[str, bytes]:
    news = [_NEWS.format(1) + _NEWS.format(0), _NEWS.format(0)]
    plain = [
        "gtk+-3.24.51.tar.xz",
        "gtk+-3.24.52.tar.xz",
        "gnome-shell-48.alpha.tar.xz",
        "gnome-shell-48.0.tar.xz",
        "gnome-shell-48.1.tar.xz",
        "gnome-shell-49.alpha.tar.xz",
        "libsigc++-3.6.0.tar.xz",
    ]
    releases = {filename: builders.a_tarball(filename) for filename in plain}
    releases["hello-gnome-48.0.tar.xz"] = builders.a_tarball(
        "hello-gnome-48.0.tar.xz", NEWS=news[1], ChangeLog="commit 1\n\n    Say hello\n\n"
    )
    releases["hello-gnome-48.1.tar.xz"] = builders.a_tarball(
        "hello-gnome-48.1.tar.xz", NEWS=news[0], ChangeLog="commit 2\n\n    Again\n\ncommit 1\n\n    Say hello\n\n"
    )
    # Nothing to compress in it, so that it is large where it is downloaded, too.
    noise = random.Random(48).randbytes(_BIG)  # noqa: S311 - the same each time, and no secret
    members = {"meson.build": b"project('gnome-backgrounds')\n", "adwaita.jxl": noise}
    releases["gnome-backgrounds-48.0.tar.gz"] = builders.compress("gz", builders.tar(members, "gnome-backgrounds-48.0"))
    return releases


def _import(environment: dict[str, str], old: Path, files: int) -> dict[str, bytes]:
    """Import the same releases from an old tree, *files* others beside them; return the tarballs, by name."""
    modules: dict[str, OldModule] = {}
    for filename, content in sorted(_releases().items(), key=lambda release: release[0]):
        release, _, compression = filename.partition(".tar.")
        name, _, text = release.rpartition("-")
        version = Version.parse(text)
        module = modules.setdefault(name, OldModule(name))
        news = {"news": _NEWS.format(1).encode(), "changes": b"commit 2\n"} if name == "hello-gnome" else {}
        summed = {**news, f"tar.{compression}": content}
        sums = old_tree.sums("sha256", {f"{release}.{ext}": found for ext, found in summed.items()})
        module.release(text, version.series, {**summed, "sha256sum": sums})
    for module in modules.values():
        module.listed = dict(sorted(module.listed.items(), key=lambda listed: Version.parse(listed[0])))
    old_tree.write(old, modules.values())
    old_tree.good_tree(old, without=[*modules, "NetworkManager"])
    old_tree.large_tree(old, files)
    _command(environment, "import", str(old))
    return {path.name: path.read_bytes() for path in old.rglob("*.tar.*")}


def _register_modules(environment: dict[str, str]) -> None:
    """Bind each module to its project: that of gtk+ is not called so."""
    for name, project in _PROJECTS.items():
        if project.path == f"GNOME/{name}":
            continue  # it claims its module by its first release
        ids = ["--project-id", project.id, "--namespace-id", project.namespace_id]
        _command(environment, "modules", "add", name, "--project", project.path, *ids)


def _command(environment: dict[str, str], *arguments: str) -> None:
    program = Path(sys.executable).with_name("release-service")
    subprocess.run([program, *arguments], env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)


def _directory(path: Path) -> Path:
    path.mkdir()
    return path


def _database(server: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.rpartition("/")[0] + f"/{name}"
