"""Makes trees as download.gnome.org had them in its years: old schemes of files, sums and names, mistakes included."""

import bz2
import hashlib
import json
import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import builders

DAY_S = 24 * 3600
NEWS = "Changes in {0}\n==============\n\n- First of {0}\n- Second of {0}\n- Third of {0}\n\n"


def tarball(release: str, compression: str, members: Mapping[str, bytes] | None = None) -> bytes:
    """Return a tarball of *release*; bzip2 is what the service cannot read."""
    content = builders.tar({"configure.in": f"AC_INIT({release})\n".encode(), **(members or {})}, release)
    return bz2.compress(content, 1) if compression == "bz2" else builders.compress(compression, content)


def sums(algorithm: str, files: Mapping[str, bytes]) -> bytes:
    """Return what ``sha256sum`` or ``md5sum`` prints of *files*."""
    return "".join(
        f"{hashlib.new(algorithm, content).hexdigest()}  {name}\n" for name, content in files.items()
    ).encode()


# Of `flawed_tree`: the kind and path of each problem, and the keys of files that cannot be imported.
MISTAKES = {
    ("mismatch", "gtk+/2.24/gtk+-2.24.1.tar.bz2"),
    ("mismatch", "gtk+/2.24/gtk+-2.24.0.news"),
    ("mismatch", "gtk+/3.24/gtk+-3.24.0.tar.xz"),
    ("no_tarball", "gtk+"),
    ("not_listed", "gtk+/3.24/gtk+-3.24.0.NEWS"),
    ("not_listed", "gtk+/3.24/gtk+-3.24.1.tar.xz"),
    ("not_there", "gtk+/2.24/gtk+-2.24.0.zip"),
    ("no_checksum", "gtk+/2.90/gtk+-2.90.tar.xz"),
    ("not_inspected", "gtk+/2.90/gtk+-2.90.tar.xz"),
    ("bad_version", "gtk+"),
    ("order", "gtk+/cache.json"),
    ("wrong_latest", "gtk+/2.24/LATEST-IS-2.24.0"),
    ("reserved_name", "gtk+/2.24/gtk+-2.24.0.release.json"),
    ("strange_name", "gtk+/2.24/a file.txt"),
    ("strange_name", "gtk+/2.24/.message"),
    ("case_twin", "gtk+/2.24/readme"),
    ("bad_cache_json", "pango/cache.json"),
    ("bad_checksum_line", "pango/1.4/pango-1.4.sha256sum"),
    ("not_there", "pango/1.4/pango-1.5.tar.gz"),
    ("leaves_the_tree", "pango/1.4/passwd"),
    ("leaves_the_tree", "pango/1.4/nowhere"),
    ("linked_directory", "pango/latest"),
    ("case_twin", "Pango"),
    ("bad_module", "aux"),
    ("linked_directory", "gtk"),
    ("outside", "ls-lR.gz"),
    ("outside", "../core"),
}
LEFT_OUT = {
    "sources/gtk+/2.24/gtk+-2.24.1.tar.bz2",
    "sources/gtk+/2.24/gtk+-2.24.0.news",
    "sources/gtk+/3.24/gtk+-3.24.0.tar.xz",
    "sources/gtk+/3.24/gtk+-3.24.0.sha256sum",
    "sources/gtk+/2.24/a file.txt",
    "sources/gtk+/2.24/.message",
    *(f"sources/Pango/1.4/Pango-1.4.{ext}" for ext in ("tar.xz", "sha256sum")),
    "sources/aux/README",
    "sources/ls-lR.gz",
}


