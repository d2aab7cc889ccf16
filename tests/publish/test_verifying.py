"""What `verify` finds, and what it does not: every index and every foreign file, also while somebody publishes."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from builders import a_tarball
from registry import ASC, DIRECTORY, GOOD, NAME, People, make_signers, signature
from release_service import paths, verify
from release_service.db import follow_ups
from release_service.db.tables import FollowUp, ReleaseSignature
from release_service.demo.gitlab import StandInGitLab
from release_service.signing import Moment
from release_service.store.local import LocalStore
from release_service.verify import BEGINNING, Scope, Verified
from uploads import Environment, Uploads

pytestmark = pytest.mark.slow

NEXT = "gtk-4.18.2.tar.xz"
KEYRING = "sources/gtk/gtk.keyring.asc"
LATEST = f"{DIRECTORY}/LATEST-IS-4.18.1"
RELEASE_JSON = f"{DIRECTORY}/gtk-4.18.1.release.json"
SIGNATURE = "/api/v1/releases/gtk/4.18.1/signature"
INDEXES = ["cache.json", "gtk.keyring.asc", "index.html", "4.18/index.html", "4.18/LATEST-IS-4.18.1"]
Findings = set[tuple[str, str]]


@pytest.fixture
def people(signers: People) -> People:
    """CI has published gtk; bob may sign for it, alice's key is new."""
    assert signers.uploads.post(NAME, GOOD).status_code == 201
    return signers


@pytest.fixture
def local(environment_of: Callable[[str], Environment], gitlab: StandInGitLab) -> Iterator[tuple[Uploads, Path]]:
    """The same, and the directory of its tree."""
    with make_signers(environment_of("embedded"), gitlab) as made:
        assert made.uploads.post(NAME, GOOD).status_code == 201
        store = made.uploads.parts.service.store
        assert isinstance(store, LocalStore)
        yield made.uploads, store.root


def verified(uploads: Uploads, scope: Scope, *, later: timedelta = timedelta(0)) -> Iterator[Verified]:
    service = uploads.parts.service
    yield from verify.published(service.transactions, service.store, scope, BEGINNING, 1)
    yield from verify.indexes(
        service.transactions, service.store, scope, Moment(service.signing, service.now() + later), 1
    )


def findings(uploads: Uploads, scope: Scope | None = None, *, later: timedelta = timedelta(0)) -> Findings:
    """Verify, *later* than now; return the kind and the key of each finding."""
    service, scope = uploads.parts.service, scope or Scope()
    told = [found for one in verified(uploads, scope, later=later) for found in one.findings]
    told += verify.foreign(service.transactions, service.store, scope)
    assert len(told) == len({found.key for found in told})
    return {(found.kind.value, found.key) for found in told}


def put(uploads: Uploads, key: str, content: bytes) -> None:
    store = uploads.parts.service.store
    store.replace(key, content, expected=store.read(key))


def change(uploads: Uploads, statement: object) -> None:
    with uploads.parts.service.transactions.begin() as session:
        session.execute(statement)  # type: ignore[call-overload]


