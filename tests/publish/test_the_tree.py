"""What stands in the tree after a publication, byte for byte."""

import json
import zlib

import pytest
from sqlalchemy import select

from archives import COMPRESS, END, file, symlink
from builders import a_tarball
from release_service import checksum
from release_service.db.releases import LISTING
from release_service.db.tables import ReleaseText
from uploads import Uploads

pytestmark = pytest.mark.slow

NEWS_48_0 = "48.0\n====\n\n* Hello\n* World\n"
NEWS_48_1 = "48.1\n====\n\n* Hello again\n* Universe\n\n" + NEWS_48_0


def listing_of(uploads: Uploads) -> bytes:
    """Return the listing of the only release there is."""
    with uploads.parts.service.transactions.begin() as session:
        deflated = session.scalars(select(ReleaseText.deflated).where(ReleaseText.name == LISTING)).one()
    return zlib.decompress(deflated)


def test_a_first_release_stands_in_the_tree_with_all_that_belongs_to_it(uploads: Uploads) -> None:
    tarball = a_tarball("gtk+-3.24.52.tar.xz", NEWS=NEWS_48_0, ChangeLog="a\nb\nc\n")
    answer = uploads.post("gtk+-3.24.52.tar.xz", tarball)
    assert answer.status_code == 201, answer.text
    directory = "sources/gtk+/3.24"
    assert uploads.stored() == [
        "robots.txt",
        f"{directory}/LATEST-IS-3.24.52",
        f"{directory}/gtk+-3.24.52.changes",
        f"{directory}/gtk+-3.24.52.news",
        f"{directory}/gtk+-3.24.52.release.json",
        f"{directory}/gtk+-3.24.52.sha256sum",
        f"{directory}/gtk+-3.24.52.tar.xz",
        f"{directory}/index.html",
        "sources/gtk+/cache.json",
        "sources/gtk+/index.html",
        "sources/index.html",
    ]
    assert uploads.read(f"{directory}/gtk+-3.24.52.tar.xz") == tarball
    assert uploads.read(f"{directory}/gtk+-3.24.52.news").decode() == NEWS_48_0
    assert checksum.read(uploads.read(f"{directory}/gtk+-3.24.52.sha256sum")) == {
        "gtk+-3.24.52.news": checksum.digest(NEWS_48_0.encode()),
        "gtk+-3.24.52.changes": checksum.digest(b"a\nb\nc\n"),
        "gtk+-3.24.52.tar.xz": checksum.digest(tarball),
    }
    assert uploads.read(f"{directory}/gtk+-3.24.52.sha256sum").splitlines()[-1].endswith(b"  gtk+-3.24.52.tar.xz")


def test_cache_json_is_the_documented_text(uploads: Uploads) -> None:
    for version in ("48.0", "48.alpha", "49.alpha"):
        filename = f"gnome-shell-{version}.tar.xz"
        assert uploads.post(filename, a_tarball(filename)).status_code == 201
    assert uploads.read("sources/gnome-shell/cache.json") == (
        b'[4, {"gnome-shell": {'
        b'"48.alpha": {"tar.xz": "48/gnome-shell-48.alpha.tar.xz", "sha256sum": "48/gnome-shell-48.alpha.sha256sum"}, '
        b'"48.0": {"tar.xz": "48/gnome-shell-48.0.tar.xz", "sha256sum": "48/gnome-shell-48.0.sha256sum"}, '
        b'"49.alpha": {"tar.xz": "49/gnome-shell-49.alpha.tar.xz", "sha256sum": "49/gnome-shell-49.alpha.sha256sum"}}'
        b"}, "
        b'{"gnome-shell": ["48.alpha", "48.0", "49.alpha"]}, '
        b'{"48": ["LATEST-IS-48.0", "gnome-shell-48.alpha.release.json", "gnome-shell-48.0.release.json"], '
        b'"49": ["LATEST-IS-49.alpha", "gnome-shell-49.alpha.release.json"], ".": ["cache.json"]}]'
    )


