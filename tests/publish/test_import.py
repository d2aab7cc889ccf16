"""An old tree is imported: every path and byte, what is wrong named, interrupted or not."""

import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update

import old_tree
from builders import a_tarball
from components import command, free_port, wait_until
from old_tree import OldModule
from release_service import audit, verify
from release_service.archive.inspector import Inspector
from release_service.authorize.stewards import shell_user
from release_service.db.tables import AuditRow
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import SourceUnavailable, StoreUnavailable
from release_service.importing import Importer, Outcome
from release_service.importing.directory import Directory
from release_service.importing.source import Source
from release_service.importing.website import Website
from release_service.publish import Service
from release_service.store import Document, ReleaseStore, Staged
from release_service.store import Source as Received
from release_service.store.local import LocalStore
from release_service.verify import BEGINNING, Scope
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow
Problems = set[tuple[str, str]]


@pytest.fixture
def local(environment_of: Callable[[str], Environment], gitlab: StandInGitLab) -> Iterator[Uploads]:
    """An empty service on a directory."""
    with make_uploads(environment_of("embedded"), gitlab) as made:
        yield made


def importer(uploads: Uploads, source: Source, service: Service | None = None) -> Importer:
    inspector = Inspector(uploads.parts.settings.archive_limits())
    return Importer(service or uploads.parts.service, source, inspector, shell_user("tester"), 4)


def problems(outcomes: list[Outcome]) -> Problems:
    return {(problem.kind.value, problem.path) for outcome in outcomes for problem in outcome.problems}


def bring(uploads: Uploads, root: Path, service: Service | None = None) -> list[Outcome]:
    return list(importer(uploads, Directory(root), service).bring())


def found(uploads: Uploads) -> Problems:
    """Return what `release-service verify --all` would find."""
    service, all_ = uploads.parts.service, Scope()
    given = service.transactions, service.store, all_
    told = [one for read in verify.published(*given, BEGINNING, 4) for one in read.findings]
    told += [one for read in verify.indexes(*given, service.moment(), 4) for one in read.findings]
    told += verify.foreign(*given)
    return {(one.kind.value, one.key) for one in told}


def files_below(root: Path) -> dict[str, bytes]:
    """Return the files of an old tree that are imported: its links and indexes aside."""
    ours = ("cache.json", "index.html")
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.name not in ours}


class Counting:
    """A store that counts what is written, and fails at the *nth* write."""

    def __init__(self, store: ReleaseStore, nth: int = 0) -> None:
        self._store, self._nth = store, nth
        self.writes: list[str] = []
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def stage(self, key: str, source: Received) -> AbstractContextManager[Staged]:
        self._count(key)
        return self._store.stage(key, source)

    def add(self, key: str, content: bytes) -> None:
        self._count(key)
        self._store.add(key, content)

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        self._count(key)
        self._store.replace(key, content, expected=expected)

    def remove(self, key: str) -> None:
        self._count(key)
        self._store.remove(key)

    def _count(self, key: str) -> None:
        with self._lock:
            self.writes.append(key)
            if len(self.writes) == self._nth:
                raise StoreUnavailable("the store is down")


def cache_json(uploads: Uploads, module: str) -> Any:
    return json.loads(uploads.read(f"sources/{module}/cache.json"))


def lists_what_it_listed(uploads: Uploads, module: OldModule, root: Path) -> None:
    """Hold the new cache.json against the old one: the same, but for release.json and LATEST-IS where they are new."""
    four, files, versions, others = cache_json(uploads, module.name)
    assert (four, files, versions) == (4, {module.name: module.listed}, {module.name: list(module.listed)})
    old = root / "sources" / module.name / "cache.json"
    old_others: dict[str, list[str]] = json.loads(old.read_bytes())[3] if old.exists() else {}
    for directory in others:
        new = set(others[directory]) - set(old_others.get(directory, []))
        assert set(old_others.get(directory, [])) <= set(others[directory])
        assert all(name.endswith(".release.json") or name.startswith("LATEST-IS-") for name in new if old_others)


