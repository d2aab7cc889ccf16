"""The HTML indexes: what MacPorts, rclone, wget, lftp and uscan hold on to."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from release_service.index import Indexed, html, pages
from release_service.tarball import TarballName

GOLDENS = Path(__file__).parent / "goldens"
LINK = re.compile(r'<td class="link"><a href="([^"]*)" title="([^"]*)">([^<]*)</a></td>')


def release(filename: str, day: date, size: int, **files: int | None) -> Indexed:
    name = TarballName.parse(filename)
    own: dict[str, int | None] = {f"tar.{name.compression}": size, "sha256sum": None, "release.json": None}
    return Indexed(name, day, own | files)


GTK = [
    release("gtk+-3.22.30.tar.gz", date(2018, 4, 17), 1023),
    release("gtk+-3.24.9.tar.xz", date(2019, 6, 2), 21_912_345, news=1024, changes=3 * 1024**2),
    release("gtk+-3.24.52.tar.xz", date(2026, 3, 18), 3 * 1024**3, news=0),
]
MODULES = ["libsigc++", "gtk", "NetworkManager", "gtk+", "at-spi2-core", "Zenity", "gtk-doc"]

PAGES: dict[str, Callable[[], bytes]] = {
    "sources": lambda: pages.archive(MODULES),
    "gtk+": lambda: pages.module("gtk+", GTK),
    "gtk+-3.24": lambda: pages.series("gtk+", "3.24", GTK),
}


YANKED = [GTK[0], replace(GTK[1], yanked='Eats <b>files</b> & "more"'), replace(GTK[2], yanked="Too")]
ALL = PAGES | {
    "yanked gtk+": lambda: pages.module("gtk+", YANKED),
    "yanked gtk+-3.24": lambda: pages.series("gtk+", "3.24", YANKED),
}


def links(page: bytes) -> list[str]:
    return [match[1] for match in LINK.finditer(page.decode())]


@pytest.mark.parametrize("page", PAGES)
def test_it_is_the_golden_byte_for_byte(page: str) -> None:
    assert PAGES[page]() == (GOLDENS / f"{page}.index.html").read_bytes()


@pytest.mark.parametrize("page", ALL)
def test_every_link_has_the_one_form_that_scrapers_read(page: str) -> None:
    for line in ALL[page]().decode().splitlines():
        assert line.count("<a") == line.count("<a href=") <= 1
        if "<a" in line:
            match = LINK.search(line)
            assert match, line
            assert match[1] == match[2] == match[3]


@pytest.mark.parametrize("page", ALL)
def test_every_link_is_relative_and_of_this_directory(page: str) -> None:
    for link in links(ALL[page]()):
        assert not link.startswith(("./", "/", "http"))
        assert link == "../" or "/" not in link.removesuffix("/")


@pytest.mark.parametrize("page", ALL)
def test_the_page_is_whole(page: str) -> None:
    """Every element that is opened is closed, in order."""

    class Balance(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.opened: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert attrs == [(name.lower(), value) for name, value in attrs]
            if tag != "meta":
                self.opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.opened.pop() == tag

    balance = Balance()
    balance.feed(ALL[page]().decode("utf-8"))
    balance.close()
    assert balance.opened == []


def test_the_archive_lists_each_module_as_a_directory_without_regard_to_case() -> None:
    assert links(pages.archive(MODULES)) == [
        "at-spi2-core/",
        "gtk/",
        "gtk+/",
        "gtk-doc/",
        "libsigc++/",
        "NetworkManager/",
        "Zenity/",
    ]


def test_a_module_lists_its_series_the_newest_first_and_cache_json() -> None:
    assert links(pages.module("gtk+", GTK)) == ["../", "3.24/", "3.22/", "cache.json"]


def test_series_are_in_the_order_of_versions_and_not_of_text() -> None:
    releases = [
        release(f"gnome-shell-{version}.tar.xz", date(2026, 1, 1), 1)
        for version in ("3.8.1", "3.10.1", "40.0", "9.1", "41.0")
    ]
    releases.sort(key=lambda one: one.name.version)
    assert links(pages.module("gnome-shell", releases)) == [
        "../", "41/", "40/", "9.1/", "3.10/", "3.8/", "cache.json"
    ]  # fmt: skip


def test_a_series_lists_its_own_files_the_newest_version_first() -> None:
    assert links(pages.series("gtk+", "3.24", GTK)) == [
        "../",
        "LATEST-IS-3.24.52",
        "gtk+-3.24.52.tar.xz",
        "gtk+-3.24.52.news",
        "gtk+-3.24.52.release.json",
        "gtk+-3.24.52.sha256sum",
        "gtk+-3.24.9.tar.xz",
        "gtk+-3.24.9.changes",
        "gtk+-3.24.9.news",
        "gtk+-3.24.9.release.json",
        "gtk+-3.24.9.sha256sum",
    ]


def test_a_series_without_releases_is_an_empty_page() -> None:
    assert links(pages.series("gtk+", "4.0", GTK)) == ["../"]


def test_what_is_yanked_is_listed_with_the_reason_and_is_not_the_latest() -> None:
    for page in ("yanked gtk+", "yanked gtk+-3.24"):
        text = ALL[page]().decode()
        assert text.count(">3.24.9 was yanked: Eats &lt;b&gt;files&lt;/b&gt; &amp; &quot;more&quot;</td>") == 1
        assert text.count(">3.24.52 was yanked: Too</td>") == 1
    assert links(ALL["yanked gtk+-3.24"]()) == [
        link for link in links(PAGES["gtk+-3.24"]()) if link != "LATEST-IS-3.24.52"
    ]
    assert links(ALL["yanked gtk+"]()) == links(PAGES["gtk+"]())
    kept = pages.series("gtk+", "3.24", [GTK[1], YANKED[2]])
    assert "LATEST-IS-3.24.9" in links(kept)


def test_what_is_quarantined_is_listed_nowhere() -> None:
    gone = [GTK[0], *(replace(one, is_quarantined=True, yanked="Bad") for one in GTK[1:])]
    assert links(pages.series("gtk+", "3.24", gone)) == ["../"]
    assert links(pages.module("gtk+", gone)) == ["../", "3.22/", "cache.json"]
    assert b"Bad" not in pages.module("gtk+", gone) + pages.series("gtk+", "3.24", gone)


def test_a_long_name_is_never_cut() -> None:
    name = "mobile-broadband-provider-info-" + "9" * 200 + ".tar.xz"
    assert name in links(html.write("t", "a", [html.Entry(name)]))


def test_what_is_markup_is_escaped() -> None:
    page = html.write("<t>", "a & b", [html.Entry('<"&>')]).decode()
    assert '<a href="&lt;&quot;&amp;&gt;" title="&lt;&quot;&amp;&gt;">&lt;&quot;&amp;&gt;</a>' in page
    assert "<h1>&lt;t&gt;</h1>" in page
    assert "<p>a &amp; b</p>" in page


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 * 1024**2, "5.0 MiB"), (2**30, "1.0 GiB")],
)
def test_a_size_is_shown_in_its_unit(size: int, shown: str) -> None:
    assert f'<td class="size">{shown}</td>' in html.write("t", "a", [html.Entry("x", size=size)]).decode()


def test_robots_are_welcome() -> None:
    assert pages.ROBOTS == b"User-agent: *\nAllow: /\n"