@dataclass
class OldModule:
    """The directory of a module, before it is written: {path: content}, and what its cache.json says.

    `listed`: {version: {ext: path}}, in the order of versions; cache.json does not name what is in `hidden`.
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    listed: dict[str, dict[str, str]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    def release(self, version: str, directory: str, files: Mapping[str, bytes]) -> None:
        """Add a release: {ext: content}."""
        for ext, content in files.items():
            self.add(version, ext, f"{directory}/{self.name}-{version}.{ext}".removeprefix("/"), content)

    def add(self, version: str, ext: str, path: str, content: bytes) -> None:
        """Add a file of a release, wherever it lies."""
        self.files[path] = content
        self.listed.setdefault(version, {})[ext] = path

    def cache_json(self) -> bytes:
        """Return cache.json as the old tool wrote it: in no order but that of element three."""
        theirs = {path for exts in self.listed.values() for path in exts.values()}
        others: dict[str, list[str]] = {}
        for path in self.files:
            directory, _, base = path.rpartition("/")
            if path not in theirs | self.hidden:
                others.setdefault(directory or ".", []).append(base)
        others.setdefault(".", []).append("cache.json")
        shuffled = list(self.listed)
        random.Random(self.name).shuffle(shuffled)  # noqa: S311 - the same each time, and no secret
        files = {version: self.listed[version] for version in shuffled}
        return json.dumps([4, {self.name: files}, {self.name: list(self.listed)}, others]).encode()


def write(root: Path, modules: Iterable[OldModule], *, without_cache: Iterable[str] = ()) -> None:
    """Write *modules* below *root*/sources; each file is a day older than the one before it; LATEST-IS are links."""
    at = 1_240_000_000
    for module in modules:
        home = root / "sources" / module.name
        contents = dict(module.files)
        if module.name not in set(without_cache):
            contents["cache.json"] = module.cache_json()
        for path, content in contents.items():
            file = home / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.name.startswith("LATEST-IS-"):
                file.symlink_to(f"{module.name}-{file.name.removeprefix('LATEST-IS-')}.tar.gz")
                continue
            file.write_bytes(content)
            at += DAY_S
            os.utime(file, (at, at))


def of_2004(module: OldModule, version: str, series: str, before: str) -> None:
    """Add a release with sums for each file, which cache.json does not take for the release's."""
    release = f"{module.name}-{version}"
    tarballs = {ext: tarball(release, ext.removeprefix("tar.")) for ext in ("tar.gz", "tar.bz2")}
    module.release(version, series, tarballs)
    diff = f"{module.name}-{before}-{version}.diff.gz"
    module.add(version, "diff.gz", f"{series}/{diff}", builders.compress("gz", f"diff to {version}\n".encode()))
    for name, content in {f"{release}.{ext}": found for ext, found in tarballs.items()}.items():
        module.files[f"{series}/{name}.md5"] = sums("md5", {name: content})
        module.files[f"{series}/{name}.sha256sum"] = hashlib.sha256(content).hexdigest().encode() + b"\n"


def of_2009(module: OldModule, version: str, series: str, before: str = "") -> None:
    """Add a release of two tarballs with one file of sums for all, and a diff."""
    release = f"{module.name}-{version}"
    files = {ext: tarball(release, ext.removeprefix("tar.")) for ext in ("tar.gz", "tar.bz2")}
    files |= {"news": NEWS.format(version).encode(), "changes": f"2009-04-01\n\n\t* {version}\n".encode()}
    named = {f"{release}.{ext}": content for ext, content in files.items()}
    if before:
        diff = builders.compress("gz", f"diff from {before} to {version}\n".encode())
        module.add(version, "diff.gz", f"{series}/{module.name}-{before}-{version}.diff.gz", diff)
        named[f"{module.name}-{before}-{version}.diff.gz"] = diff
    module.release(version, series, files)
    module.release(version, series, {"md5sum": sums("md5", named), "sha256sum": sums("sha256", named)})


def of_2015(module: OldModule, version: str, series: str, *, news: str = "", compression: str = "xz") -> None:
    """Add a release as the old tool makes them now: one tarball, perhaps news, and the sums of both."""
    release = f"{module.name}-{version}"
    members = {"NEWS": news.encode()} if news else {}
    files = {"news": NEWS.format(version).encode()} if news else {}
    files[f"tar.{compression}"] = tarball(release, compression, members)
    module.release(version, series, files)
    module.release(
        version, series, {"sha256sum": sums("sha256", {f"{release}.{ext}": found for ext, found in files.items()})}
    )


def latest(module: OldModule, *paths: str) -> None:
    """Add LATEST-IS of each directory and version."""
    module.files |= dict.fromkeys(paths, b"")


def good_tree(root: Path, without: Iterable[str] = ()) -> list[OldModule]:
    """Write a tree without mistakes, in all the old schemes, but for the modules *without*; return what is in it."""
    eds = OldModule("evolution-data-server")
    of_2004(eds, "0.0.6", "0.0", "0.0.5")
    of_2004(eds, "0.0.7", "0.0", "0.0.6")
    of_2009(eds, "1.0.4", "1.0", "1.0.3")
    of_2009(eds, "1.10.3.1", "1.10")
    of_2015(eds, "3.16.2", "3.16", news=NEWS.format("3.16.2"))
    latest(eds, "0.0/LATEST-IS-0.0.7", "1.0/LATEST-IS-1.0.4", "1.10/LATEST-IS-1.10.3.1", "3.16/LATEST-IS-3.16.2")
    shell = OldModule("gnome-shell")
    for version in ("3.38.9", "40.alpha", "40.0"):
        of_2015(shell, version, "40" if version.startswith("40") else "3.38")
    sigc = OldModule("libsigc++")
    in_the_root = tarball("libsigc++-1.0", "gz")
    sigc.release("1.0", "", {"tar.gz": in_the_root})
    sigc.release("1.0", "", {"sha256sum": sums("sha256", {"libsigc++-1.0.tar.gz": in_the_root})})
    of_2015(sigc, "2.0-rc1", "2.0-rc", compression="gz")  # a directory that is no series
    sigc.files |= {"README": b"Moved to GitHub.\n", "2.0-rc/docs/old~/index.txt": b"nothing\n"}
    single = OldModule("mobile-broadband-provider-info")
    of_2015(single, "20120614", "20120614")
    unlisted = OldModule("NetworkManager")  # has no cache.json
    of_2009(unlisted, "0.8", "0.8")
    readme = OldModule("gnome-docu")
    readme.files["README"] = b"There never was a release.\n"
    modules = [module for module in (eds, shell, sigc, single, unlisted, readme) if module.name not in set(without)]
    write(root, modules, without_cache=["NetworkManager"])
    return modules


