"""`release-service rebuild`: the bucket alone makes the database again, and nothing of the tree changes by that."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from archived import NEWS, OFF, ON, Archived, make_archived
from conftest import KINDS
from registry import ASC, DIRECTORY, signature
from release_service.db.tables import Module, Release
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

pytestmark = pytest.mark.slow

RING = "sources/gtk/gtk.keyring.asc"


@pytest.fixture(params=KINDS)
def archived(
    request: pytest.FixtureRequest,
    environment_of: Callable[[str], Environment],
    gitlab: StandInGitLab,
    tmp_path: Path,
) -> Iterator[Archived]:
    """An archive of each kind."""
    with make_archived(environment_of(request.param), gitlab, tmp_path) as made:
        yield made


@pytest.fixture
def local(environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path) -> Iterator[Archived]:
    """An archive in a directory."""
    with make_archived(environment_of("embedded"), gitlab, tmp_path) as made:
        yield made


def test_a_rebuilt_database_knows_the_same_and_changes_no_object(archived: Archived) -> None:
    publish_glib_a_day_later(archived)
    before, objects = archived.facts(), archived.objects()
    assert any(b'"published": ' in content for content in objects.values())
    archived.empty()
    assert archived.type(*OFF).returncode == 0
    done = archived.type("rebuild")
    assert (done.returncode, done.stdout) == (0, "9 releases, 0 left out\n")
    assert archived.facts() == before
    done = archived.type("reindex", "--all")
    assert (done.returncode, done.stdout) == (0, "3 modules, 30 objects, 0 written, 0 left alone\n")
    assert archived.type("reconcile", "--all").stdout.endswith(", 0 findings mended, 0 left\n")
    assert archived.type("verify", "--all").returncode == 0
    assert archived.objects() == objects
    assert archived.type("audit", "verify").returncode == 0
    rows = [row for row in archived.uploads.audited() if row["code"] == "release_adopted"]
    assert {f"{row['module']} {row['version']}" for row in rows} == before.keys() - {"modules", "digests"}
    assert all(len(row["detail"]["release_json"]) == 64 for row in rows)


def publish_glib_a_day_later(archived: Archived) -> None:
    """As an upload that died before midnight, and was finished after it."""
    of_glib = select(Module.id).where(Module.name == "glib").scalar_subquery()
    (at,) = {row["claimed_at"] for name, row in archived.facts().items() if name == "glib 2.81.0"}
    archived.execute(
        update(Release)
        .where(Release.module_id == of_glib, Release.version == "2.81.0")
        .values(published_at=at + timedelta(days=1))
    )
    done = archived.type("reindex", "glib")
    assert (done.returncode, done.stdout) == (0, "1 modules, 13 objects, 3 written, 0 left alone\n")


def test_only_an_empty_database_is_rebuilt_and_only_while_nobody_uploads(local: Archived) -> None:
    before, ring = local.facts(), local.uploads.read(RING)
    done = local.type("rebuild")
    assert (done.returncode, "database_not_empty" in done.stderr) == (3, True)
    assert local.facts() == before
    local.empty()
    done = local.type("rebuild")
    assert (done.returncode, "uploads_not_off" in done.stderr) == (3, True)
    assert local.facts()["modules"] == []
    rebuild(local)
    the_next_release_has_the_same_news_and_keeps_the_keyring(local, ring)


def rebuild(local: Archived) -> None:
    for words in (OFF, ("rebuild",), ON):
        assert local.type(*words).returncode == 0


def the_next_release_has_the_same_news_and_keeps_the_keyring(local: Archived, ring: bytes) -> None:
    """The registrations of the keys are lost; what verifies the old signature stays."""
    local.publish("gtk-4.18.4.tar.xz", NEWS="4\n=\n\n* brand new\n* truly\n\n" + NEWS.format(3) + "1\n2\n3\n4\n")
    assert local.uploads.read(f"{DIRECTORY}/gtk-4.18.4.news") == b"4\n=\n\n* brand new\n* truly\n\n"
    assert local.uploads.read(RING) == ring
    assert ASC in local.uploads.stored()


def test_what_disagrees_with_its_release_json_is_left_out_and_named(local: Archived) -> None:
    expected = {
        f"{DIRECTORY}/gtk-4.18.1": "The signature does not hold: ",
        f"{DIRECTORY}/gtk-4.18.2": f"{DIRECTORY}/gtk-4.18.2.news has SHA-256",
        f"{DIRECTORY}/gtk-4.18.3": "tells what this service would not, or in other words.",
        "sources/gtk/4.20/gtk-4.20.0": "sources/gtk/4.20/gtk-4.20.0.tar.gz has SHA-256",
        "sources/gtk+/3.24/gtk+-3.24.1": "sources/gtk+/3.24/gtk+-3.24.1.tar.xz is missing.",
        "sources/glib/2.80/glib-2.80.1": "It is no release.json of this service (JSONDecodeError).",
        "sources/glib/2.80/glib-2.80.2": "sources/glib/2.80/glib-2.80.2.sha256sum says something else.",
        "sources/glib/2.81/glib-2.81.0": "tar.gz has 1 bytes, and should have",
    }
    for key in (
        "sources/glib/2.80/glib-2.80.2.sha256sum",
        f"{DIRECTORY}/gtk-4.18.2.news",
        "sources/gtk/4.20/gtk-4.20.0.tar.gz",
    ):
        content = local.uploads.read(key)
        local.put(key, content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    key = f"{DIRECTORY}/gtk-4.18.3.release.json"
    local.put(key, local.uploads.read(key).replace(b'"files"', b'"more": 1,\n  "files"'))
    local.store.remove("sources/gtk+/3.24/gtk+-3.24.1.tar.xz")
    local.put("sources/glib/2.80/glib-2.80.1.release.json", b"{")
    # As good a signature, of other bytes: what release.json says of it is true.
    local.put(ASC, signature(data=b"other"))
    local.put("sources/glib/2.81/glib-2.81.0.tar.gz", b"x")
    local.empty()
    assert local.type(*OFF).returncode == 0
    done = local.type("rebuild")
    *told, last = done.stdout.splitlines()
    assert (done.returncode, last) == (1, "1 releases, 8 left out")
    for begin, why in expected.items():
        (line,) = [line for line in told if line.startswith(f"left out: {begin}.release.json: ")]
        assert why in line
    assert local.facts().keys() == {"glib 2.80.10", "modules", "digests"}
    objects = local.objects()
    assert local.type("reindex", "--all").stdout.startswith("left alone: glib: ")
    assert local.objects() == objects
