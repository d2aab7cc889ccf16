"""cache.json: one rule of CONTRACT.md 4 a test; a real client broke when it was violated."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from release_service.index import Indexed, cache_json
from release_service.tarball import TarballName
from release_service.version import Version

GOLDENS = Path(__file__).parent / "goldens"
DAY = date(2026, 3, 18)


def release(filename: str, *exts: str) -> Indexed:
    name = TarballName.parse(filename)
    return Indexed(name, DAY, dict.fromkeys(["release.json", "sha256sum", f"tar.{name.compression}", *exts]))


GTK = [
    release("gtk+-3.22.30.tar.gz"),
    release("gtk+-3.24.9.tar.xz", "news", "changes"),
    release("gtk+-3.24.52.tar.xz", "tar.xz.asc", "news"),
]
SHELL = [
    release("gnome-shell-47.9.tar.xz", "news"),
    release("gnome-shell-48.alpha.tar.gz", "news"),
    release("gnome-shell-48.beta.tar.xz"),
    release("gnome-shell-48.rc.1.tar.xz"),
    release("gnome-shell-48.0.tar.xz", "news"),
    release("gnome-shell-48.1.tar.xz", "news", "changes"),
]
ALL = {"gtk+": GTK, "gnome-shell": SHELL}


def text(module: str) -> str:
    return cache_json.write(module, ALL[module]).decode()


def document(module: str) -> Any:
    return json.loads(text(module))


@pytest.mark.parametrize("module", ALL)
def test_it_is_the_golden_byte_for_byte(module: str) -> None:
    assert cache_json.write(module, ALL[module]) == (GOLDENS / f"{module}.cache.json").read_bytes()


@pytest.mark.parametrize("module", ALL)
def test_it_is_a_list_of_four_that_begins_with_the_integer_4(module: str) -> None:
    first, *rest = document(module)
    assert (type(first), first) == (int, 4)
    assert [type(part) for part in rest] == [dict, dict, dict]
    assert text(module).startswith("[4, {")


@pytest.mark.parametrize("module", ALL)
def test_elements_two_and_three_are_keyed_by_the_module_alone(module: str) -> None:
    _, files, versions, _ = document(module)
    assert list(files) == list(versions) == [module]


@pytest.mark.parametrize("module", ALL)
def test_versions_are_ascending_and_the_last_is_the_newest(module: str) -> None:
    listed = [Version.parse(version) for version in document(module)[2][module]]
    assert listed == sorted(listed)
    assert str(listed[-1]) == {"gtk+": "3.24.52", "gnome-shell": "48.1"}[module]


@pytest.mark.parametrize("module", ALL)
def test_every_version_listed_has_a_tarball_and_a_checksum(module: str) -> None:
    _, files, versions, _ = document(module)
    assert list(files[module]) == versions[module]
    for exts in files[module].values():
        assert {"tar.xz", "tar.gz"} & set(exts)
        assert "sha256sum" in exts


@pytest.mark.parametrize("module", ALL)
def test_paths_are_relative_to_the_modules_directory(module: str) -> None:
    for version, exts in document(module)[1][module].items():
        series = Version.parse(version).series
        for ext, path in exts.items():
            assert path == f"{series}/{module}-{version}.{ext}"


def test_each_release_is_listed_with_its_own_compression() -> None:
    files = document("gtk+")[1]["gtk+"]
    assert [ext for exts in files.values() for ext in exts if ext.startswith("tar.")] == ["tar.gz", "tar.xz", "tar.xz"]


def test_news_and_changes_are_listed_where_they_are() -> None:
    files = document("gtk+")[1]["gtk+"]
    assert {"news", "changes"} & set(files["3.22.30"]) == set()
    assert {"news", "changes"} <= set(files["3.24.9"])
    assert {"news", "changes"} & set(files["3.24.52"]) == {"news"}


@pytest.mark.parametrize("module", ALL)
def test_element_four_is_keyed_by_directory_and_never_by_module(module: str) -> None:
    directories = set(document(module)[3])
    assert module not in directories
    assert directories == {".", *(Version.parse(version).series for version in document(module)[2][module])}


@pytest.mark.parametrize("module", ALL)
def test_the_modules_own_directory_holds_cache_json(module: str) -> None:
    assert document(module)[3]["."] == ["cache.json"]


def test_each_series_names_its_one_newest_version() -> None:
    others = document("gnome-shell")[3]
    assert [name for name in others["47"] if name.startswith("LATEST")] == ["LATEST-IS-47.9"]
    assert [name for name in others["48"] if name.startswith("LATEST")] == ["LATEST-IS-48.1"]


def test_what_element_two_does_not_list_is_named_in_element_four() -> None:
    _, files, _, others = document("gtk+")
    assert set(files["gtk+"]["3.24.52"]) == {"news", "tar.xz", "sha256sum"}
    assert others["3.24"] == [
        "LATEST-IS-3.24.52",
        "gtk+-3.24.9.release.json",
        "gtk+-3.24.52.release.json",
        "gtk+-3.24.52.tar.xz.asc",
    ]


def test_slash_and_plus_stand_as_they_are() -> None:
    """Uscan and Homebrew read it as text."""
    assert "\\" not in text("gtk+")
    assert '"3.24/gtk+-3.24.52.tar.xz"' in text("gtk+")
    assert "%2B" not in text("gtk+")


@pytest.mark.parametrize("module", ALL)
def test_it_is_ascii(module: str) -> None:
    assert text(module).isascii()


def test_the_versions_of_a_document_are_read_back() -> None:
    content = cache_json.write("gtk+", GTK)
    assert cache_json.versions("gtk+", content) == ["3.22.30", "3.24.9", "3.24.52"]
    assert cache_json.versions("gtk", content) == []


def test_a_module_without_releases_has_an_empty_document() -> None:
    assert cache_json.write("gtk", []) == b'[4, {"gtk": {}}, {"gtk": []}, {".": ["cache.json"]}]'


def test_what_is_yanked_or_quarantined_is_named_nowhere() -> None:
    hidden = [replace(GTK[1], yanked="It eats files"), replace(GTK[2], is_quarantined=True)]
    assert cache_json.write("gtk+", [GTK[0], *hidden]) == cache_json.write("gtk+", GTK[:1])
    assert json.loads(cache_json.write("gtk+", hidden)) == [4, {"gtk+": {}}, {"gtk+": []}, {".": ["cache.json"]}]
