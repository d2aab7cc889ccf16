"""Programs that mirror the tree by its HTML indexes; the second pass fetches nothing."""

import json
from pathlib import Path

import pytest

from components import needs
from front import Tree, run

pytest_plugins = ["front_tree"]
pytestmark = pytest.mark.real


def tarballs_below(mirror: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in mirror.rglob("*.tar.*")}


def files_below(mirror: Path) -> set[str]:
    return {str(path.relative_to(mirror)) for path in mirror.rglob("*") if path.is_file()}


def expected_beside(tree: Tree) -> set[str]:
    """What stands beside the tarballs and must be mirrored, too: a sample of each kind."""
    assert tree.tarballs
    return {
        "gtk+/cache.json",
        "gtk+/3.24/LATEST-IS-3.24.52",
        "gtk+/3.24/gtk+-3.24.51.sha256sum",
        "libsigc++/3.6/libsigc++-3.6.0.sha256sum",
        "hello-gnome/48/hello-gnome-48.1.news",
        "hello-gnome/48/hello-gnome-48.1.changes",
    }


def wget(tree: Tree, home: Path) -> str:
    options = ["--no-config", "--mirror", "--no-parent", "--no-host-directories", "--no-verbose", "--server-response"]
    return run([needs("wget", "wget"), *options, f"{tree.url}/sources/"], home).stderr


def test_wget_mirrors_the_tree_and_then_fetches_nothing(tree: Tree, tmp_path: Path) -> None:
    assert "200 OK" in wget(tree, tmp_path)
    assert tarballs_below(tmp_path) == tree.tarballs
    assert expected_beside(tree) <= files_below(tmp_path / "sources")
    again = wget(tree, tmp_path)
    assert "304 Not Modified" in again
    assert "200 OK" not in again.replace("/robots.txt", "")


def lftp(tree: Tree, home: Path) -> str:
    commands = [
        "set cmd:fail-exit true",
        "set net:max-retries 1",
        "set http:use-propfind false",
        f"open {tree.url}/sources/",
        "mirror --verbose=3 /sources/ sources",
    ]
    return run([needs("lftp", "lftp"), "--norc", "-c", "; ".join(commands)], home).stdout


def test_lftp_mirrors_the_tree_and_then_fetches_nothing(tree: Tree, tmp_path: Path) -> None:
    assert "Transferring file" in lftp(tree, tmp_path)
    assert tarballs_below(tmp_path) == tree.tarballs
    assert expected_beside(tree) <= files_below(tmp_path / "sources")
    assert "Transferring file" not in lftp(tree, tmp_path)


def rclone(tree: Tree, home: Path) -> tuple[int, int]:
    """Sync; return how many files were transferred, and how many were checked."""
    options = ["--config", "rclone.conf", "--http-url", tree.url, "--use-json-log", "-v", "--retries", "1"]
    command = [needs("rclone", "rclone"), "sync", ":http:sources/", "sources", *options]
    (home / "rclone.conf").touch()
    lines = [json.loads(line) for line in run(command, home).stderr.splitlines()]
    stats = [line["stats"] for line in lines if "stats" in line][-1]
    assert stats["errors"] == 0
    return stats["transfers"], stats["checks"]


@pytest.mark.old_tree
def test_rclone_syncs_the_tree_and_then_fetches_nothing(tree: Tree, tmp_path: Path) -> None:
    transferred, _ = rclone(tree, tmp_path)
    assert transferred >= len(tree.tarballs)
    assert tarballs_below(tmp_path) == tree.tarballs
    assert expected_beside(tree) <= files_below(tmp_path / "sources")
    assert rclone(tree, tmp_path) == (0, transferred)
