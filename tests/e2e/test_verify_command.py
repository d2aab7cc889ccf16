"""`release-service verify`: each difference between store and database is named, and nothing is changed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

import components
import forked
from builders import a_tarball
from conftest import KINDS
from filled import fill
from release_service import checksum, paths
from release_service.cli.verify_progress import Subject
from release_service.db import Transactions, connect
from release_service.db.migrate import upgrade
from release_service.demo.gitlab import StandInGitLab
from release_service.settings import Settings
from release_service.store import ReleaseStore
from release_service.store.local import LocalStore
from release_service.verify import Scope
from uploads import Environment, Uploads, make_uploads, open_store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from release_service.cli import main; main()", "verify"]
NAMES = ("gtk-4.18.1.tar.xz", "gtk-4.18.2.tar.xz", "glib-2.80.0.tar.xz")
NEWS = "gtk 4.18.1\n==========\n\n* Everything is new\n"
TARBALL = "sources/gtk/4.18/gtk-4.18.1.tar.xz"
NEWS_KEY = "sources/gtk/4.18/gtk-4.18.1.news"
SUMS = "sources/gtk/4.18/gtk-4.18.2.sha256sum"
Done = subprocess.CompletedProcess[str]


def start(environment: Environment, home: Path, *words: str | Path) -> "subprocess.Popen[str]":
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    given = os.environ | environment | {"PYTHONPATH": path}
    return subprocess.Popen(
        [*COMMAND, *words], env=given, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@dataclass(frozen=True, slots=True)
class Archive:
    """A service that has published, its store, and what types the command."""

    uploads: Uploads
    store: ReleaseStore
    environment: Environment
    home: Path

    def verify(self, *words: str | Path, **changes: str) -> Done:
        """Type the command; nothing may be different afterwards."""
        rows, keys = self.uploads.rows(), self.uploads.stored()
        done = forked.run("verify", *words, environment=os.environ | self.environment | changes, home=self.home)
        assert "Traceback" not in done.stderr, done.stderr
        assert (self.uploads.rows(), self.uploads.stored()) == (rows, keys)
        return done

    def execute(self, statement: str) -> None:
        """Change the database past the service."""
        with self.uploads.parts.service.transactions.begin() as session:
            session.connection().exec_driver_sql(statement)

    def put(self, key: str, content: bytes) -> None:
        """Write past the service what nobody may replace."""
        self.store.replace(key, content, expected=self.store.read(key))


@pytest.fixture(params=KINDS)
def archive(
    request: pytest.FixtureRequest,
    environment_of: Callable[[str], Environment],
    gitlab: StandInGitLab,
    tmp_path: Path,
) -> Iterator[Archive]:
    """Three releases of two modules, of each kind."""
    environment = environment_of(request.param)
    with make_uploads(environment, gitlab) as uploads, open_store(environment) as store:
        for name in NAMES:
            texts = {"NEWS": NEWS} if name == NAMES[0] else {}
            assert uploads.post(name, a_tarball(name, **texts)).status_code == 201
        yield Archive(uploads, store, environment, tmp_path)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def words_of(content: bytes) -> str:
    return f"{len(content)} bytes with SHA-256 {checksum.digest(content)}"


def test_what_the_service_has_published_is_as_it_should_be(archive: Archive) -> None:
    done = archive.verify("--all")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 releases, 20 objects, ")
    assert done.stdout.endswith(" MB read, 0 findings\n")


def test_a_flipped_byte_a_missing_file_and_a_foreign_one_are_each_named(archive: Archive) -> None:
    good, sums = archive.uploads.read(TARBALL), archive.uploads.read(SUMS)
    news = archive.uploads.read(NEWS_KEY)
    archive.put(TARBALL, flipped(good))
    archive.put(NEWS_KEY, flipped(news))
    archive.store.remove(SUMS)
    index = "sources/gtk/4.18/index.html"
    listed = archive.uploads.read(index)
    archive.put(index, flipped(listed))
    foreign = [
        "evil.tar.xz",
        "sources/gtk/4.18/gtk-4.18.1.tar.xz.bak",
        "sources/gtk/4.18/gtk-4.18.3.tar.xz",
        "sources/evil/1/x",
        "sources/x",
    ]
    for key in foreign:
        archive.store.add(key, b"foreign")
    done = archive.verify("--all")
    assert (done.returncode, done.stderr) == (1, "")
    *findings, last = done.stdout.splitlines()
    assert sorted(findings) == sorted(
        [
            f"wrong bytes: {TARBALL}: expected {words_of(good)}, found {words_of(flipped(good))}",
            f"wrong content: {NEWS_KEY}: expected {words_of(news)}, found {words_of(flipped(news))}",
            f"missing: {SUMS}: expected {words_of(sums)}",
            f"wrong index: {index}: expected {words_of(listed)}, found {words_of(flipped(listed))}",
            *(f"foreign: {key}" for key in foreign),
        ]
    )
    assert last.endswith("9 findings")
    assert archive.verify("glib").returncode == 0


def test_a_module_or_a_version_is_verified_alone(archive: Archive) -> None:
    archive.put(TARBALL, b"cut off")
    archive.store.add("sources/gtk/4.18/gtk-4.18.2.tar.gz", b"foreign")
    for words, findings in (("gtk",), 2), (("gtk", "4.18.1"), 1), (("gtk", "4.18.2"), 1), (("glib", "2.80.0"), 0):
        done = archive.verify(*words)
        assert (done.returncode, len(done.stdout.splitlines())) == (min(findings, 1), findings + 1), done


def test_the_json_report_says_what_was_expected_and_what_was_found(archive: Archive) -> None:
    good = archive.uploads.read(TARBALL)
    archive.put(TARBALL, good + b"x")
    archive.store.add("sources/gtk/4.18/x", b"foreign")
    done = archive.verify("--all", "--json")
    said: dict[str, Any] = json.loads(done.stdout)
    expected = {"size": len(good), "sha256": checksum.digest(good)}
    found = {"size": len(good) + 1, "sha256": checksum.digest(good + b"x")}
    assert said.pop("findings") == [
        {"kind": "wrong_bytes", "key": TARBALL, "expected": expected, "found": found},
        {"kind": "foreign", "key": "sources/gtk/4.18/x", "expected": None, "found": None},
    ]
    assert said.pop("bytes") > 0
    assert said == {
        "scope": "--all",
        "releases": 3,
        "objects": 20,
        "found": 2,
        "resumed": None,
        "pending": [],
        "complete": True,
    }
    assert done.returncode == 1


def test_files_of_an_upload_that_is_not_finished_are_not_foreign(archive: Archive) -> None:
    """A claim's row explains what its upload has stored so far; nothing of it is published, so nothing is missing."""
    before = {key: archive.uploads.read(key) for key in archive.uploads.stored() if paths.is_mutable(key)}
    archive.uploads.post("gtk-4.18.3.tar.xz", a_tarball("gtk-4.18.3.tar.xz"))
    archive.execute("UPDATE releases SET published_at = NULL WHERE version = '4.18.3'")
    archive.store.remove("sources/gtk/4.18/LATEST-IS-4.18.3")
    archive.store.remove("sources/gtk/4.18/gtk-4.18.3.sha256sum")
    for key, content in before.items():
        archive.put(key, content)
    done = archive.verify("--all")
    assert (done.returncode, done.stdout.partition(",")[0]) == (0, "3 releases")


