"""What a yank hides, and what a quarantine removes: from programs, from people, from the store, and for how long."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from builders import a_tarball
from conftest import KINDS
from registry import ASC, DIRECTORY, GOOD, NAME, People, interrupted, make_people, signature
from release_service import verify, yank
from release_service.authorize.stewards import operator, steward
from release_service.db import releases
from release_service.db.tables import FollowUp, Mail
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import MayNotManage, StoreUnavailable
from release_service.finish import finish_signatures
from release_service.identity.sso import Person
from release_service.publish import Service
from release_service.version import Version
from release_service.worker import Worker
from release_service.yank import Reason
from uploads import Environment

pytestmark = pytest.mark.slow

on_both_kinds = pytest.mark.parametrize("people", KINDS, indirect=True)

LATER = "gtk-4.18.2.tar.xz"
CACHE = "sources/gtk/cache.json"
PAGES = (f"{DIRECTORY}/index.html", "sources/gtk/index.html")
RELEASE_JSON = f"{DIRECTORY}/gtk-4.18.2.release.json"
WHY = 'It eats <b>files</b> & "more"'
SHOWN = b"4.18.2 was yanked: It eats &lt;b&gt;files&lt;/b&gt; &amp; &quot;more&quot;"


@pytest.fixture(params=KINDS[:1])
def people(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> Iterator[People]:
    """CI has published gtk 4.18.1 and 4.18.2, which bob and alice maintain."""
    with make_people(environment_of(request.param), gitlab) as made:
        made.maintain("gtk", "bob", "alice")
        assert made.uploads.post(NAME, GOOD).status_code == 201
        assert made.uploads.post(LATER, later()).status_code == 201
        yield made


def later() -> bytes:
    return a_tarball(LATER, NEWS="2\na\nb\nc\n1\n2\n3\n4\n")


def ask(people: People, what: str, who: str = "bob", version: str = "4.18.2", reason: object = WHY) -> httpx2.Response:
    return people.ask("POST", f"/api/v1/releases/gtk/{version}/{what}", who, {"reason": reason})


def quarantine(people: People, service: Service | None = None, *, version: str = "4.18.2") -> yank.Changed:
    """Type it as an operator."""
    service = service or people.uploads.parts.service
    return yank.quarantine(service, operator("kim", "gtk"), version, Reason.parse("Malware"))


def offered(people: People) -> list[str]:
    """Return the versions that cache.json offers, having held it against CONTRACT.md 4."""
    four, files, versions, others = json.loads(people.uploads.read(CACHE))
    assert (four, list(files), list(versions)) == (4, ["gtk"], ["gtk"])
    listed: list[str] = versions["gtk"]
    assert list(files["gtk"]) == listed == sorted(listed, key=Version.parse)
    named = {path for exts in files["gtk"].values() for path in exts.values()}
    named |= {name if where == "." else f"{where}/{name}" for where, names in others.items() for name in names}
    # LATEST-IS is no file of a version: it changes a moment before cache.json does.
    assert {f"sources/gtk/{path}" for path in named if "LATEST" not in path} <= set(people.uploads.stored())
    return listed


def latest(people: People) -> list[str]:
    return [key.rpartition("-")[2] for key in people.uploads.stored() if "LATEST-IS" in key]


def consistent(people: People) -> set[tuple[str, str]]:
    """Return what `verify` finds."""
    service, scope = people.uploads.parts.service, verify.Scope()
    told = [*verify.published(service.transactions, service.store, scope, verify.BEGINNING, 1)]
    told += verify.indexes(service.transactions, service.store, scope, service.moment(), 1)
    assert [one.pending for one in told if one.pending] == []
    found = [finding for one in told for finding in one.findings]
    found += verify.foreign(service.transactions, service.store, scope)
    assert len(found) == len({one.key for one in found})
    return {(one.kind.value, one.key) for one in found}


def everything(people: People) -> dict[str, bytes]:
    return {key: people.uploads.read(key) for key in people.uploads.stored()}


@on_both_kinds
def test_programs_get_the_version_before_a_yanked_one_and_who_knows_its_url_still_gets_it(people: People) -> None:
    before = everything(people)
    answer = ask(people, "yank")
    assert (answer.status_code, answer.json()["changed"], answer.json()["yanked"]["reason"]) == (200, True, WHY)
    assert (offered(people)[-1], latest(people)) == ("4.18.1", ["4.18.1"])
    assert b"4.18.2" not in people.uploads.read(CACHE)
    for ext in ("tar.xz", "sha256sum", "news"):
        assert people.uploads.read(f"{DIRECTORY}/gtk-4.18.2.{ext}") == before[f"{DIRECTORY}/gtk-4.18.2.{ext}"]
    for page in PAGES:
        assert people.uploads.read(page).count(SHOWN) == 1
    assert b'<a href="gtk-4.18.2.tar.xz" title="gtk-4.18.2.tar.xz">' in people.uploads.read(PAGES[0])
    told = json.loads(people.uploads.read(RELEASE_JSON))
    assert told.pop("yanked") == answer.json()["yanked"]
    assert told == json.loads(before[RELEASE_JSON])
    assert people.ask("GET", "/api/v1/releases/gtk/4.18.2").json()["yanked"] == answer.json()["yanked"]
    assert "@" not in people.uploads.read(RELEASE_JSON).decode()
    assert consistent(people) == set()


@on_both_kinds
def test_an_undone_yank_leaves_nothing_but_what_release_json_tells_of_it(people: People) -> None:
    before = everything(people)
    ask(people, "yank")
    answer = ask(people, "unyank", "rita", reason="It was the disk")
    assert (answer.status_code, answer.json()["changed"], answer.json()["yanked"]) == (200, True, None)
    after = everything(people)
    told = json.loads(after.pop(RELEASE_JSON))
    assert told.pop("unyanked")["reason"] == "It was the disk"
    assert told == json.loads(before.pop(RELEASE_JSON))
    assert after == before
    assert consistent(people) == set()


def test_a_module_all_of_which_is_yanked_has_no_newest_version(people: People) -> None:
    assert ask(people, "yank", version="4.18.1", reason="ö" * 500).is_success
    assert (offered(people), latest(people)) == (["4.18.2"], ["4.18.2"])
    assert ask(people, "yank", "rita").is_success
    assert (offered(people), latest(people)) == ([], [])
    assert people.uploads.read(PAGES[0]).count(b"was yanked") == 2
    assert b'<a href="4.18/" title="4.18/">' in people.uploads.read(PAGES[1])
    assert consistent(people) == set()


def test_the_same_again_changes_nothing_and_each_is_written_down(people: People) -> None:
    first = ask(people, "yank").json()["yanked"]
    again = ask(people, "yank", "alice", reason="Another reason").json()
    assert (again["changed"], again["yanked"]) == (False, first)
    sent = people.uploads.post(LATER, later())
    assert (sent.status_code, "It is yanked, and stays so: It eats" in sent.text) == (200, True)
    assert offered(people) == ["4.18.1"]
    blocked = {"issuer": people.sso.issuer, "subject": "sub-bob", "reason": "compromised"}
    assert people.ask("PUT", "/api/v1/modules/gtk/block", "carol", blocked).is_success
    assert ask(people, "unyank").json()["code"] == "blocked"
    assert people.ask("DELETE", "/api/v1/modules/gtk/block", "carol", blocked).is_success
    assert ask(people, "unyank", reason="Fine").json()["changed"]
    assert not ask(people, "unyank", reason="Fine").json()["changed"]
    rows = [row for row in people.uploads.audited() if row["act"].endswith("yank") and row["verdict"] == "accepted"]
    assert [(row["act"], row["code"], row["detail"]["reason"], row["version"]) for row in rows] == [
        ("yank", "changed", WHY, "4.18.2"),
        ("yank", "same_again", "Another reason", "4.18.2"),
        ("unyank", "changed", "Fine", "4.18.2"),
        ("unyank", "same_again", "Fine", "4.18.2"),
    ]
    assert (rows[0]["subject"], rows[0]["verdict"]) == ("sub-bob", "accepted")


REFUSED: dict[str, tuple[str, str, object, int, str]] = {
    "by nobody": ("", "4.18.2", WHY, 401, "not_authenticated"),
    "by a CI job": ("job", "4.18.2", WHY, 401, "not_authenticated"),
    "by another module's maintainer": ("dora", "4.18.2", WHY, 403, "may_not_manage"),
    "without a reason": ("bob", "4.18.2", None, 400, "bad_request"),
    "with an empty reason": ("bob", "4.18.2", " ", 400, "bad_request"),
    "with two lines": ("bob", "4.18.2", "one\ntwo", 400, "bad_request"),
    "with an escape": ("bob", "4.18.2", "\x1b[2J", 400, "bad_request"),
    "with half a character": ("bob", "4.18.2", "\ud800", 400, "bad_request"),
    "with a novel": ("bob", "4.18.2", "x" * 501, 400, "bad_request"),
    "of what is not published": ("bob", "4.18.3", WHY, 404, "not_found"),
    "of what is no version": ("bob", "%00", WHY, 404, "not_found"),
}


def test_a_refused_one_changes_nothing(people: People) -> None:
    stored, rows = everything(people), people.uploads.rows()
    asked = [(name, what) for name in REFUSED for what in (["yank", "unyank"] if name.startswith("by") else ["yank"])]
    for name, what in asked:
        who, version, reason, status, code = REFUSED[name]
        path, headers = f"/api/v1/releases/gtk/{version}/{what}", {"Accept": "application/json"}
        if who:
            token = people.uploads.token(LATER) if who == "job" else people.token(who)
            headers["Authorization"] = f"Bearer {token}"
        sent = json.dumps({"reason": reason} if reason is not None else {})
        answer = people.uploads.http.post(path, headers=headers, content=sent)
        assert (answer.status_code, answer.json()["code"]) == (status, code), name
    assert people.ask("POST", "/api/v1/releases/gtk/4.18.2/yank", "bob", b"[]").status_code == 400
    assert ask(people, "quarantine", "carol").status_code == 404
    right = replace(operator("kim", "gtk"), is_administrator=False)
    with pytest.raises(MayNotManage):
        yank.quarantine(people.uploads.parts.service, right, "4.18.2", Reason.parse("Malware"))
    assert (everything(people), people.uploads.rows()) == (stored, rows)
    assert (people.uploads.audited()[-1]["act"], people.uploads.audited()[-1]["verdict"]) == ("yank", "refused")


def test_a_right_that_is_taken_away_meanwhile_yanks_nothing(people: People) -> None:
    service = people.uploads.parts.service
    bob = Person("sso", people.sso.issuer, "sub-bob", "bob", "", {}, frozenset(), "")
    with service.transactions.read() as session:
        right = steward(session, bob, "gtk", service.policy, "")
    assert people.ask("DELETE", "/api/v1/modules/gtk/maintainers/sub-bob", "carol").is_success
    stored, rows = everything(people), people.uploads.rows()
    with pytest.raises(MayNotManage):
        yank.yank(service, right, "4.18.2", Reason.parse("Mine"))
    assert (everything(people), people.uploads.rows()) == (stored, rows)


def test_the_modules_maintainers_are_told_by_mail_of_what_is_different(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    with make_people(environment_of("embedded"), gitlab, smtp_url="smtp://127.0.0.1:9") as people:
        people.maintain("gtk", "bob", "alice")
        assert people.uploads.post(LATER, later()).status_code == 201
        for _ in range(2):
            ask(people, "yank", "rita")
        ask(people, "unyank")
        quarantine(people)
        with people.uploads.parts.service.transactions.begin() as session:
            mails = session.scalars(select(Mail).where(Mail.subject.like("gtk-4.18.2 %")).order_by(Mail.id)).all()
    subjects = ["gtk-4.18.2 was yanked", "gtk-4.18.2 is no longer yanked", "gtk-4.18.2 was quarantined"]
    assert [mail.subject for mail in mails] == [subject for subject in subjects for _ in range(2)]
    assert "It eats <b>files</b>" in mails[0].body
    assert "rita" in mails[0].body


def test_the_next_versions_news_follow_a_yanked_one_but_not_a_quarantined_one(people: People) -> None:
    ask(people, "yank")
    texts = {"4.18.3": "3\nd\ne\nf\n2\na\nb\nc\n1\n2\n3\n4\n", "4.18.4": "4\ng\ng\ng\n2\na\nb\nc\n1\n2\n3\n4\n"}
    name = "gtk-4.18.3.tar.xz"
    assert people.uploads.post(name, a_tarball(name, NEWS=texts["4.18.3"])).status_code == 201
    assert people.uploads.read(f"{DIRECTORY}/gtk-4.18.3.news") == b"3\nd\ne\nf\n"
    service = people.uploads.parts.service
    for version in ("4.18.3", "4.18.2"):
        yank.quarantine(service, operator("kim", "gtk"), version, Reason.parse("Malware"))
    name = "gtk-4.18.4.tar.xz"
    assert people.uploads.post(name, a_tarball(name, NEWS=texts["4.18.4"])).status_code == 201
    assert people.uploads.read(f"{DIRECTORY}/gtk-4.18.4.news") == b"4\ng\ng\ng\n2\na\nb\nc\n"


@on_both_kinds
def test_a_yank_while_another_version_is_indexed_is_not_undone_by_it(people: People) -> None:
    """That upload has read the rows, and the document, before; the version that it publishes is yanked, too."""
    service = people.uploads.parts.service
    moments = [(ending, after) for ending in ("cache.json", "LATEST-IS", "4.18/index.html") for after in (False, True)]
    for number, (ending, after) in enumerate([*moments, ("LATEST-IS", False)], 3):
        name, version = f"gtk-4.18.{number}.tar.xz", f"4.18.{number}"
        others = ["4.18.2"] if number < 9 else ["4.18.1", "4.18.2"]

        def all_(*versions: str) -> None:
            for one in versions:
                assert yank.yank(service, operator("kim", "gtk"), one, Reason.parse("Bad")).is_new

        happens = partial(all_, version, *others)
        with interrupted(people, f"{ending}-{version}" if ending == "LATEST-IS" else ending, happens, after=after):
            assert people.uploads.post(name, a_tarball(name)).status_code == 201
        left = ["4.18.1"] if number < 9 else []
        assert (offered(people), latest(people)) == (left, left), (ending, after)
        assert people.uploads.read(PAGES[0]).count(b"was yanked") == number - len(left)
        for one in others:
            assert ask(people, "unyank", version=one).json()["changed"]
    assert consistent(people) == set()


class Recording:
    """A store that notes what is written and removed; it is down at the nth time, or something happens at a removal."""

    def __init__(self, store: Any, down_at: int = 0, at_removal: Callable[[], object] | None = None) -> None:
        self._store, self._left, self._at_removal, self.done = store, down_at, at_removal, list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _note(self, key: str) -> None:
        self._left -= 1
        if self._left == 0:
            raise StoreUnavailable("down")
        self.done.append(key.rpartition("/")[2])

    def add(self, key: str, content: bytes) -> None:
        self._note(key)
        self._store.add(key, content)

    def replace(self, key: str, content: bytes, **how: Any) -> None:
        self._note(key)
        self._store.replace(key, content, **how)

    def remove(self, key: str) -> None:
        self._note(key)
        happens, self._at_removal = self._at_removal, None
        if happens:
            happens()
        self._store.remove(key)


@on_both_kinds
def test_an_undone_yank_while_a_yank_is_indexed_ends_as_the_rows_say(people: People) -> None:
    """Whoever indexes the yank has made up its mind to remove LATEST-IS of what is the newest again by then."""
    service, right = people.uploads.parts.service, operator("kim", "gtk")
    undo = partial(yank.unyank, service, right, "4.18.2", Reason.parse("Fine"))
    slow = replace(service, store=Recording(service.store, at_removal=undo))
    assert yank.yank(slow, right, "4.18.2", Reason.parse("Bad")).is_new
    assert (offered(people), latest(people)) == (["4.18.1", "4.18.2"], ["4.18.2"])
    assert consistent(people) == set()


def test_a_yank_lets_nothing_else_vanish_from_the_index(people: People) -> None:
    """The index lists what the database has lost: an older copy of it was restored."""
    store = people.uploads.parts.service.store
    before = store.read(CACHE)
    assert before is not None
    store.replace(CACHE, before.content.replace(b'["4.18.1"', b'["4.17.9", "4.18.1"'), expected=before)
    stored = everything(people)
    refused = ask(people, "yank")
    assert (refused.status_code, refused.json()["code"]) == (503, "index_would_shrink")
    assert "4.17.9" in refused.json()["detail"]
    assert {**everything(people), RELEASE_JSON: b""} == {**stored, RELEASE_JSON: b""}
    found = store.read(CACHE)
    store.replace(CACHE, before.content, expected=found)
    assert ask(people, "yank").json()["changed"] is False
    assert offered(people) == ["4.18.1"]


@on_both_kinds
def test_nobody_downloads_a_quarantined_release_and_its_release_json_tells_what_it_was(people: People) -> None:
    before = json.loads(people.uploads.read(RELEASE_JSON))
    service = people.uploads.parts.service
    recording = Recording(service.store)
    assert quarantine(people, replace(service, store=recording)).is_new
    left = [key for key in people.uploads.stored() if "4.18.2" in key]
    assert (left, offered(people), latest(people)) == ([RELEASE_JSON], ["4.18.1"], ["4.18.1"])
    told = json.loads(people.uploads.read(RELEASE_JSON))
    assert told.pop("quarantined")["reason"] == "Malware"
    assert told == before
    assert all(b"4.18.2" not in people.uploads.read(key) for key in (*PAGES, CACHE))
    assert people.ask("GET", "/api/v1/releases/gtk/4.18.2").json()["url"] is None
    row = people.uploads.audited()[-1]
    assert (row["act"], row["code"], row["proof"], row["subject"]) == ("quarantine", "changed", "shell", "kim")
    # First no index names them, then the checksum file goes that lists them (invariants I1 and I3).
    first = recording.done.index("gtk-4.18.2.sha256sum")
    before_them = {"LATEST-IS-4.18.1", "LATEST-IS-4.18.2", "cache.json", "gtk-4.18.2.release.json", "index.html"}
    assert set(recording.done[:first]) == before_them
    assert recording.done[-1] == LATER
    assert consistent(people) == set()


def test_a_file_that_is_still_there_is_found_and_removed_by_quarantining_again(people: People) -> None:
    """And of a series all of which is quarantined its module's page tells nothing."""
    name = "gtk-4.20.0.tar.xz"
    assert people.uploads.post(name, a_tarball(name)).status_code == 201
    assert quarantine(people, version="4.20.0").is_new
    assert b"4.20" not in people.uploads.read(PAGES[1])
    people.uploads.parts.service.store.add(f"sources/gtk/4.20/{name}", a_tarball(name))
    assert consistent(people) == {("quarantined", f"sources/gtk/4.20/{name}")}
    assert not quarantine(people, version="4.20.0").is_new
    assert consistent(people) == set()