def test_a_service_that_has_published_nothing_has_nothing_to_find(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    with make_signers(environment_of("embedded"), gitlab) as made:
        assert findings(made.uploads) == set()


@pytest.mark.parametrize("key", [f"sources/gtk/{name}" for name in INDEXES] + ["sources/index.html"])
def test_an_index_that_is_changed_or_gone_is_named(people: People, key: str) -> None:
    assert findings(people.uploads) == set()
    content = people.uploads.read(key)
    put(people.uploads, key, content + b"\n")
    assert findings(people.uploads) == {("wrong_index", key)}
    people.uploads.parts.service.store.remove(key)
    assert findings(people.uploads) == {("missing", key)}
    put(people.uploads, key, content)
    assert findings(people.uploads) == set()


def test_an_index_that_lists_what_was_never_published_is_named(people: People) -> None:
    for key in ("sources/gtk/cache.json", f"{DIRECTORY}/index.html"):
        put(people.uploads, key, people.uploads.read(key).replace(b"4.18.1", b"4.18.9"))
    assert findings(people.uploads) == {
        ("wrong_index", "sources/gtk/cache.json"),
        ("wrong_index", f"{DIRECTORY}/index.html"),
    }


def test_robots_txt_may_be_an_operators_but_must_be_there(people: People) -> None:
    put(people.uploads, "robots.txt", b"User-agent: *\nDisallow: /\n")
    assert findings(people.uploads) == set()
    people.uploads.parts.service.store.remove("robots.txt")
    assert findings(people.uploads) == {("missing", "robots.txt")}


def test_whatever_no_release_and_no_index_explains_is_foreign(people: People) -> None:
    foreign = {
        "LATEST-IS-4.18.1",
        "cache.json",
        "evil.tar.xz",
        "index.html",
        "pub/gtk-4.18.1.tar.xz",
        "pub/sources/gtk/4.18/gtk-4.18.1.tar.xz",
        "sources/LATEST-IS-4.18.1",
        "sources/cache.json",
        "sources/evil.keyring.asc",
        "sources/evil/cache.json",
        "sources/evil/index.html",
        "sources/glib/glib.keyring.asc",
        "sources/glib/index.html",
        "sources/gtk/4.17/index.html",
        "sources/gtk/4.18/.index.html",
        "sources/gtk/4.18/GTK-4.18.1.tar.xz",
        "sources/gtk/4.18/LATEST-IS-4.18.0",
        "sources/gtk/4.18/LATEST-IS-4.18.1.tar.xz",
        "sources/gtk/4.18/LATEST-IS-9.9",
        "sources/gtk/4.18/cache.json",
        "sources/gtk/4.18/evil.keyring.asc",
        "sources/gtk/4.18/gtk-4.18.1.tar.gz",
        "sources/gtk/4.18/gtk-4.18.1.tar.xz.asc",
        "sources/gtk/4.18/gtk-4.18.2.release.json",
        "sources/gtk/4.18/gtk.keyring.asc",
        "sources/gtk/4.18/robots.txt",
        "sources/gtk/4.18/x/gtk-4.18.1.tar.xz",
        "sources/gtk/4.19/gtk-4.18.1.tar.xz",
        "sources/gtk/evil.keyring.asc",
        "sources/gtk/gtk-4.18.1.tar.xz",
        "sources/gtk/n\u00e9w\n",
        "sources/robots.txt",
    }
    for key in foreign:
        people.uploads.parts.service.store.add(key, b"foreign")
    assert findings(people.uploads) == {("foreign", key) for key in foreign}
    below = {key for key in foreign if key.startswith("sources/gtk/")}
    assert findings(people.uploads, Scope("gtk")) == {("foreign", key) for key in below}


def test_a_keyring_of_a_module_that_has_none_is_foreign(people: People) -> None:
    assert people.uploads.post("eog-1.0.tar.xz", a_tarball("eog-1.0.tar.xz")).status_code == 201
    people.uploads.parts.service.store.add("sources/eog/eog.keyring.asc", b"foreign")
    assert findings(people.uploads) == {("foreign", "sources/eog/eog.keyring.asc")}


def test_of_a_version_alone_only_its_own_files_are_looked_at(people: People) -> None:
    for key in ("sources/gtk/cache.json", LATEST, "evil"):
        put(people.uploads, key, b"evil")
    assert findings(people.uploads, Scope("gtk", "4.18.1")) == set()
    put(people.uploads, f"{DIRECTORY}/gtk-4.18.1.sha256sum.asc", b"evil")
    assert findings(people.uploads, Scope("gtk", "4.18.1")) == {("foreign", f"{DIRECTORY}/gtk-4.18.1.sha256sum.asc")}


def test_files_that_are_hidden_linked_or_oddly_named_are_foreign(local: tuple[Uploads, Path]) -> None:
    uploads, root = local
    directory = root / DIRECTORY
    (root / ".hidden").write_bytes(b"")
    (directory / ".evil.tar.xz.new").write_bytes(b"")
    (directory / "link").symlink_to(root.parent)
    os.mkfifo(directory / "pipe")
    (root / "sources/.git").mkdir()
    (root / "sources/.git/config").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(directory) + b"/bad\xff.tar.xz")).write_bytes(b"")
    foreign = [f"{DIRECTORY}/{name}" for name in (".evil.tar.xz.new", "link", "pipe", os.fsdecode(b"bad\xff.tar.xz"))]
    assert findings(uploads) == {("foreign", key) for key in (".hidden", "sources/.git/config", *foreign)}


def test_what_a_writer_is_just_making_is_not_foreign_but_what_a_dead_one_left_is(local: tuple[Uploads, Path]) -> None:
    uploads, root = local
    names = [".index.html.new", ".LATEST-IS-4.18.1.new", ".copy-ab_de123"]
    for name in names:
        (root / DIRECTORY / name).write_bytes(b"half a fi")
    assert findings(uploads) == set()
    long_ago = time.time() - 86400
    for name in names:
        os.utime(root / DIRECTORY / name, (long_ago, long_ago))
    assert findings(uploads) == {("foreign", f"{DIRECTORY}/{name}") for name in names}


