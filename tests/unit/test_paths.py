"""Where a release lives, and what its readers and the CDN are told."""

import pytest

from release_service import paths
from release_service.tarball import TarballName
from release_service.version import Version


@pytest.mark.parametrize(
    ("filename", "key"),
    [
        ("gtk-4.22.2.tar.xz", "sources/gtk/4.22/gtk-4.22.2.tar.xz"),
        ("gtk+-3.24.52.tar.xz", "sources/gtk+/3.24/gtk+-3.24.52.tar.xz"),
        ("gnome-shell-51.beta.tar.xz", "sources/gnome-shell/51/gnome-shell-51.beta.tar.xz"),
        ("gi-docgen-2026.1.tar.gz", "sources/gi-docgen/2026/gi-docgen-2026.1.tar.gz"),
        ("libadwaita-1.9.rc.tar.xz", "sources/libadwaita/1.9/libadwaita-1.9.rc.tar.xz"),
        (
            "mobile-broadband-provider-info-20240407.tar.xz",
            "sources/mobile-broadband-provider-info/20240407/mobile-broadband-provider-info-20240407.tar.xz",
        ),
    ],
)
def test_a_tarball_lies_in_the_series_directory_of_its_module(filename: str, key: str) -> None:
    assert paths.tarball_key(TarballName.parse(filename)) == key


@pytest.mark.parametrize("ext", ["sha256sum", "news", "changes", "release.json"])
def test_what_belongs_to_a_release_lies_beside_its_tarball(ext: str) -> None:
    name = TarballName.parse("gtk+-3.24.52.tar.xz")
    assert paths.release_key(name, ext) == f"sources/gtk+/3.24/gtk+-3.24.52.{ext}"


def test_directories_are_those_of_the_contract() -> None:
    assert paths.module_directory("gtk+") == "sources/gtk+"
    assert paths.series_directory("gtk+", "3.24") == "sources/gtk+/3.24"
    assert paths.latest_name(Version.parse("48.1")) == "LATEST-IS-48.1"


MUTABLE = [
    "sources/gtk/cache.json",
    "sources/gtk/4.18/gtk-4.18.1.release.json",
    "sources/index.html",
    "sources/gtk/4.18/LATEST-IS-4.18.1",
    "robots.txt",
]
WRITTEN_ONCE = [
    "sources/gtk/4.18/gtk-4.18.1.tar.xz",
    "sources/gtk/4.18/gtk-4.18.1.sha256sum",
    "sources/gtk/4.18/gtk-4.18.1.tar.xz.asc",
    "sources/index.html/1/index.html-1.tar.xz",
    "sources/gtk/4.18/cache.json.news",
]


@pytest.mark.parametrize("key", MUTABLE)
def test_what_may_change_is_asked_for_again_after_a_minute(key: str) -> None:
    assert paths.is_mutable(key)
    assert paths.headers(key).cache_control == "public, max-age=60"


@pytest.mark.parametrize("key", WRITTEN_ONCE)
def test_what_never_changes_is_never_asked_for_again(key: str) -> None:
    assert not paths.is_mutable(key)
    assert paths.headers(key).cache_control == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("sources/gtk/4.18/gtk-4.18.1.tar.xz", "application/x-xz"),
        ("sources/gtk/4.18/gtk-4.18.1.tar.gz", "application/gzip"),
        ("sources/gtk/4.18/gtk-4.18.1.tar.bz2", "application/x-bzip2"),
        ("sources/gtk/4.18/gtk-4.18.1.tar.zst", "application/zstd"),
        ("sources/gtk/4.18/gtk-4.18.1.sha256sum", "text/plain; charset=utf-8"),
        ("sources/gtk/4.18/gtk-4.18.1.news", "text/plain; charset=utf-8"),
        ("sources/gtk/4.18/gtk-4.18.1.changes", "text/plain; charset=utf-8"),
        ("sources/gtk/4.18/gtk-4.18.1.release.json", "application/json"),
        ("sources/gtk/4.18/LATEST-IS-4.18.1", "text/plain; charset=utf-8"),
        ("sources/gtk/cache.json", "application/json"),
        ("sources/gtk/index.html", "text/html; charset=utf-8"),
        ("robots.txt", "text/plain; charset=utf-8"),
    ],
)
def test_the_content_type_follows_from_the_ending(key: str, kind: str) -> None:
    assert paths.headers(key).content_type == kind


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("sources/gtk+/3.24/gtk+-3.24.52.tar.xz", "tree module/gtk+ series/gtk+/3.24"),
        ("sources/gtk+/cache.json", "tree index/gtk+ module/gtk+"),
        ("sources/index.html", "tree index"),
        ("robots.txt", "tree index"),
    ],
)
def test_an_object_is_purged_with_its_series_its_module_or_the_tree(key: str, keys: str) -> None:
    assert paths.headers(key).surrogate_keys == keys


@pytest.mark.parametrize("base", ["https://download.gnome.org", "https://download.gnome.org/"])
def test_a_public_url_has_a_literal_plus(base: str) -> None:
    url = paths.public_url(base, "sources/gtk+/3.24/gtk+-3.24.52.tar.xz")
    assert url == "https://download.gnome.org/sources/gtk+/3.24/gtk+-3.24.52.tar.xz"


def test_the_url_of_an_index_is_its_directorys() -> None:
    assert paths.public_url("http://127.0.0.1:8000", "sources/gtk/index.html") == "http://127.0.0.1:8000/sources/gtk/"