def test_nothing_comes_back_under_its_name_or_with_its_bytes(people: People) -> None:
    quarantine(people)
    stored, rows = everything(people), people.uploads.rows()
    sha256 = json.loads(people.uploads.read(RELEASE_JSON))["tarball"]["sha256"]
    headers = {"Accept": "application/json", "Authorization": f"Bearer {people.token('bob')}"}
    for content in (later(), a_tarball(LATER, other="bytes")):
        answer = people.uploads.http.put(f"/api/v1/tarballs/{LATER}", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "quarantined"), answer.text
        assert "Malware" in answer.json()["detail"]
    for asked in ({"filename": LATER}, {"filename": "gtk-4.18.9.tar.xz", "sha256": sha256}):
        checked = people.ask("POST", "/api/v1/check", "bob", asked).json()
        assert [reason["code"] for reason in checked["reasons"]] == ["quarantined"]
    path = "/api/v1/releases/gtk/4.18.2"
    for refused in (
        people.ask("PUT", f"{path}/signature", "bob", signature(data=later())),
        ask(people, "yank"),
        ask(people, "unyank"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "quarantined")
    assert (everything(people), people.uploads.rows()) == (stored, rows)


def test_a_quarantine_that_is_interrupted_is_finished_by_the_worker(people: People) -> None:
    service, nth, is_interrupted = people.uploads.parts.service, 0, True
    while is_interrupted:
        nth += 1
        name = f"gtk-4.20.{nth}.tar.xz"
        assert people.uploads.post(name, a_tarball(name, NEWS="a\nb\nc\nd\n")).status_code == 201
        try:
            quarantine(people, replace(service, store=Recording(service.store, nth)), version=f"4.20.{nth}")
            is_interrupted = False
        except StoreUnavailable:
            offered(people)  # what cache.json names is there
            people.uploads.pass_by(timedelta(hours=1))
            Worker(service, None).work()
        left = [key for key in people.uploads.stored() if f"4.20.{nth}." in key]
        assert left == [f"sources/gtk/4.20/gtk-4.20.{nth}.release.json"]
    assert nth == 11, "ten effects: release.json, LATEST-IS, two pages, cache.json, five files"
    assert consistent(people) == set()


@on_both_kinds
def test_an_upload_that_stores_its_bytes_after_the_quarantine_leaves_none(people: People) -> None:
    """Two of the same bytes: the slow one has claimed, the fast one has published, an administrator has looked."""
    name = "gtk-4.18.3.tar.xz"
    service, content = people.uploads.parts.service, a_tarball(name, NEWS="v\nw\nx\ny\nz\n")

    def quarantined() -> None:
        assert people.uploads.parts.service is service
        with service.transactions.begin() as session:
            release = releases.held(session, yank.named("gtk", "4.18.3"))
            assert releases.publish(session, release, service.now())
        yank.quarantine(service, operator("kim", "gtk"), "4.18.3", Reason.parse("Malware"))

    with interrupted(people, "4.18.3.news", quarantined):
        assert people.uploads.post(name, content).status_code == 409
    assert [key for key in people.uploads.stored() if "4.18.3" in key] == [f"{DIRECTORY}/gtk-4.18.3.release.json"]
    assert offered(people) == ["4.18.1", "4.18.2"]
    assert consistent(people) == set()


def test_a_signature_that_comes_while_it_is_quarantined_is_not_stored(signers: People) -> None:
    people = signers
    assert people.uploads.post(NAME, GOOD).status_code == 201
    service = people.uploads.parts.service

    class Slow(Recording):
        def pieces(self, key: str) -> Any:
            yield from self._store.pieces(key)
            yank.quarantine(service, operator("kim", "gtk"), "4.18.1", Reason.parse("Malware"))

    people.uploads.http.app.state.parts = replace(  # type: ignore[attr-defined]
        people.uploads.parts, service=replace(service, store=Slow(service.store))
    )
    refused = people.ask("PUT", "/api/v1/releases/gtk/4.18.1/signature", "bob", signature())
    assert (refused.status_code, refused.json()["code"]) == (409, "quarantined")
    people.uploads.http.app.state.parts = people.uploads.parts  # type: ignore[attr-defined]
    finish_signatures(replace(service, now=lambda: datetime.now(UTC) + timedelta(hours=1)))  # nor by the worker
    assert ASC not in people.uploads.stored()
    assert consistent(people) == set()


def test_verify_waits_for_what_is_promised(people: People) -> None:
    """A yank, and a quarantine, that are just made: release.json and the indexes follow."""
    service = people.uploads.parts.service
    for change in ("yank", "quarantine"):
        with pytest.raises(StoreUnavailable):
            getattr(yank, change)(
                replace(service, store=Recording(service.store, 1)),
                operator("kim", "gtk"),
                "4.18.2",
                Reason.parse("Bad"),
            )
        told = [*verify.published(service.transactions, service.store, verify.Scope(), verify.BEGINNING, 1)]
        told += verify.indexes(service.transactions, service.store, verify.Scope(), service.moment(), 1)
        assert [finding for one in told for finding in one.findings] == []
        assert [one.pending for one in told if one.pending] == ["gtk"]
        with service.transactions.begin() as session:
            assert session.scalars(select(FollowUp).where(FollowUp.kept_at.is_(None))).first() is not None
        ask(people, "yank")