def test_every_path_and_byte_of_an_old_tree_is_there_and_a_second_run_writes_nothing(
    uploads: Uploads, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    modules = old_tree.good_tree(old)
    outcomes = bring(uploads, old)
    assert problems(outcomes) == {("no_cache_json", "NetworkManager/cache.json")}
    there = set(uploads.stored())
    assert files_below(old).keys() <= there
    assert all(uploads.read(key) == content for key, content in files_below(old).items())
    for module in modules:
        lists_what_it_listed(uploads, module, old)
    assert found(uploads) == set()
    assert {row["module"] for row in uploads.audited()} == {module.name for module in modules} | {""}
    assert audit.verify(uploads.parts.service.transactions).findings == []

    store = Counting(uploads.parts.service.store)
    rows, audited = uploads.rows(), uploads.audited()
    again = bring(uploads, old, replace(uploads.parts.service, store=cast("ReleaseStore", store)))
    assert store.writes == []
    assert (uploads.rows(), uploads.audited()) == (rows, audited)
    assert sum(outcome.as_before for outcome in again) == sum(outcome.files for outcome in outcomes)


def test_what_is_imported_is_as_old_as_it_was(local: Uploads, tmp_path: Path) -> None:
    """An index shows the day, and where the store is a directory mirrors compare the second."""
    old = tmp_path / "old"
    old_tree.good_tree(old)
    bring(local, old)
    store = local.parts.service.store
    assert isinstance(store, LocalStore)
    key = "sources/gnome-shell/40/gnome-shell-40.0.tar.xz"
    assert (store.root / key).stat().st_mtime == (old / key).stat().st_mtime
    day = datetime.fromtimestamp((old / key).stat().st_mtime, UTC).date()
    assert f'<td class="date">{day}</td>' in local.read("sources/gnome-shell/40/index.html").decode()
    told = local.http.get("/api/v1/releases/gnome-shell/40.0").json()
    assert (told["received"][:10], told["proof"]) == (str(day), {"kind": "import", "origin": "directory"})


def marks(root: Path) -> dict[str, tuple[int, int, int, int]]:
    stats = {path: path.lstat() for path in sorted(root.rglob("*"))}
    return {str(path): (s.st_mode, s.st_nlink, s.st_mtime_ns, s.st_ctime_ns) for path, s in stats.items()}


def test_the_old_tree_is_only_read(local: Uploads, tmp_path: Path) -> None:
    """Not even linked to: whoever changes it later must not change what is published."""
    old_tree.good_tree(tmp_path / "old")
    before = marks(tmp_path / "old")
    bring(local, tmp_path / "old")
    assert marks(tmp_path / "old") == before


def test_a_report_writes_nothing_and_says_what_an_import_would_say(local: Uploads, tmp_path: Path) -> None:
    old_tree.flawed_tree(tmp_path / "old")
    reported = list(importer(local, Directory(tmp_path / "old")).examine())
    assert (local.stored(), sum(local.rows().values()), local.audited(), local.staged()) == ([], 0, [], [])
    done = bring(local, tmp_path / "old")
    assert problems(reported) == problems(done)
    assert [(one.releases, one.files, one.bytes) for one in reported] == [
        (one.releases, one.files, one.bytes) for one in done
    ]


def test_each_mistake_of_an_old_tree_is_named_and_only_wrong_bytes_are_left_out(local: Uploads, tmp_path: Path) -> None:
    old = tmp_path / "old"
    mistakes, left_out = old_tree.flawed_tree(old)
    assert problems(bring(local, old)) == mistakes
    there = set(local.stored())
    assert files_below(old).keys() - there == left_out
    assert not left_out & there
    assert found(local) == set()
    listed = [cache_json(local, module)[1][module] for module in ("gtk+", "pango")]
    told = {
        f"sources/{m}/{p}"
        for m, v in zip(("gtk+", "pango"), listed, strict=True)
        for e in v.values()
        for p in e.values()
    }
    assert told <= there
    # What is mended is imported by the next run, and told of in release.json.
    assert "tar.bz2" not in listed[0]["2.24.1"]
    (old / "sources/gtk+/2.24/gtk+-2.24.1.tar.bz2").write_bytes(old_tree.tarball("gtk+-2.24.1", "bz2"))
    assert ("mismatch", "gtk+/2.24/gtk+-2.24.1.tar.bz2") not in problems(bring(local, old))
    assert cache_json(local, "gtk+")[1]["gtk+"]["2.24.1"]["tar.bz2"] == "2.24/gtk+-2.24.1.tar.bz2"
    assert b"gtk+-2.24.1.tar.bz2" in local.read("sources/gtk+/2.24/gtk+-2.24.1.release.json")
    assert found(local) == set()


def test_a_flipped_byte_of_what_was_imported_is_found(local: Uploads, tmp_path: Path) -> None:
    """Of a release's tarball, of its other one, of a file of none, and of a module that has no release."""
    old_tree.good_tree(tmp_path / "old")
    bring(local, tmp_path / "old")
    eds = "sources/evolution-data-server"
    keys = {
        f"{eds}/1.0/evolution-data-server-1.0.4.tar.gz",
        f"{eds}/1.0/evolution-data-server-1.0.4.tar.bz2",
        f"{eds}/0.0/evolution-data-server-0.0.7.tar.gz.md5",
        "sources/gnome-docu/README",
    }
    store = local.parts.service.store
    assert isinstance(store, LocalStore)
    for key in keys:
        content = bytearray(local.read(key))
        content[-1] ^= 1
        (store.root / key).write_bytes(content)
    assert found(local) == {("wrong_bytes", key) for key in keys}


def test_a_checksum_file_that_no_old_tree_had_is_foreign(local: Uploads, tmp_path: Path) -> None:
    """The service makes none for a release that it has not published."""
    old_tree.good_tree(tmp_path / "old")
    bring(local, tmp_path / "old")
    stray = "sources/evolution-data-server/0.0/evolution-data-server-0.0.7.sha256sum"
    local.parts.service.store.add(stray, b"")
    assert found(local) == {("foreign", stray)}


def test_an_import_that_fails_at_any_write_is_finished_by_the_next_run(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    """What readers are told of is there after each failure, and in the end everything is."""
    old = tmp_path / "old"
    old_tree.two_modules(old)
    with make_uploads(environment_of("embedded"), gitlab) as local:
        service = local.parts.service
        for nth in itertools.count(1):
            store = Counting(service.store, nth)
            try:
                bring(local, old, replace(service, store=cast("ReleaseStore", store)))
            except StoreUnavailable:
                listed_is_there(local)
            else:
                break
        assert nth > 5
        assert problems(bring(local, old)) == set()
        assert found(local) == set()
        assert all(local.read(key) == content for key, content in files_below(old).items())


def listed_is_there(uploads: Uploads) -> None:
    there = set(uploads.stored())
    for key in there:
        if key.endswith("/cache.json"):
            module = key.split("/")[1]
            named = [path for exts in cache_json(uploads, module)[1][module].values() for path in exts.values()]
            assert {f"sources/{module}/{path}" for path in named} <= there


def test_a_killed_import_is_finished_by_the_next_run(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    old, environment = tmp_path / "old", environment_of("embedded")
    old_tree.large_tree(old, 160)
    program = [command("release-service"), "import", str(old), "--jobs", "2", "--json"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    process = subprocess.Popen(program, env=inherited | environment, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(list((tmp_path / "tree").rglob("*.tar.gz"))) > 10, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list((tmp_path / "tree").rglob("*"))) < len(files_below(old))
    done = subprocess.run(program, env=os.environ | environment, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, report["complete"], report["problems"], report["modules"]) == (0, True, [], 1)
    with make_uploads(environment, gitlab) as local:
        assert found(local) == set()
        assert all(local.read(key) == content for key, content in files_below(old).items())


@pytest.fixture
def website(tmp_path: Path) -> Iterator[str]:
    """The directory ``old`` over HTTP, with the indexes that Python writes."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path / "old"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_tree_over_http_is_imported_as_its_directory_would_be(local: Uploads, tmp_path: Path, website: str) -> None:
    old = tmp_path / "old"
    old_tree.good_tree(old)
    with closing(Website(website, 4)) as source:
        outcomes = list(importer(local, source).bring())
        again = list(importer(local, source).bring())
    assert problems(outcomes) == {("no_cache_json", "NetworkManager/cache.json")}
    assert all(local.read(key) == content for key, content in files_below(old).items())
    assert found(local) == set()
    assert sum(outcome.as_before for outcome in again) == sum(outcome.files for outcome in outcomes)
    day = datetime.fromtimestamp((old / "sources/gnome-shell/40/gnome-shell-40.0.tar.xz").stat().st_mtime, UTC).date()
    assert str(day) in local.read("sources/gnome-shell/40/index.html").decode()


def test_a_website_that_is_down_is_said_and_nothing_is_written(local: Uploads, tmp_path: Path) -> None:
    with closing(Website(f"http://127.0.0.1:{free_port()}", 4)) as source, pytest.raises(SourceUnavailable):
        list(importer(local, source).bring())
    with pytest.raises(SourceUnavailable):
        Directory(tmp_path)
    assert (local.stored(), sum(local.rows().values())) == ([], 0)


def test_the_next_release_is_compared_with_the_imported_one(local: Uploads, tmp_path: Path) -> None:
    old = OldModule("hello")
    old_tree.of_2015(old, "47.0", "47", news=old_tree.NEWS.format("47.0"))
    old_tree.write(tmp_path / "old", [old])
    assert problems(bring(local, tmp_path / "old")) == set()
    news = old_tree.NEWS.format("47.1") + old_tree.NEWS.format("47.0")
    assert local.post("hello-47.1.tar.xz", a_tarball("hello-47.1.tar.xz", NEWS=news)).status_code == 201
    assert local.read("sources/hello/47/hello-47.1.news").decode() == old_tree.NEWS.format("47.1")
    assert cache_json(local, "hello")[2] == {"hello": ["47.0", "47.1"]}
    assert "sources/hello/47/LATEST-IS-47.0" not in local.stored()
    assert found(local) == set()


def test_an_imported_version_is_never_replaced_and_the_same_bytes_are_the_same(local: Uploads, tmp_path: Path) -> None:
    old = OldModule("hello")
    old_tree.of_2015(old, "47.0", "47")
    old_tree.write(tmp_path / "old", [old])
    bring(local, tmp_path / "old")
    same = old.files["47/hello-47.0.tar.xz"]
    assert local.post("hello-47.0.tar.xz", same).status_code == 200
    assert local.post("hello-47.0.tar.xz", a_tarball("hello-47.0.tar.xz", salt="2")).status_code == 409
    assert local.read("sources/hello/47/hello-47.0.tar.xz") == same


def test_the_audit_knows_releases_that_are_younger_than_itself_and_were_imported(
    local: Uploads, tmp_path: Path
) -> None:
    """The old service has published since this one was set up."""
    old = OldModule("hello")
    old_tree.of_2015(old, "47.0", "47")
    old_tree.write(tmp_path / "old", [old])
    later = local.parts.service.now() + timedelta(seconds=5)
    os.utime(tmp_path / "old/sources/hello/47/hello-47.0.tar.xz", (later.timestamp(), later.timestamp()))
    bring(local, tmp_path / "old")
    assert audit.verify(local.parts.service.transactions).findings == []
    with local.parts.service.transactions.begin() as session:
        session.execute(update(AuditRow).where(AuditRow.module == "hello").values(module="other"))
    assert "no row tells of the release hello 47.0" in audit.verify(local.parts.service.transactions).findings


def test_what_was_published_here_before_stays(local: Uploads, tmp_path: Path) -> None:
    """The old service was used for a while beside this one."""
    ours, same = a_tarball("hello-47.0.tar.xz", salt="ours"), a_tarball("hello-47.1.tar.xz")
    assert local.post("hello-47.0.tar.xz", ours).status_code == 201
    assert local.post("hello-47.1.tar.xz", same).status_code == 201
    old = OldModule("hello")
    old_tree.of_2015(old, "46.0", "46")
    old_tree.of_2015(old, "47.0", "47")
    old.release("47.1", "47", {"tar.xz": same})
    old_tree.write(tmp_path / "old", [old])
    assert problems(bring(local, tmp_path / "old")) == {("already_published", "hello/47/hello-47.0.tar.xz")}
    assert local.read("sources/hello/47/hello-47.0.tar.xz") == ours
    assert cache_json(local, "hello")[2] == {"hello": ["46.0", "47.0", "47.1"]}
    assert found(local) == set()


def test_the_command_says_what_is_wrong_and_exits_1(
    environment_of: Callable[[str], Environment], tmp_path: Path
) -> None:
    mistakes, _ = old_tree.flawed_tree(tmp_path / "old")
    program = [command("release-service"), "import", str(tmp_path / "old")]
    done = subprocess.run(
        program, env=os.environ | environment_of("embedded"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "mismatch: gtk+/2.24/gtk+-2.24.1.tar.bz2: 2.24/gtk+-2.24.1.sha256sum says sha256" in done.stdout
    for kind in {kind for kind, _ in mistakes}:
        assert f" {kind.replace('_', ' ')} " in done.stdout
