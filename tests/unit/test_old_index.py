"""What an old tree says of a module: by its cache.json, by its files' names, and by its checksum files."""

import json
from pathlib import Path

import pytest

import old_tree
from release_service.importing import old_index, sums
from release_service.importing.problems import Kind
from release_service.importing.source import is_plain, sorted_out

# {path: (version, ext)}; none is a file of no release.
NAMES = {
    "1.0/m-1.0.4.tar.gz": ("1.0.4", "tar.gz"),
    "1.0/m-1.0.3-1.0.4.diff.gz": ("1.0.4", "diff.gz"),
    "1.0/m-1.0.4.md5sum": ("1.0.4", "md5sum"),
    "1.0/m-1.0.4.tar.gz.md5": None,
    "48/m-48.alpha.tar.xz": ("48.alpha", "tar.xz"),
    "48/m-48.alpha.news": ("48.alpha", "news"),
    "2/m-2-rc1.tar.bz2": ("2-rc1", "tar.bz2"),
    "m-0.1.tar.gz": ("0.1", "tar.gz"),
    "3.0/m-3.0.zip": None,
    "3.0/m-3.0.news": None,
    "3.0/other-3.0.tar.gz": None,
    "README": None,
}


def test_without_a_cache_json_the_names_say_which_file_belongs_to_which_version() -> None:
    found = old_index.read("m", list(NAMES), None)
    read = {path: (str(release.version), ext) for release in found.releases for ext, path in release.files.items()}
    assert read == {path: said for path, said in NAMES.items() if said}
    assert sorted(found.others) == sorted(path for path, said in NAMES.items() if said is None)
    assert [str(release.version) for release in found.releases] == ["0.1", "1.0.4", "2-rc1", "48.alpha"]


def test_the_names_say_what_the_old_cache_json_said(tmp_path: Path) -> None:
    for module in old_tree.good_tree(tmp_path):
        found = old_index.read(module.name, list(module.files), None)
        assert {str(release.version): dict(release.files) for release in found.releases} == module.listed
        assert [str(release.version) for release in found.releases] == list(module.listed)


@pytest.mark.parametrize(
    ("exts", "chosen"),
    [
        (["tar.bz2", "tar.gz", "tar.xz"], "tar.xz"),
        (["tar.bz2", "tar.gz"], "tar.gz"),
        (["tar.lzma", "tar.bz2"], "tar.bz2"),
    ],
)
def test_of_several_tarballs_the_one_that_can_be_read_best_is_the_releases(exts: list[str], chosen: str) -> None:
    found = old_index.read("m", [f"1.0/m-1.0.{ext}" for ext in exts], None)
    assert found.releases[0].tarballs[0] == chosen
    assert list(found.releases[0].files) == exts


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[4]",
        b"[4, {}, {}, {}]",
        b'[3, {"m": {}}, {"m": []}, {}]',
        b'[4, {"m": []}, {"m": []}, {}]',
        b'[4, {"m": {"1.0": "x"}}, {"m": []}, {}]',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_cache_json_that_cannot_be_read_is_named_and_the_names_are_believed(content: bytes) -> None:
    found = old_index.read("m", ["1.0/m-1.0.tar.gz"], content)
    assert [problem.kind for problem in found.problems] == [Kind.BAD_CACHE_JSON]
    assert [str(release.version) for release in found.releases] == ["1.0"]


def test_a_cache_json_cannot_name_what_is_not_there() -> None:
    listed = {"m": {"1.0": {"tar.gz": "../../../etc/passwd"}}}
    cache = json.dumps([4, listed, {"m": ["1.0"]}, {}]).encode()
    found = old_index.read("m", ["1.0/m-1.0.tar.gz"], cache)
    assert found.releases == []
    assert {problem.kind for problem in found.problems} == {Kind.NOT_THERE, Kind.NO_TARBALL, Kind.NOT_LISTED}


def test_a_file_of_two_versions_is_the_first_ones() -> None:
    path = "1.0/m-1.0.tar.gz"
    cache = json.dumps([4, {"m": {"1.0": {"tar.gz": path}, "1.1": {"tar.gz": path}}}, {"m": ["1.0", "1.1"]}, {}])
    found = old_index.read("m", [path], cache.encode())
    assert [str(release.version) for release in found.releases] == ["1.0"]
    assert {problem.kind for problem in found.problems} >= {Kind.LISTED_TWICE, Kind.NO_TARBALL}


SHA256, MD5 = "a" * 64, "B" * 32


@pytest.mark.parametrize(
    ("path", "content", "of"),
    [
        ("1.0/m-1.0.sha256sum", f"{SHA256}  m-1.0.tar.gz\n", "1.0/m-1.0.tar.gz"),
        ("1.0/m-1.0.sha256sum", f"{SHA256} *m-1.0.tar.gz\n", "1.0/m-1.0.tar.gz"),
        ("1.0/m-1.0.sha256sum", f"{SHA256}  ./m-1.0.tar.gz\n\n", "1.0/m-1.0.tar.gz"),
        ("1.0/m-1.0.md5sum", f"{MD5}  m-1.0.tar.gz", "1.0/m-1.0.tar.gz"),
        ("1.0/m-1.0.tar.gz.md5", f"{MD5}\n", "1.0/m-1.0.tar.gz"),
        ("1.0/m-1.0.tar.gz.sha256sum", SHA256, "1.0/m-1.0.tar.gz"),
        ("m-1.0.md5sum", f"{MD5}  m-1.0.tar.gz\n", "m-1.0.tar.gz"),
    ],
)
def test_old_checksum_files_are_read_in_all_their_forms(path: str, content: str, of: str) -> None:
    claims, problems = sums.read("m", path, content.encode(), {of})
    assert {of: content[:64].split(maxsplit=1)[0].lower()} == {named: said[0].digest for named, said in claims.items()}
    assert problems == []


@pytest.mark.parametrize(
    "line", [f"{MD5}  m-1.0.tar.gz", f"{SHA256}  ../m-1.0.tar.gz", "SHA256 (m-1.0.tar.gz) = " + SHA256, "-----BEGIN"]
)
def test_a_line_that_is_no_checksum_is_named(line: str) -> None:
    claims, problems = sums.read("m", "1.0/m-1.0.sha256sum", line.encode(), {"1.0/m-1.0.tar.gz"})
    assert (claims, [problem.kind for problem in problems]) == ({}, [Kind.BAD_CHECKSUM_LINE])


@pytest.mark.parametrize(
    "path", ["a b", ".x", "x/.y", "-x", "x//y", "/x", "x/", "../x", "x/..", "é", "a%20", "x" * 256, ""]
)
def test_a_name_that_no_url_carries_unchanged_is_not_taken(path: str) -> None:
    assert not is_plain(path)
    assert [problem.kind for problem in sorted_out("m", [path], ()).problems] == [Kind.STRANGE_NAME]


@pytest.mark.parametrize("path", ["1.0/m+-1.0~rc_1.tar.gz", "_x", "2.0/docs/a/b", "x" * 255])
def test_other_names_are_taken(path: str) -> None:
    assert sorted_out("m", [path], ()).paths == [path]
