"""Programs that fetch one tarball: resumed, in pieces at once, and as a build's dependency."""

import re
import sys
from pathlib import Path

import httpx2
import pytest

from components import needs
from front import Tree, run

pytest_plugins = ["front_tree"]
pytestmark = pytest.mark.real

BIG = "gnome-backgrounds-48.0.tar.gz"
_HAD = 3_000_001
_ARIA2_PIECE = 16 * 1024  # it resumes at the beginning of one


def test_curl_resumes_where_it_was_cut_off(tree: Tree, tmp_path: Path) -> None:
    content = tree.tarballs[BIG]
    (tmp_path / BIG).write_bytes(content[:_HAD])
    options = ["-fsS", "-C", "-", "-O", "-w", "%{http_code} %{size_download}"]
    done = run([needs("curl", "curl"), *options, tree.url_of(BIG)], tmp_path)
    assert done.stdout == f"206 {len(content) - _HAD}"
    assert (tmp_path / BIG).read_bytes() == content


def test_curl_fetches_nothing_of_what_it_has_whole(tree: Tree, tmp_path: Path) -> None:
    """It asks for the range after the end, and takes the 416 for "complete" (not so under --fail)."""
    (tmp_path / BIG).write_bytes(tree.tarballs[BIG])
    done = run([needs("curl", "curl"), "-sS", "-C", "-", "-O", "-w", "%{http_code}", tree.url_of(BIG)], tmp_path)
    assert done.stdout == "416"
    assert (tmp_path / BIG).read_bytes() == tree.tarballs[BIG]


def test_curl_asks_again_only_for_what_is_newer(tree: Tree, tmp_path: Path) -> None:
    url = f"{tree.url}/sources/gtk+/cache.json"
    options = ["-fsS", "--etag-save", "etag", "--etag-compare", "etag", "-o", "cache.json", "-w", "%{http_code} "]
    first = run([needs("curl", "curl"), *options, url], tmp_path)
    again = run([needs("curl", "curl"), *options, url], tmp_path)
    assert (first.stdout, again.stdout) == ("200 ", "304 ")


def test_aria2_fetches_four_pieces_at_once(tree: Tree, tmp_path: Path) -> None:
    options = ["-x4", "-s4", "-k1M", "--no-conf=true", "--log=log", "--log-level=info", "--quiet=true"]
    checksum = f"--checksum=sha-256={tree.sha256(BIG)}"
    run([needs("aria2c", "aria2"), *options, checksum, "--file-allocation=none", tree.url_of(BIG)], tmp_path)
    assert (tmp_path / BIG).read_bytes() == tree.tarballs[BIG]
    log = (tmp_path / "log").read_text()
    assert len(set(re.findall(r"(?m)^Range: bytes=(\d+)-", log))) >= 3  # the first one asks for no range
    assert "206 Partial Content" in log


def test_aria2_resumes_where_it_was_cut_off(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / BIG).write_bytes(tree.tarballs[BIG][:_HAD])
    options = ["--continue=true", "--no-conf=true", "--log=log", "--log-level=info", "--quiet=true"]
    run([needs("aria2c", "aria2"), *options, "--file-allocation=none", tree.url_of(BIG)], tmp_path)
    assert (tmp_path / BIG).read_bytes() == tree.tarballs[BIG]
    starts = [int(start) for start in re.findall(r"(?m)^Range: bytes=(\d+)-", (tmp_path / "log").read_text())]
    assert starts == [_HAD // _ARIA2_PIECE * _ARIA2_PIECE]


def test_wget_resumes_where_it_was_cut_off(tree: Tree, tmp_path: Path) -> None:
    content = tree.tarballs[BIG]
    (tmp_path / BIG).write_bytes(content[:_HAD])
    done = run([needs("wget", "wget"), "--no-config", "-c", "-S", tree.url_of(BIG)], tmp_path)
    assert "206 Partial Content" in done.stderr
    assert (tmp_path / BIG).read_bytes() == content


_MESON = "project('downstream')\n"
_WRAP = """[wrap-file]
directory = gtk+-3.24.52
source_url = {url}
source_filename = gtk+-3.24.52.tar.xz
source_hash = {sha256}
"""


def meson_project(home: Path, url: str, sha256: str) -> list[str | Path]:
    """Make a project that depends on gtk+ by a wrap; return the command that downloads it."""
    (home / "meson.build").write_text(_MESON)
    (home / "subprojects").mkdir()
    (home / "subprojects/gtk+.wrap").write_text(_WRAP.format(url=url, sha256=sha256))
    return [Path(sys.executable).with_name("meson"), "subprojects", "download"]


@pytest.mark.parametrize("plus", ["+", "%2B"])
def test_meson_downloads_a_wrap_by_the_hash_that_is_published(tree: Tree, tmp_path: Path, plus: str) -> None:
    url = tree.url_of("gtk+-3.24.52.tar.xz")
    published = httpx2.get(url.replace(".tar.xz", ".sha256sum")).text.splitlines()[-1].split("  ")[0]
    run(meson_project(tmp_path, url.replace("+", plus), published), tmp_path)
    assert (tmp_path / "subprojects/gtk+-3.24.52/meson.build").exists()
    cached = tmp_path / "subprojects/packagecache/gtk+-3.24.52.tar.xz"
    assert cached.read_bytes() == tree.tarballs["gtk+-3.24.52.tar.xz"]


@pytest.mark.old_tree
def test_sha256sum_checks_what_was_downloaded(tree: Tree, tmp_path: Path) -> None:
    stem = "hello-gnome-48.1"
    for ext in ("tar.xz", "news", "changes", "sha256sum"):
        url = tree.url_of(f"{stem}.tar.xz").replace("tar.xz", ext)
        run([needs("curl", "curl"), "-fsSO", url], tmp_path)
    done = run([needs("sha256sum", "coreutils"), "--strict", "--check", f"{stem}.sha256sum"], tmp_path)
    assert done.stdout.count(": OK") == 3