def test_an_index_that_is_promised_and_not_yet_written_is_no_finding_but_is_said(people: People) -> None:
    """As a death right after the commit leaves it: 4.18.2 is public, the indexes are those of 4.18.1."""
    uploads = people.uploads
    before = {key: uploads.read(key) for key in uploads.stored() if key.startswith("sources/gtk/") and is_index(key)}
    assert uploads.post(NEXT, a_tarball(NEXT)).status_code == 201
    uploads.parts.service.store.remove(f"{DIRECTORY}/LATEST-IS-4.18.2")
    for key, content in before.items():
        put(uploads, key, content)
    changed = {("wrong_index", key) for key in ("sources/gtk/cache.json", f"{DIRECTORY}/index.html")}
    gone = {("missing", f"{DIRECTORY}/LATEST-IS-4.18.2"), ("foreign", LATEST)}
    assert findings(uploads) == changed | gone
    change(uploads, update(FollowUp).where(FollowUp.kind == follow_ups.INDEX).values(kept_at=None))
    put(uploads, f"{DIRECTORY}/LATEST-IS-9.9", b"evil")
    assert findings(uploads) == {("foreign", f"{DIRECTORY}/LATEST-IS-9.9")}
    assert [one.pending for one in verified(uploads, Scope()) if one.pending] == ["gtk"]
    put(uploads, "sources/index.html", b"evil")
    assert ("wrong_index", "sources/index.html") in findings(uploads)
    change(uploads, update(FollowUp).where(FollowUp.kind == follow_ups.ARCHIVE_INDEX).values(kept_at=None))
    assert [one.pending for one in verified(uploads, Scope()) if one.pending] == ["gtk", "the archive"]


def is_index(key: str) -> bool:
    return paths.is_mutable(key) and not key.endswith("release.json")


def test_a_keyring_may_be_the_one_of_when_it_was_written(people: People) -> None:
    """Alice's key may sign when its cooling time is over; until somebody publishes, nobody writes that down."""
    assert findings(people.uploads, later=timedelta(days=30)) == set()
    ring = people.uploads.read(KEYRING)
    put(people.uploads, KEYRING, ring + b"\n")
    assert findings(people.uploads, later=timedelta(days=30)) == {("wrong_index", KEYRING)}
    put(people.uploads, KEYRING, ring)
    change(people.uploads, delete(FollowUp))
    assert findings(people.uploads) == set()


@pytest.mark.parametrize("state", ["taken", "stored", "published"])
def test_a_signature_that_is_being_added_may_be_there_or_not_yet(people: People, state: str) -> None:
    before = {key: people.uploads.read(key) for key in people.uploads.stored() if is_index(key) or key == RELEASE_JSON}
    assert people.ask("PUT", SIGNATURE, "bob", signature()).status_code == 201
    assert findings(people.uploads) == set()
    for key, content in before.items():
        put(people.uploads, key, content)
    if state == "published":
        assert ("wrong_content", RELEASE_JSON) in findings(people.uploads)
        change(people.uploads, update(FollowUp).values(kept_at=None))
    else:
        change(people.uploads, update(ReleaseSignature).values(published_at=None))
    if state == "taken":
        people.uploads.parts.service.store.remove(ASC)
    assert findings(people.uploads) == set()
    put(people.uploads, RELEASE_JSON, b"{}")
    assert findings(people.uploads) == {("wrong_content", RELEASE_JSON)}


class Meanwhile(LocalStore):
    """A store in which something happens while an object is read for the first time."""

    def __init__(self, root: Path, happens: Callable[[], None]) -> None:
        super().__init__(root)
        self._happens = [happens]

    def digest(self, key: str) -> tuple[int, str] | None:
        if self._happens:
            self._happens.pop()()
        return super().digest(key)

    def keys(self, prefix: str) -> Iterator[str]:
        listed = list(super().keys(prefix))
        if self._happens:
            self._happens.pop()()
        yield from listed


def test_a_signature_that_comes_while_the_release_is_read_is_no_finding(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path
) -> None:
    with make_signers(environment_of("embedded"), gitlab) as made:
        assert made.uploads.post(NAME, GOOD).status_code == 201
        service = made.uploads.parts.service
        store = Meanwhile(tmp_path / "tree", lambda: sign(made))
        (found,) = verify.published(service.transactions, store, Scope(), BEGINNING, 1)
        assert list(found.findings) == []
        assert found.objects == len([key for key in made.uploads.stored() if "gtk-4.18.1" in key])


def sign(people: People) -> None:
    assert people.ask("PUT", SIGNATURE, "bob", signature()).status_code == 201


def test_a_release_that_comes_while_the_indexes_are_read_is_no_finding(local: tuple[Uploads, Path]) -> None:
    uploads, root = local
    service = uploads.parts.service

    def publish() -> None:
        assert uploads.post(NEXT, a_tarball(NEXT)).status_code == 201

    store = Meanwhile(root, publish)
    for found in verify.indexes(service.transactions, store, Scope(), service.moment(), 1):
        assert (found.findings, found.pending) == ([], "")
    assert NEXT in "".join(uploads.stored())


def test_a_latest_that_goes_while_the_store_is_listed_is_not_foreign(local: tuple[Uploads, Path]) -> None:
    uploads, root = local
    service = uploads.parts.service

    def publish() -> None:
        assert uploads.post(NEXT, a_tarball(NEXT)).status_code == 201

    assert list(verify.foreign(service.transactions, Meanwhile(root, publish), Scope())) == []
    assert LATEST not in uploads.stored()
