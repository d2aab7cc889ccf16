"""What an old tree has brought is repaired, yanked and quarantined as what was published here."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import old_tree
from archived import OFF, Archived, make_archived
from conftest import KINDS
from old_tree import OldModule
from release_service import documents, quarantine
from release_service.authorize.stewards import operator
from release_service.db import releases
from release_service.db.tables import FollowUp, Release
from release_service.demo.gitlab import StandInGitLab
from release_service.repair.record import Mismatch, Record
from release_service.yank import Reason, named, yank
from release_service.yank import quarantine as quarantine_
from uploads import Environment

pytestmark = pytest.mark.slow

SIGC = "sources/libsigc++"
OF_ATK = {f"sources/atk/1.2/atk-1.2.1.{ext}" for ext in ("tar.gz", "tar.bz2", "news", "changes")} | {
    "sources/atk/1.2/atk-1.2.1.md5sum",
    "sources/atk/1.2/atk-1.2.1.sha256sum",
    "sources/atk/patches/old/atk-1.2.0-1.2.1.diff.gz",
}


@pytest.fixture(params=KINDS)
def archived(
    request: pytest.FixtureRequest,
    environment_of: Callable[[str], Environment],
    gitlab: StandInGitLab,
    tmp_path: Path,
) -> Iterator[Archived]:
    """An archive of each kind, with an old tree in it."""
    with make_archived(environment_of(request.param), gitlab, tmp_path) as made:
        bring(made)
        yield made


@pytest.fixture
def local(environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path) -> Iterator[Archived]:
    """The same in a directory."""
    with make_archived(environment_of("embedded"), gitlab, tmp_path) as made:
        bring(made)
        yield made


def bring(archived: Archived) -> None:
    """Import a tree in which atk has files in other directories than its series'."""
    old = archived.home / "old"
    if not old.exists():
        old_tree.good_tree(old, without=["NetworkManager", "evolution-data-server"])
        atk = OldModule("atk")
        old_tree.of_2009(atk, "1.2.0", "1.2")
        old_tree.of_2009(atk, "1.2.1", "1.2")
        atk.add("1.2.1", "diff.gz", "patches/old/atk-1.2.0-1.2.1.diff.gz", b"diff")
        old_tree.write(old, [atk])
    done = archived.type("import", str(old))
    assert done.returncode == 0, done.stdout + done.stderr


def differences(archived: Archived, *options: str) -> set[tuple[str, str]]:
    """Return what reconcile names: kind and key."""
    told = json.loads(archived.type("reconcile", "--all", "--json", *options).stdout)
    return {(one["kind"], one["key"]) for one in told["findings"]}


def atk(archived: Archived) -> Release:
    with archived.uploads.parts.service.transactions.read() as session:
        return releases.held(session, named("atk", "1.2.1"))


def offered(archived: Archived) -> list[str]:
    listed: list[str] = json.loads(archived.uploads.read("sources/atk/cache.json"))[2]["atk"]
    return listed


def is_right(archived: Archived) -> bool:
    assert archived.type("reconcile", "--all").stdout.endswith(" 0 findings mended, 0 left\n")
    return archived.type("verify", "--all").returncode == 0


def test_an_imported_tree_agrees_and_nothing_of_it_is_written_anew_or_waited_for(archived: Archived) -> None:
    assert is_right(archived)
    assert ", 0 written, 0 left alone" in archived.type("reindex", "--all").stdout
    with archived.uploads.parts.service.transactions.read() as session:
        imported = [row for row in session.scalars(select(Release)) if releases.is_imported(row)]
        promised = set(session.scalars(select(FollowUp.release_id)))
    assert len(imported) == 8
    assert all(row.visible_at == row.published_at for row in imported)
    assert not promised & {row.id for row in imported}


def test_a_rebuilt_database_knows_the_imported_releases_and_the_old_tree_brings_the_files_of_none(
    archived: Archived,
) -> None:
    before, objects = archived.facts(), archived.objects()
    archived.empty()
    assert archived.type(*OFF).returncode == 0
    done = archived.type("rebuild")
    assert (done.returncode, done.stdout) == (0, "17 releases, 0 left out\n")
    assert archived.facts() == before | {"modules": sorted(set(before["modules"]))}
    alone = {f"{SIGC}/README", f"{SIGC}/2.0-rc/docs/old~/index.txt", "sources/gnome-docu/README"}
    assert alone <= {key for kind, key in differences(archived) if kind == "foreign"}
    bring(archived)
    assert is_right(archived)
    assert archived.objects() == objects