def test_latest_is_the_newest_version_and_not_the_last_installed(uploads: Uploads) -> None:
    for version in ("48.2", "48.1", "48.10"):
        filename = f"gnome-shell-{version}.tar.xz"
        assert uploads.post(filename, a_tarball(filename)).status_code == 201
        latest = [key for key in uploads.stored() if "LATEST-IS" in key]
        newest = "48.10" if version == "48.10" else "48.2"
        assert latest == [f"sources/gnome-shell/48/LATEST-IS-{newest}"]


def test_news_is_what_is_new_since_the_next_lower_published_version(uploads: Uploads) -> None:
    texts = {"48.0": NEWS_48_0, "49.0": "other\nthings\nentirely\n", "48.1": NEWS_48_1}
    for version, news in texts.items():
        filename = f"gnome-shell-{version}.tar.xz"
        assert uploads.post(filename, a_tarball(filename, NEWS=news)).status_code == 201
    assert (
        uploads.read("sources/gnome-shell/48/gnome-shell-48.1.news") == b"48.1\n====\n\n* Hello again\n* Universe\n\n"
    )


def test_news_that_says_nothing_new_is_not_published(uploads: Uploads) -> None:
    for version in ("48.0", "48.1"):
        filename = f"gnome-shell-{version}.tar.xz"
        assert uploads.post(filename, a_tarball(filename, NEWS=NEWS_48_0)).status_code == 201
    keys = uploads.stored()
    assert "sources/gnome-shell/48/gnome-shell-48.0.news" in keys
    assert "sources/gnome-shell/48/gnome-shell-48.1.news" not in keys


def test_release_json_says_where_it_comes_from_and_names_nobody_by_mail(uploads: Uploads) -> None:
    token = uploads.token("gtk-4.18.1.tar.xz", jti="the-token-id")
    assert uploads.post("gtk-4.18.1.tar.xz", a_tarball("gtk-4.18.1.tar.xz"), token=token).status_code == 201
    text = uploads.read("sources/gtk/4.18/gtk-4.18.1.release.json").decode()
    document = json.loads(text)
    assert document["tarball"]["sha256"] == checksum.digest(a_tarball("gtk-4.18.1.tar.xz"))
    assert document["proof"]["project_path"] == "GNOME/gtk"
    assert document["proof"]["sha"] == "714a629c0b401fdce83e847fc9589983fc6f46bc"
    assert document["archive"]["members"] == 1
    listing = listing_of(uploads)
    assert listing.endswith(b"  gtk-4.18.1/meson.build\n")
    assert document["archive"]["listing_sha256"] == checksum.digest(listing)
    assert "@" not in text
    assert "the-token-id" not in text


def test_case_twins_and_links_to_nothing_are_told_and_stand_in_release_json(uploads: Uploads) -> None:
    archive = file("gtk-4.18.1/Makefile") + file("gtk-4.18.1/makefile") + symlink("gtk-4.18.1/link", "nothing") + END
    answer = uploads.post("gtk-4.18.1.tar.xz", COMPRESS["xz"](archive))
    warnings = [
        "gtk-4.18.1/makefile differs from another member in upper and lower case only",
        "gtk-4.18.1/link is a symbolic link to nothing in the archive",
    ]
    assert answer.status_code == 201
    assert all(f"warning: {warning}" in answer.text for warning in warnings)
    document = json.loads(uploads.read("sources/gtk/4.18/gtk-4.18.1.release.json"))
    assert document["archive"]["warnings"] == warnings


def test_an_unchanged_index_is_not_written_again(uploads: Uploads) -> None:
    for module in ("gtk", "glib"):
        for version in ("4.18.0", "4.18.1"):
            filename = f"{module}-{version}.tar.xz"
            assert uploads.post(filename, a_tarball(filename)).status_code == 201
        if module == "gtk":
            before = uploads.parts.service.store.read("sources/gtk/cache.json")
    assert uploads.parts.service.store.read("sources/gtk/cache.json") == before
    assert b'<a href="glib/" title="glib/">glib/</a>' in uploads.read("sources/index.html")
