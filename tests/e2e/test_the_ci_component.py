"""CONTRACT.md 1's exact curl line against `release-service serve`, on both sets of kinds."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import components
from builders import a_tarball
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, open_store

pytestmark = pytest.mark.real

RELEASES = {
    "gtk-4.18.1.tar.xz": "4.18.1\n\n* a\n* b\n",
    "gtk-4.18.2.tar.xz": "4.18.2\n\n* c\n* d\n\n4.18.1\n\n* a\n* b\n",
}


def curl(base: str, token: str, tarball: Path) -> subprocess.CompletedProcess[str]:
    """Send *tarball* as the CI component does; the token comes from a variable, as there."""
    line = (
        'curl --fail-with-body -X POST "$SERVICE/install-module-release" '
        '-H "Authorization: Bearer $JWT" -F tarball=@public-dist/' + tarball.name
    )
    return subprocess.run(
        ["bash", "-c", line],
        env={"PATH": "/usr/bin:/bin", "SERVICE": base, "JWT": token},
        cwd=tarball.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def migrated(environment: Environment) -> Environment:
    subprocess.run([components.command("release-service"), "migrate"], env=os.environ | environment, check=True)
    return environment


def published_tree(
    kind: str, environment: Environment, gitlab: StandInGitLab, home: Path
) -> tuple[dict[str, bytes], list[str]]:
    """Publish RELEASES by curl; return {key: content} of the whole tree, and what curl printed."""
    dist = home / "public-dist"
    dist.mkdir(exist_ok=True)
    printed = []
    with components.service(migrated(environment), home / f"{kind}.log") as (base, _):
        for name, news in RELEASES.items():
            (dist / name).write_bytes(a_tarball(name, NEWS=news, ChangeLog=news))
            version = name.removeprefix("gtk-").removesuffix(".tar.xz")
            done = curl(base, gitlab.token("GNOME/gtk", version), dist / name)
            assert done.returncode == 0, done.stdout
            printed.append(done.stdout.replace(base, "BASE"))
    with open_store(environment) as store:
        documents = {key: store.read(key) for key in store.keys("")}
    return {key: document.content for key, document in documents.items() if document}, printed


def without_time(key: str, content: bytes) -> object:
    """Return what can be compared: release.json holds the moment when its tarball came."""
    if not key.endswith(".release.json"):
        return content
    document = json.loads(content)
    assert document.pop("received")
    document["proof"].pop("issuer")
    return document


def test_the_tree_is_byte_identical_on_sqlite_and_files_and_on_postgresql_and_s3(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    files, said_embedded = published_tree("embedded", environment_of("embedded"), gitlab, tmp_path)
    objects, said_production = published_tree("production", environment_of("production"), gitlab, tmp_path)
    assert sorted(files) == sorted(objects)
    assert len(files) == 16
    for key, content in files.items():
        assert without_time(key, content) == without_time(key, objects[key]), key
    assert said_embedded == said_production


def test_a_refusal_is_three_readable_lines_in_the_job_log_and_fails_the_job(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    dist = tmp_path / "public-dist"
    dist.mkdir()
    (dist / "gtk-4.18.1.tar.xz").write_bytes(a_tarball("gtk-4.18.1.tar.xz"))
    with components.service(environment_of("embedded"), tmp_path / "log") as (base, _):
        token = gitlab.token("GNOME/gtk", "4.18.1", ref_protected="false")
        done = curl(base, token, dist / "gtk-4.18.1.tar.xz")
    assert done.returncode == 22
    assert done.stdout.splitlines() == [
        "The job does not run for a protected tag. (tag_not_protected)",
        "The tag 4.18.1 is not protected.",
        "Protect `*.*` in Settings > Repository > Protected tags; then delete the tag, and push it again.",
    ]