def two_modules(root: Path) -> None:
    """Write a small tree for tests that import it many times: two modules, no mistakes."""
    gok, pango = OldModule("gok"), OldModule("pango")
    of_2009(gok, "0.9", "0.9")
    of_2015(pango, "1.42.0", "1.42", compression="gz")
    pango.files["README"] = b"Text.\n"
    write(root, [gok, pango])


def flawed_tree(root: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """Write a tree of mistakes; return their kinds and paths, and the keys of the files that cannot be imported."""
    _write_flawed(root)
    _spoil(root)
    return MISTAKES, LEFT_OUT


def _write_flawed(root: Path) -> None:
    gtk, pango = OldModule("gtk+"), OldModule("pango")
    of_2009(gtk, "2.24.0", "2.24")
    of_2009(gtk, "2.24.1", "2.24")
    gtk.files["2.24/gtk+-2.24.1.tar.bz2"] += b"\0"  # one of two tarballs
    gtk.files["2.24/gtk+-2.24.0.news"] += b"\n"
    of_2015(gtk, "3.24.0", "3.24")
    gtk.files["3.24/gtk+-3.24.0.tar.xz"] = tarball("gtk+-3.24.0", "gz")  # the only one
    gtk.files["3.24/gtk+-3.24.0.NEWS"] = b"in no list\n"
    gtk.files["3.24/gtk+-3.24.1.tar.xz"] = tarball("gtk+-3.24.1", "xz")
    gtk.hidden |= {"3.24/gtk+-3.24.0.NEWS", "3.24/gtk+-3.24.1.tar.xz"}
    gtk.listed["2.24.0"]["zip"] = "2.24/gtk+-2.24.0.zip"
    gtk.release("2.90", "2.90", {"tar.xz": b"no archive at all"})
    gtk.listed["2.x_1"] = {"tar.gz": "2.24/gtk+-2.x_1.tar.gz"}
    gtk.files["2.24/gtk+-2.x_1.tar.gz"] = b"a version that cannot be"
    gtk.files |= dict.fromkeys(["2.24/LATEST-IS-2.24.0", "2.24/gtk+-2.24.0.release.json"], b"{}")
    gtk.files |= {"2.24/a file.txt": b"1", "2.24/.message": b"2", "2.24/readme": b"3", "2.24/README": b"4"}
    of_2015(pango, "1.4", "1.4")
    pango.files["1.4/pango-1.4.sha256sum"] += b"-----BEGIN PGP SIGNATURE-----\n"
    pango.files["1.4/pango-1.5.md5sum"] = b"0" * 32 + b" *pango-1.5.tar.gz\n"
    twin, device = OldModule("Pango"), OldModule("aux")
    of_2015(twin, "1.4", "1.4")
    device.files["README"] = b"not on Windows\n"
    write(root, [gtk, pango, twin, device])


def _spoil(root: Path) -> None:
    """Write what no `OldModule` is: damaged indexes, links, and what lies beside the modules."""
    sources = root / "sources"
    damaged = json.loads((sources / "gtk+/cache.json").read_bytes())
    damaged[2]["gtk+"].reverse()
    (sources / "gtk+/cache.json").write_text(json.dumps(damaged))
    (sources / "pango/cache.json").write_text("[4, {}, {}]")
    (sources / "pango/1.4/passwd").symlink_to("/etc/passwd")
    (sources / "pango/1.4/nowhere").symlink_to("nothing")
    (sources / "pango/1.4/same.txt").symlink_to("pango-1.4.sha256sum")
    (sources / "pango/latest").symlink_to("1.4")
    (sources / "gtk").symlink_to("gtk+")
    (sources / "ls-lR.gz").write_bytes(b"")
    (root / "core").mkdir()


def large_tree(root: Path, files: int) -> int:
    """Write at least so many files, in modules of a hundred releases; return how many there are."""
    written = 0
    number = 0
    while written < files:
        module = OldModule(f"module{number:03}")
        for minor in range(10):
            for micro in range(10):
                version = f"{1 + number % 3}.{minor}.{micro}"
                series = version.rpartition(".")[0]
                (of_2004(module, version, series, "0.9") if minor < 2 else of_2009(module, version, series))
                if len(module.files) + written >= files:
                    break
        write(root, [module])
        written += len(module.files) + 1
        number += 1
    return written
