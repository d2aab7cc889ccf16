"""Programs of distributions that watch for new versions: each reads the tree in its own way."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from components import needs
from front import Tree, run

pytest_plugins = ["front_tree"]
pytestmark = pytest.mark.real

# As Debian's GNOME packages write them: the one reads cache.json as text, the other the links of the index.
_CACHE_JSON_WATCH = r"""version=4
opts="searchmode=plain, uversionmangle=s/\.(alpha|beta|rc)\.?/~$1/, downloadurlmangle=s|cache.json||" \
  {url}/sources/{module}/cache.json \
  [\d.]+/{pattern}-([\d.]+\.?(?:alpha|beta|rc)?[\d.]*)@ARCHIVE_EXT@
"""
_HTML_WATCH = r"""version=4
opts="uversionmangle=s/\.(alpha|beta|rc)\.?/~$1/" \
  {url}/sources/{module}/([\d.]+)/ \
  {pattern}-([\d.]+\.?(?:alpha|beta|rc)?[\d.]*)@ARCHIVE_EXT@
"""
_CHANGELOG = """{package} ({version}-1) unstable; urgency=medium

  * Package it.

 -- Nobody <nobody@gnome.example>  Mon, 01 Jan 2024 00:00:00 +0000
"""
WATCHES = [pytest.param(_CACHE_JSON_WATCH, id="cache.json"), pytest.param(_HTML_WATCH, id="html")]


def debian_package(home: Path, watch: str, module: str, version: str, url: str) -> Path:
    """Make a source package of *module* at *version*; return its directory."""
    package = home / "package"
    (package / "debian").mkdir(parents=True)
    text = watch.format(url=url, module=module, pattern=module.replace("+", r"\+"))
    (package / "debian/watch").write_text(text)
    name = module.replace("+", "-plus")
    (package / "debian/changelog").write_text(_CHANGELOG.format(package=name, version=version))
    return package


def uscan(package: Path, *options: str, exits: int = 0) -> dict[str, str]:
    """Run uscan in *package*; return what it found.  It exits 1 where there is nothing newer."""
    program = needs("uscan", "devscripts")
    done = run([program, "--no-conf", "--dehs", *options], package, exits=exits)
    return {element.tag: element.text or "" for element in ET.fromstring(done.stdout)}  # noqa: S314 - uscan's


@pytest.mark.old_tree
@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize(
    ("packaged", "newest", "filename"),
    [
        ("gnome-shell-48.1", "49~alpha", "gnome-shell-49.alpha.tar.xz"),
        ("gtk+-3.24.51", "3.24.52", "gtk+-3.24.52.tar.xz"),
    ],
)
def test_uscan_finds_the_newest_version(
    tree: Tree, tmp_path: Path, watch: str, packaged: str, newest: str, filename: str
) -> None:
    module, _, version = packaged.rpartition("-")
    found = uscan(debian_package(tmp_path, watch, module, version, tree.url), "--report")
    assert found["status"] == "newer package available"
    assert found["upstream-version"] == newest
    assert found["upstream-url"] == tree.url_of(filename)


@pytest.mark.parametrize("watch", WATCHES)
def test_uscan_says_that_the_newest_version_is_packaged(tree: Tree, tmp_path: Path, watch: str) -> None:
    package = debian_package(tmp_path, watch, "libsigc++", "3.6.0", tree.url)
    assert uscan(package, "--report", exits=1)["status"] == "up to date"


@pytest.mark.parametrize("watch", WATCHES)
def test_uscan_downloads_the_tarball_as_it_was_uploaded(tree: Tree, tmp_path: Path, watch: str) -> None:
    package = debian_package(tmp_path, watch, "gtk+", "3.24.51", tree.url)
    uscan(package, "--download", "--no-symlink")
    assert (tmp_path / "gtk+-3.24.52.tar.xz").read_bytes() == tree.tarballs["gtk+-3.24.52.tar.xz"]


@pytest.mark.parametrize("watch", WATCHES)
def test_uscan_finds_the_version_it_is_asked_for(tree: Tree, tmp_path: Path, watch: str) -> None:
    package = debian_package(tmp_path, watch, "gnome-shell", "47.0", tree.url)
    uscan(package, "--download-debversion", "48.0-1", "--no-symlink")
    assert (tmp_path / "gnome-shell-48.0.tar.xz").read_bytes() == tree.tarballs["gnome-shell-48.0.tar.xz"]


# Anitya's own backend with another host; its real project, but no database.
_ANITYA = """
import json, sys
from anitya.db.models import Project
from anitya.lib.backends import gnome