def test_indexes_that_are_not_yet_written_are_said_and_are_no_finding(archive: Archive) -> None:
    archive.store.remove("sources/gtk/cache.json")
    assert archive.verify("--all").stdout.startswith("missing: sources/gtk/cache.json: expected ")
    archive.execute("UPDATE follow_ups SET kept_at = NULL WHERE kind = 'index'")
    done = archive.verify("--all")
    assert done.returncode == 0
    assert done.stdout.startswith("not compared: the indexes of gtk are promised and not yet written\n3 releases, ")
    assert json.loads(archive.verify("--all", "--json").stdout)["pending"] == ["gtk"]


def test_what_cannot_be_verified_is_said_and_is_no_finding(archive: Archive) -> None:
    assert archive.verify("nothing").returncode == 3
    assert archive.verify("gtk", "9.9").returncode == 3
    assert archive.verify().returncode == 2
    assert archive.verify("gtk", "--all").returncode == 2
    port = components.free_port()
    database = f"postgresql+psycopg://tests@127.0.0.1:{port}/x"
    assert archive.verify("--all", RELEASE_SERVICE_DATABASE_URL=database).returncode == 4


@pytest.mark.real
def test_an_s3_server_that_does_not_answer_ends_it_with_4_and_an_incomplete_report(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    environment = environment_of("production")
    with make_uploads(environment, gitlab) as uploads, open_store(environment) as store:
        uploads.post(NAMES[0], a_tarball(NAMES[0]))
        archive = Archive(uploads, store, environment, tmp_path)
        away = f"http://127.0.0.1:{components.free_port()}"
        done = archive.verify("--all", "--json", "--resume", "progress", RELEASE_SERVICE_S3_ENDPOINT_URL=away)
        assert done.returncode == 4
        assert json.loads(done.stdout)["complete"] is False
        assert archive.verify("--all", "--resume", "progress").returncode == 2  # it is of that other server
        done = archive.verify("--all", "--json", "--resume", "progress", RELEASE_SERVICE_S3_ENDPOINT_URL=away)
        assert json.loads(done.stdout)["resumed"] is None  # it had read nothing


def test_an_object_that_cannot_be_read_is_named_and_the_others_are_verified(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    environment = environment_of("embedded")
    with make_uploads(environment, gitlab) as uploads, open_store(environment) as store:
        for name in NAMES[:2]:
            uploads.post(name, a_tarball(name))
        (tmp_path / "tree" / TARBALL).unlink()
        (tmp_path / "tree" / TARBALL).mkdir()
        done = Archive(uploads, store, environment, tmp_path).verify("gtk")
    assert done.returncode == 1
    assert done.stdout.startswith(f"unreadable: {TARBALL}: expected ")
    assert done.stdout.endswith("2 releases, 10 objects, 0.0 MB read, 1 finding\n")


def test_a_killed_verification_goes_on_where_it_was(
    environment_of: Callable[[str], Environment], tmp_path: Path
) -> None:
    """It waits at a pipe, and is killed; what is broken afterwards before that place is not looked at again."""
    environment, progress = environment_of("embedded"), tmp_path / "progress"
    engine = connect(environment["RELEASE_SERVICE_DATABASE_URL"])
    upgrade(engine)
    fill(Transactions(engine), LocalStore(tmp_path / "tree"), 2, 150)
    engine.dispose()
    tree = tmp_path / "tree" / "sources"
    first, held, last = (
        tree / "module1/1.0/module1-1.0.0.tar.xz",
        tree / "module2/1.3/module2-1.3.0.tar.xz",
        tree / "module2/1.9/module2-1.9.0.tar.xz",
    )
    content = held.read_bytes()
    tree.joinpath("module1/1.0/module1-1.0.0.news").write_bytes(b"wrong")
    held.unlink()
    os.mkfifo(held)
    process = start(environment, tmp_path, "--all", "--resume", progress)
    components.wait_until(progress.exists)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held.unlink()
    held.write_bytes(content)
    first.write_bytes(b"wrong")
    last.write_bytes(b"wrong")
    saved = json.loads(progress.read_text())
    process = start(environment, tmp_path, "--all", "--resume", progress)
    told = process.communicate()[0].splitlines()
    when = f"{saved['started']} and {saved['until']}"
    assert [line.partition(": expected")[0] for line in told[:-1]] == [
        "wrong bytes: sources/module2/1.9/module2-1.9.0.tar.xz",
        f"resumed: the releases up to {saved['last']} were read between {when}, and not again",
    ]
    assert saved["last"] < "module2-1.3.0"
    assert told[-1].startswith("300 releases, 1266 objects, ")
    assert told[-1].endswith("2 findings")
    assert process.returncode == 1
    assert not progress.exists()


def test_the_progress_of_another_database_store_or_scope_is_refused(archive: Archive) -> None:
    """A progress file is what a run leaves that did not come to its end: here, of a store that did not answer."""
    progress = archive.home / "progress"
    progress.write_text(json.dumps(a_progress(archive)))
    assert archive.verify("--all", "--resume", progress).returncode == 0
    assert not progress.exists()
    for name in ("scope", "database", "store"):
        progress.write_text(json.dumps(a_progress(archive) | {name: "another"}))
        done = archive.verify("--all", "--resume", progress)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"another {name}" in " ".join(done.stderr.replace("\u2502", " ").split())
        assert progress.exists()


@pytest.mark.parametrize("change", [{"after": [0]}, {"started": "now"}, {"last": None, "after": None}, {"until": 1}])
def test_what_is_no_progress_is_refused(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path, change: dict[str, Any]
) -> None:
    environment = environment_of("embedded")
    with make_uploads(environment, gitlab) as uploads, open_store(environment) as store:
        archive, progress = Archive(uploads, store, environment, tmp_path), tmp_path / "progress"
        progress.write_text(json.dumps(a_progress(archive) | change))
        assert archive.verify("--all", "--resume", progress).returncode == 2


def a_progress(archive: Archive) -> dict[str, Any]:
    settings = archive.uploads.parts.settings
    when = {"started": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:01:00Z"}
    sums = {"last": "gtk-4.18.1", "releases": 1, "objects": 4, "bytes": 1000, "findings": 0}
    return asdict(Subject.of(settings, Scope())) | {"after": [1, "4.18.1"]} | sums | when


def test_a_progress_file_holds_no_secret_and_the_same_place_in_other_words() -> None:
    def subject(database: str, store: str = "file:/tree", endpoint: str | None = None) -> Subject:
        return Subject.of(
            Settings(_env_file=None, database_url=database, store_url=store, s3_endpoint_url=endpoint), Scope("gtk")
        )

    server = "postgresql+psycopg://{}host.example:5432/releases"
    assert subject(server.format("me:secret@")) == subject(server.format("you@") + "?password=secret")
    assert subject(server.format("me@")) != subject(server.format("me@").replace("releases", "other"))
    assert subject("postgresql+psycopg:///x?host=/run/a") != subject("postgresql+psycopg:///x?host=/run/b")
    assert subject("sqlite:///db") == subject(f"sqlite:///{Path.cwd()}/db")
    assert subject("sqlite:///db", "file:tree") == subject("sqlite:///db", f"file://{Path.cwd()}/tree")
    assert subject("sqlite:///db", "s3://a") == subject("sqlite:///db", "s3:a/")
    assert subject("sqlite:///db", "s3://a") != subject("sqlite:///db", "s3://a", "https://s3.example")
    assert "secret" not in str(subject(server.format("me:secret@") + "?password=secret"))