def test_lost_bytes_of_an_old_tree_are_named_and_what_the_rows_hold_is_written_again(local: Archived) -> None:
    news, alone, told = (
        "sources/atk/1.2/atk-1.2.1.news",
        f"{SIGC}/README",
        "sources/atk/1.2/atk-1.2.1.release.json",
    )
    pages = "sources/atk/patches/old/index.html", "sources/atk/1.2/index.html"
    for key in (news, alone, told, *pages):
        local.store.remove(key)
    assert differences(local) == {("missing", key) for key in (news, alone, told, *pages)}
    mended = local.type("reconcile", "--all", "--fix").stdout
    assert mended.count("only the bucket had these bytes") == 2
    assert differences(local) == {("missing", news), ("missing", alone)}


@pytest.mark.parametrize(
    "key", ["sources/atk/1.2/atk-1.2.1.tar.bz2", "sources/atk/patches/old/atk-1.2.0-1.2.1.diff.gz"]
)
def test_a_release_of_an_old_tree_that_lacks_a_file_is_not_adopted(local: Archived, key: str) -> None:
    local.store.remove(key)
    local.empty()
    assert local.type(*OFF).returncode == 0
    done = local.type("rebuild")
    assert done.returncode == 1
    assert f"{key} is missing" in done.stdout + done.stderr
    assert "atk 1.2.1" not in local.facts()


def test_a_release_of_an_old_tree_with_a_flipped_byte_beside_it_is_not_adopted(local: Archived) -> None:
    key = "sources/atk/1.2/atk-1.2.1.tar.bz2"
    content = local.uploads.read(key)
    local.put(key, content[:-1] + bytes([content[-1] ^ 1]))
    local.empty()
    assert local.type(*OFF).returncode == 0
    done = local.type("rebuild")
    assert done.returncode == 1
    assert f"{key} does not have SHA-256" in done.stdout + done.stderr
    assert "atk 1.2.1" not in local.facts()


def test_a_yanked_release_of_an_old_tree_is_not_offered_and_all_its_files_stay(local: Archived) -> None:
    assert offered(local) == ["1.2.0", "1.2.1"]
    yank(local.uploads.parts.service, operator("kim", "atk"), "1.2.1", Reason.parse("Wrong"))
    assert offered(local) == ["1.2.0"]
    assert set(local.uploads.stored()) >= OF_ATK | {"sources/atk/1.2/LATEST-IS-1.2.0"}
    assert b"1.2.1 was yanked: Wrong" in local.uploads.read("sources/atk/1.2/index.html")
    assert is_right(local)


def test_all_files_of_a_quarantined_release_of_an_old_tree_vanish_the_sums_first(archived: Archived) -> None:
    assert set(archived.uploads.stored()) >= OF_ATK
    order = quarantine.files(atk(archived))
    assert set(order) >= OF_ATK
    assert {key.rpartition(".")[2] for key in order[:2]} == {"md5sum", "sha256sum"}
    quarantine_(archived.uploads.parts.service, operator("kim", "atk"), "1.2.1", Reason.parse("Malware"))
    left = {key for key in archived.uploads.stored() if "atk-1.2.1" in key or "1.2.0-1.2.1" in key}
    assert left == {"sources/atk/1.2/atk-1.2.1.release.json"}
    assert offered(archived) == ["1.2.0"]
    pages = [key for key in archived.uploads.stored() if key.startswith("sources/atk/") and key.endswith("index.html")]
    assert not any(b"1.2.1" in archived.uploads.read(key) for key in pages)
    assert is_right(archived)


def test_a_release_json_that_leads_out_of_its_directory_is_refused(local: Archived) -> None:
    told: dict[str, Any] = json.loads(documents.release_json(atk(local)))
    key = "sources/atk/1.2/atk-1.2.1.release.json"
    assert Record.parse(key, json.dumps(told).encode()).objects.keys() == OF_ATK | {key}
    file = told["files"][0]
    for path in ("../gtk/4.18/" + file["name"], "/" + file["name"], "1.2/other.news", "1.2/index.html"):
        wrong = {**told, "files": [{**file, "path": path}]}
        with pytest.raises(Mismatch):
            Record.parse(key, json.dumps(wrong).encode())
    # Where a release lies that nobody has imported follows from its version.
    elsewhere = {**told, "series": "1.3", "files": [], "proof": {"kind": "job"}}
    with pytest.raises(Mismatch):
        Record.parse("sources/atk/1.3/atk-1.2.1.release.json", json.dumps(elsewhere).encode())