url, name = sys.argv[1:]
gnome.GnomeBackend.get_version_url = classmethod(lambda _, project: f"{url}/sources/{project.name}/")
project = Project(name=name, backend="GNOME", version_scheme="RPM", homepage=url)
found = {
    "cache.json": gnome.use_gnome_cache_json(project),
    "html": gnome.use_gnome_regex(project),
    "newest": str(gnome.GnomeBackend.get_version(project)),
}
print()  # it logs on stdout, too
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("module", "versions", "series", "newest"),
    [
        ("gtk+", ["3.24.51", "3.24.52"], ["3.24"], "3.24.52"),
        ("gnome-shell", ["48.alpha", "48.0", "48.1", "49.alpha"], ["48", "49"], "49.alpha"),
        ("libsigc++", ["3.6.0"], ["3.6"], "3.6.0"),
    ],
)
def test_anitya_reads_the_versions_of_cache_json_and_the_series_of_the_index(
    tree: Tree, tmp_path: Path, module: str, versions: list[str], series: list[str], newest: str
) -> None:
    """It falls back to the links of the module's index, where the series are all that it sees."""
    python = Path(needs("check_service", "anitya (from PyPI)")).with_name("python")
    found = json.loads(run([python, "-c", _ANITYA, tree.url, module], tmp_path).stdout.splitlines()[-1])
    assert found["cache.json"] == versions
    assert sorted(found["html"]) == series
    assert found["newest"] == newest


_NVCHECKER = r"""
[__config__]

["from cache.json"]
source = "regex"
url = "{url}/sources/gnome-shell/cache.json"
regex = 'gnome-shell-([\d.]+)\.tar\.xz'

["from cache.json, with pre-releases"]
source = "regex"
url = "{url}/sources/gnome-shell/cache.json"
regex = 'gnome-shell-([\w.]+)\.tar\.xz'

["from the index"]
source = "regex"
url = "{url}/sources/gtk+/3.24/"
regex = 'href="gtk\+-([\d.]+)\.tar\.xz"'

["from an escaped path"]
source = "regex"
url = "{url}/sources/libsigc%2B%2B/3.6/"
regex = 'libsigc\+\+-([\d.]+)\.tar\.xz"'

["from LATEST-IS"]
source = "regex"
url = "{url}/sources/hello-gnome/48/"
regex = 'LATEST-IS-([\w.]+)"'

["from a header"]
source = "httpheader"
url = "{url}/sources/gtk+/3.24/gtk+-3.24.52.tar.xz"
header = "Content-Type"
regex = 'application/x-(\w+)'
method = "GET"
"""


def test_nvchecker_finds_the_newest_versions(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "nvchecker.toml").write_text(_NVCHECKER.replace("{url}", tree.url))
    program = Path(sys.executable).with_name("nvchecker")
    done = run([program, "-c", "nvchecker.toml", "--logger", "json"], tmp_path)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["name"]: line["version"] for line in lines if line["event"] == "updated"} == {
        "from cache.json": "48.1",
        "from cache.json, with pre-releases": "49.alpha",
        "from the index": "3.24.52",
        "from an escaped path": "3.6.0",
        "from LATEST-IS": "48.1",
        "from a header": "xz",
    }
