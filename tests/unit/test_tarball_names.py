"""The tarball's name: what it says, and all that is refused before a path is made from it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service import paths
from release_service.errors import BadTarballName, CompressionNotAccepted, Refused
from release_service.tarball import COMPRESSIONS, TarballName, parse_module
from release_service.version import Version

GOOD = {
    "gtk-4.18.1.tar.xz": ("gtk", "4.18.1", "xz"),
    "gtk-4.18.1.tar.gz": ("gtk", "4.18.1", "gz"),
    "gtk+-3.24.52.tar.xz": ("gtk+", "3.24.52", "xz"),
    "libsigc++-3.6.0.tar.xz": ("libsigc++", "3.6.0", "xz"),
    "NetworkManager-1.52.0.tar.xz": ("NetworkManager", "1.52.0", "xz"),
    "gtk-doc-1.34.0.tar.xz": ("gtk-doc", "1.34.0", "xz"),
    "at-spi2-core-2.56.0.tar.xz": ("at-spi2-core", "2.56.0", "xz"),
    "libxml2-2.14.1.tar.xz": ("libxml2", "2.14.1", "xz"),
    "mobile-broadband-provider-info-20240407.tar.xz": ("mobile-broadband-provider-info", "20240407", "xz"),
    "gnome-2048-50.1.tar.xz": ("gnome-2048", "50.1", "xz"),
    "gnome-2048-50.tar.xz": ("gnome-2048", "50", "xz"),
    "gnome-shell-51.beta.tar.xz": ("gnome-shell", "51.beta", "xz"),
    "gnome-shell-50.rc.1.tar.xz": ("gnome-shell", "50.rc.1", "xz"),
    "gnome-desktop-41.3.tar.xz": ("gnome-desktop", "41.3", "xz"),
    "mutter-48.0.alpha2.tar.xz": ("mutter", "48.0.alpha2", "xz"),
    "libadwaita-1.9.rc.tar.xz": ("libadwaita", "1.9.rc", "xz"),
    "gi-docgen-2026.1.tar.xz": ("gi-docgen", "2026.1", "xz"),
    "gnome-online-accounts-3.59.3.tar.xz": ("gnome-online-accounts", "3.59.3", "xz"),
    "vte-0.83.91.tar.xz": ("vte", "0.83.91", "xz"),
    "gedit-4.4.0.1.tar.xz": ("gedit", "4.4.0.1", "xz"),
    "glib-2.0-2.84.0.tar.xz": ("glib-2.0", "2.84.0", "xz"),
    "4ti2-1.tar.xz": ("4ti2", "1", "xz"),
    "a-0.tar.xz": ("a", "0", "xz"),
    "ORBit2-2.14.19.tar.gz": ("ORBit2", "2.14.19", "gz"),
    "console-1.tar.xz": ("console", "1", "xz"),
    "common-1.tar.xz": ("common", "1", "xz"),
    "core-utils-1.tar.xz": ("core-utils", "1", "xz"),
    "a_b-1.tar.xz": ("a_b", "1", "xz"),
}


@pytest.mark.parametrize("filename", GOOD)
def test_a_good_name_says_module_version_and_compression(filename: str) -> None:
    name = TarballName.parse(filename)
    assert (name.module, name.version.text, name.compression) == GOOD[filename]
    assert str(name) == filename
    assert name.release == filename.partition(".tar.")[0]


BAD = {
    "empty": "",
    "ending-only": ".tar.xz",
    "dash-only": "-.tar.xz",
    "no-module": "-1.0.tar.xz",
    "no-version": "gtk-.tar.xz",
    "no-dash": "gtk.tar.xz",
    "no-dash-before-version": "gtk4.18.1.tar.xz",
    "underscore-for-dash": "gtk_4.18.1.tar.xz",
    "two-dashes": "gtk--4.18.1.tar.xz",
    "zip": "gtk-4.18.1.zip",
    "tar": "gtk-4.18.1.tar",
    "tgz": "gtk-4.18.1.tgz",
    "txz": "gtk-4.18.1.txz",
    "xz-only": "gtk-4.18.1.xz",
    "lzma": "gtk-4.18.1.tar.lzma",
    "lz": "gtk-4.18.1.tar.lz",
    "compress": "gtk-4.18.1.tar.Z",
    "capital-ending": "gtk-4.18.1.TAR.XZ",
    "capital-compression": "gtk-4.18.1.tar.XZ",
    "signature": "gtk-4.18.1.tar.xz.asc",
    "checksum": "gtk-4.18.1.sha256sum",
    "news": "gtk-4.18.1.news",
    "two-endings": "gtk-4.18.1.tar.xz.tar.xz",
    "two-compressions": "gtk-4.18.1.tar.gz.tar.xz",
    "dot-at-the-end": "gtk-4.18.1.tar.xz.",
    "empty-compression": "gtk-4.18.1.tar.",
    "backup": "gtk-4.18.1.tar.xz~",
    "absolute": "/gtk-4.18.1.tar.xz",
    "absolute-deep": "/etc/gtk-4.18.1.tar.xz",
    "directory": "public-dist/gtk-4.18.1.tar.xz",
    "here": "./gtk-4.18.1.tar.xz",
    "up": "../gtk-4.18.1.tar.xz",
    "up-inside": "gtk/../gtk-4.18.1.tar.xz",
    "up-in-version": "gtk-../../4.18.1.tar.xz",
    "backslash": "..\\gtk-4.18.1.tar.xz",
    "drive": "C:gtk-4.18.1.tar.xz",
    "stream": "gtk:x-4.18.1.tar.xz",
    "dots-in-module": "g..tk-4.18.1.tar.xz",
    "dot-first": ".gtk-4.18.1.tar.xz",
    "dot-only-module": ".-4.18.1.tar.xz",
    "dots-only-module": "..-4.18.1.tar.xz",
    "plus-first": "+gtk-4.18.1.tar.xz",
    "underscore-first": "_gtk-4.18.1.tar.xz",
    "underscore-last": "gtk_-4.18.1.tar.xz",
    "dot-last": "gtk.-4.18.1.tar.xz",
    "option": "-rf-1.0.tar.xz",
    "long-option": "--checkpoint-action=exec-1.0.tar.xz",
    "percent-slash": "gtk%2f4-4.18.1.tar.xz",
    "percent-up": "%2e%2e%2fgtk-4.18.1.tar.xz",
    "percent-plus": "gtk%2B-3.24.52.tar.xz",
    "percent-nul": "gtk%00-4.18.1.tar.xz",
    "query": "gtk-4.18.1.tar.xz?x",
    "fragment": "gtk#-4.18.1.tar.xz",
    "ampersand": "a&b-1.0.tar.xz",
    "quote": "a'b-1.0.tar.xz",
    "double-quote": 'a"b-1.0.tar.xz',
    "angle-brackets": "<b>-1.0.tar.xz",
    "dollar": "$HOME-1.0.tar.xz",
    "backtick": "`id`-1.0.tar.xz",
    "semicolon": "a;b-1.0.tar.xz",
    "pipe": "a|b-1.0.tar.xz",
    "star": "*-1.0.tar.xz",
    "at": "a@b-1.0.tar.xz",
    "equals": "a=b-1.0.tar.xz",
    "comma": "a,b-1.0.tar.xz",
    "space": "gt k-4.18.1.tar.xz",
    "space-first": " gtk-4.18.1.tar.xz",
    "space-last": "gtk-4.18.1.tar.xz ",
    "space-before-dash": "gtk -4.18.1.tar.xz",
    "newline-last": "gtk-4.18.1.tar.xz\n",
    "newline-first": "\ngtk-4.18.1.tar.xz",
    "newline-after-module": "gtk\n-4.18.1.tar.xz",
    "newline-after-version": "gtk-4.18.1\n.tar.xz",
    "carriage-return": "gtk-4.18.1.tar.xz\r",
    "tab": "gtk\t-4.18.1.tar.xz",
    "nul-last": "gtk-4.18.1.tar.xz\0",
    "nul-inside": "gtk\0-4.18.1.tar.xz",
    "nul-cuts-the-ending": "gtk-4.18.1.sh\0.tar.xz",
    "escape": "gtk\x1b[2J-4.18.1.tar.xz",
    "delete": "gtk\x7f-4.18.1.tar.xz",
    "bell": "\agtk-4.18.1.tar.xz",
    "cyrillic-twin": "\u0261tk-4.18.1.tar.xz",
    "cyrillic-a": "v\u0430la-0.56.1.tar.xz",
    "kelvin-sign": "gt\u212a-4.18.1.tar.xz",
    "dotless-i": "g\u0131mp-3.0.tar.xz",
    "long-s": "gnome-\u017fhell-48.1.tar.xz",
    "combining": "gtke\u0301-4.18.1.tar.xz",
    "umlaut": "g\u00fctk-4.18.1.tar.xz",
    "full-width-plus": "gtk\uff0b-3.24.52.tar.xz",
    "en-dash": "gtk\u20134.18.1.tar.xz",
    "minus-sign": "gtk\u22124.18.1.tar.xz",
    "soft-hyphen": "gtk\u00ad-4.18.1.tar.xz",
    "zero-width-space": "gtk\u200b-4.18.1.tar.xz",
    "right-to-left": "gtk\u202e-4.18.1.tar.xz",
    "byte-order-mark": "\ufeffgtk-4.18.1.tar.xz",
    "no-break-space": "gtk\u00a0-4.18.1.tar.xz",
    "full-width-dot-ending": "gtk-4.18.1\uff0etar.xz",
    "arabic-digits": "gtk-\u0664.18.1.tar.xz",
    "lone-surrogate": "gtk\ud800-4.18.1.tar.xz",
    "leading-zero": "gtk-04.18.1.tar.xz",
    "leading-zero-later": "gtk-4.018.1.tar.xz",
    "capital-word": "gnome-shell-51.BETA.tar.xz",
    "other-word": "gnome-shell-51.pre.tar.xz",
    "v-version": "gtk-v4.18.1.tar.xz",
    "git-version": "gtk-4.18.1.git.tar.xz",
    "dash-in-version": "gtk-4.18.1-rc1.tar.xz",
    "plus-in-version": "gtk-4.18.1+dfsg.tar.xz",
    "dot-after-version": "gtk-4.18.1..tar.xz",
    "no-number": "gtk-alpha.tar.xz",
    "latest-is": "LATEST-IS-4.18.1.tar.xz",
    "latest-is-module": "LATEST-IS-gtk-4.18.1.tar.xz",
    "latest-is-small": "latest-is-x-1.0.tar.xz",
    "device-con": "con-1.0.tar.xz",
    "device-CON": "CON-1.0.tar.xz",
    "device-prn": "prn-1.0.tar.xz",
    "device-aux": "Aux-1.0.tar.xz",
    "device-nul": "nul-1.0.tar.xz",
    "device-com0": "com0-1.0.tar.xz",
    "device-com1": "com1-1.0.tar.xz",
    "device-lpt9": "LPT9-1.0.tar.xz",
    "device-con-extension": "con.d-1.0.tar.xz",
    "device-aux-extension": "aux.c-1.0.tar.xz",
    "device-com1-extension": "com1.txt.gz-1.0.tar.xz",
    "device-lpt9-extension": "lpt9.x-1.0.tar.xz",
    "reserved-api": "api-1.0.tar.xz",
    "reserved-core": "core-1.0.tar.xz",
    "reserved-Core": "Core-1.0.tar.xz",
    "reserved-pub": "pub-1.0.tar.xz",
    "reserved-robots": "robots.txt-1.0.tar.xz",
    "reserved-sources": "sources-1.0.tar.xz",
    "reserved-staging": "staging-1.0.tar.xz",
    "reserved-index": "index-1.0.tar.xz",
    "reserved-index-html": "index.html-1.0.tar.xz",
    "reserved-cache-json": "cache.json-1.0.tar.xz",
    "reserved-modules": "modules-1.0.tar.xz",
    "reserved-releases": "releases-1.0.tar.xz",
    "reserved-dashboard": "dashboard-1.0.tar.xz",
    "module-too-long": "a" * 101 + "-1.0.tar.xz",
    "version-too-long": "a-" + "1." * 40 + "0.tar.xz",
    "very-long": "a-" * 500_000 + "1.tar.xz",
}


@pytest.mark.parametrize("filename", BAD.values(), ids=BAD)
def test_a_bad_name_is_refused_as_one(filename: str) -> None:
    with pytest.raises(BadTarballName) as caught:
        TarballName.parse(filename, COMPRESSIONS)
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize("compression", ["bz2", "zst"])
def test_a_compression_that_is_not_enabled_has_its_own_refusal(compression: str) -> None:
    with pytest.raises(CompressionNotAccepted, match=f"gtk-4.18.1.tar.{compression} .* accepted: xz, gz"):
        TarballName.parse(f"gtk-4.18.1.tar.{compression}")


@pytest.mark.parametrize("compression", ["bz2", "zst"])
def test_a_compression_that_is_enabled_is_accepted(compression: str) -> None:
    assert TarballName.parse(f"gtk-4.18.1.tar.{compression}", ["xz", compression]).compression == compression


def test_a_default_compression_can_be_switched_off() -> None:
    with pytest.raises(CompressionNotAccepted):
        TarballName.parse("gtk-4.18.1.tar.gz", ["xz"])


@pytest.mark.parametrize("filename", ["../gtk-1.0.tar.bz2", "gtk.tar.zst", "gtk-01.tar.bz2", "con-1.tar.zst"])
def test_a_bad_name_is_called_bad_whatever_its_compression(filename: str) -> None:
    with pytest.raises(BadTarballName):
        TarballName.parse(filename)


def test_a_module_may_have_100_characters() -> None:
    assert TarballName.parse("a" * 100 + "-1.0.tar.xz").module == "a" * 100


def _is_module(text: str) -> bool:
    try:
        return parse_module(text) == text
    except BadTarballName:
        return False


modules = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9+._-]{0,30}\Z").filter(_is_module)
versions = st.sampled_from(["48.1", "4.18.1", "50.rc.1", "0", "20240407", "48.0.alpha2"]).map(Version.parse)
names = st.builds(TarballName, modules, versions, st.sampled_from(COMPRESSIONS))
nearly = st.text(string.ascii_letters + string.digits + "+-._/ \n\0", max_size=40)


@given(names)
def test_parsing_what_was_printed_gives_the_same_name(name: TarballName) -> None:
    assert TarballName.parse(str(name), COMPRESSIONS) == name


@given(
    st.text() | nearly | nearly.map(lambda text: f"{text}-48.1.tar.xz") | nearly.map(lambda text: f"gtk-{text}.tar.gz")
)
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        assert str(TarballName.parse(text)) == text
    except Refused:
        return


@given(names)
def test_a_name_is_one_plain_component_of_a_path(name: TarballName) -> None:
    text = str(name)
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set('/\\:*?"<>| %')
    assert text[0] not in ".-+_"
    assert ".." not in name.module


@given(names, st.sampled_from(["sha256sum", "news", "changes", "release.json", "tar.xz", "tar.xz.asc"]))
def test_what_belongs_to_a_release_lies_in_the_series_directory_and_nowhere_else(name: TarballName, ext: str) -> None:
    directories = paths.release_key(name, ext).split("/")
    assert directories[:-1] == ["sources", name.module, name.version.series]
    assert directories[-1] == f"{name.release}.{ext}"
    assert not {"", ".", ".."} & set(directories)
    assert paths.is_mutable(paths.release_key(name, ext)) == (ext == "release.json")
