"""What follows a publication: tried at once, held by one worker at a time, put off, given up, and finished."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from builders import a_tarball
from release_service.db import follow_ups
from release_service.db.follow_ups import FINISH, INDEX
from release_service.db.tables import AuditRow, Block, FollowUp, Module, Release
from release_service.db.wake import Waiter
from release_service.errors import AlreadyStored, StoreUnavailable
from release_service.publish import Service
from release_service.store import ReleaseStore, Staged
from release_service.worker import Worker, keep_next
from uploads import Uploads

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"
KEY = f"sources/gtk/4.18/{NAME}"
GOOD = a_tarball(NAME)
LEASE = timedelta(seconds=20)


class Broken:
    """A store that fails at every key with one of these endings."""

    def __init__(self, store: ReleaseStore, failure: BaseException, *endings: str) -> None:
        self.store, self.failure, self.endings = store, failure, endings

    def __getattr__(self, name: str) -> Any:
        kept = getattr(self.store, name)

        def call(key: str, *arguments: Any, **named: Any) -> Any:
            if name not in {"read", "stage"} and key.endswith(self.endings):
                raise self.failure
            done = kept(key, *arguments, **named)
            return self.unfinished(done, key) if name == "stage" else done

        return call if callable(kept) else kept

    @contextmanager
    def unfinished(self, staging: AbstractContextManager[Staged], key: str) -> Iterator[Staged]:
        with staging as staged:
            yield Unfinished(self.failure) if key.endswith(self.endings) else staged


@dataclass
class Unfinished:
    failure: BaseException

    def add(self) -> None:
        raise self.failure


@contextmanager
def broken(uploads: Uploads, failure: BaseException, *endings: str) -> Iterator[Service]:
    """Let the store fail for the uploads, and for who uses the service that is given."""
    whole = uploads.parts
    store: Any = Broken(whole.service.store, failure, *endings)
    service = replace(whole.service, store=store)
    uploads.http.app.state.parts = replace(whole, service=service)  # type: ignore[attr-defined]
    yield service
    uploads.http.app.state.parts = whole  # type: ignore[attr-defined]


class Died(Exception):
    """Nothing in the service knows it: it passes through everything, as a death does."""


def rows(uploads: Uploads) -> dict[str, FollowUp]:
    with uploads.parts.service.transactions.read() as session:
        return {one.kind: one for one in session.scalars(select(FollowUp).order_by(FollowUp.id))}


def work(uploads: Uploads) -> None:
    Worker(uploads.parts.service, None).work()


def is_whole(uploads: Uploads) -> bool:
    keys = uploads.stored()
    named = {"sources/gtk/4.18/LATEST-IS-4.18.1", "sources/gtk/cache.json", "sources/index.html"}
    return named <= set(keys) and NAME in uploads.read("sources/gtk/cache.json").decode()


def died_after_storing(uploads: Uploads) -> None:
    """Leave a claim whose tarball was stored, and nothing else."""
    with broken(uploads, Died(), ".sha256sum"), pytest.raises(Died):
        uploads.post(NAME, GOOD)
    assert (KEY in uploads.stored(), "sources/gtk/cache.json" in uploads.stored()) == (True, False)


def test_everything_is_kept_within_the_request_where_no_cdn_stands_before_the_store(uploads: Uploads) -> None:
    headers = {"Authorization": f"Bearer {uploads.token(NAME)}", "Accept": "application/json"}
    answer = uploads.http.put(f"/api/v1/tarballs/{NAME}", headers=headers, content=GOOD)
    assert (answer.status_code, answer.json()["pending"]) == (201, [])
    assert all(one.kept_at is not None for one in rows(uploads).values())
    known = uploads.http.get("/api/v1/releases/gtk/4.18.1").json()
    assert (known["visible"], known["pending"]) == (True, [])
    assert not keep_next(uploads.parts.service)


def test_a_claim_whose_sender_died_is_published_by_a_worker_as_its_sender_s_act(uploads: Uploads) -> None:
    died_after_storing(uploads)
    work(uploads)
    assert not is_whole(uploads)  # its sender may still be at it
    uploads.pass_by(timedelta(minutes=2))
    work(uploads)
    assert is_whole(uploads)
    told = [row for row in uploads.audited() if row["act"] == "upload"]
    assert [row["code"] for row in told] == ["claimed", "published"]
    who = ("proof", "issuer", "subject", "login", "request_id", "sha256", "detail")
    assert {name: told[0][name] for name in who} == {name: told[1][name] for name in who}
    assert uploads.post(NAME, GOOD).status_code == 200
    assert all(one.kept_at is not None for one in rows(uploads).values())


def test_a_claim_whose_bytes_never_came_waits_for_its_sender_a_day_and_then_for_a_person(uploads: Uploads) -> None:
    with broken(uploads, Died(), ".tar.xz"), pytest.raises(Died):
        uploads.post(NAME, GOOD)
    uploads.pass_by(timedelta(minutes=2))
    work(uploads)
    waiting = rows(uploads)[FINISH]
    assert "its bytes never came" in waiting.trouble
    assert (waiting.gave_up_at, uploads.stored()) == (None, [])
    uploads.pass_by(timedelta(days=2))
    work(uploads)
    assert rows(uploads)[FINISH].gave_up_at is not None
    assert uploads.post(NAME, GOOD).status_code == 201
    assert (rows(uploads)[FINISH].gave_up_at, is_whole(uploads)) == (None, True)


@pytest.mark.parametrize("reason", ["blocked", "switched off", "other bytes"])
def test_nothing_is_published_by_a_worker_that_its_sender_could_not_publish_now(uploads: Uploads, reason: str) -> None:
    died_after_storing(uploads)
    service = uploads.parts.service
    if reason == "other bytes":
        with service.transactions.begin() as session:
            session.execute(update(Release).values(sha256=64 * "0"))
            session.execute(update(AuditRow).values(sha256=64 * "0"))
    elif reason == "switched off":
        service = replace(service, limits=replace(service.limits, switched_off=frozenset({"gitlab-id-tokens"})))
    else:
        with service.transactions.begin() as session:
            sender = session.scalars(select(AuditRow).where(AuditRow.code == "claimed").limit(1)).one()
            who = {"issuer": sender.issuer, "subject": sender.subject, "by_administrator": True}
            session.add(Block(module_id=None, reason="stolen", created_at=service.now(), **who))
    keys = uploads.stored()
    uploads.pass_by(timedelta(minutes=2))
    Worker(service, None).work()
    assert (rows(uploads)[FINISH].kept_at, uploads.stored()) == (None, keys)
    assert rows(uploads)[FINISH].trouble


def test_an_index_that_could_not_be_written_is_written_by_a_worker(uploads: Uploads) -> None:
    with broken(uploads, StoreUnavailable("S3 is down"), "cache.json"):
        assert uploads.post(NAME, GOOD).status_code == 503
        known = uploads.http.get("/api/v1/releases/gtk/4.18.1").json()
        assert (known["visible"], known["pending"]) == (False, ["index", "archive-index"])
    uploads.pass_by(timedelta(seconds=20))
    work(uploads)
    assert is_whole(uploads)
    assert uploads.http.get("/api/v1/releases/gtk/4.18.1").json()["visible"]


def test_an_outage_is_waited_out_for_ever_longer_and_never_given_up(uploads: Uploads) -> None:
    with broken(uploads, StoreUnavailable("S3 is down"), "cache.json") as service:
        uploads.post(NAME, GOOD)
        for _ in range(15):
            uploads.pass_by(timedelta(minutes=2))
            assert keep_next(service)
            while keep_next(service):
                pass
            late = rows(uploads)[INDEX]
            assert (late.kept_at, late.gave_up_at) == (None, None)
        assert (late.tries >= 7, late.trouble) == (True, "S3 is down")
    uploads.pass_by(timedelta(minutes=2))
    work(uploads)
    assert is_whole(uploads)


def test_an_old_claim_is_not_given_up_because_of_an_outage(uploads: Uploads) -> None:
    """Its tarball may be there: that of an attempt which was made, and died, while the store was down for days."""
    died_after_storing(uploads)
    uploads.pass_by(timedelta(days=2))
    with broken(uploads, StoreUnavailable("S3 is down"), ".tar.xz") as service:
        assert keep_next(service)
    assert (rows(uploads)[FINISH].trouble, rows(uploads)[FINISH].gave_up_at) == ("S3 is down", None)
    uploads.pass_by(timedelta(minutes=2))
    work(uploads)
    assert is_whole(uploads)


def test_a_claim_that_is_made_again_waits_for_a_day_again(uploads: Uploads) -> None:
    for _ in range(2):
        with broken(uploads, Died(), ".tar.xz"), pytest.raises(Died):
            uploads.post(NAME, GOOD)
        uploads.pass_by(timedelta(hours=20))
        work(uploads)
        assert (rows(uploads)[FINISH].kept_at, rows(uploads)[FINISH].gave_up_at) == (None, None)


def test_an_alarm_is_given_up_after_a_while_and_tried_again_when_a_person_says_so(uploads: Uploads) -> None:
    with broken(uploads, AlreadyStored("x"), "cache.json") as service:
        uploads.post(NAME, GOOD)
        for _ in range(30):
            uploads.pass_by(timedelta(minutes=2))
            keep_next(service)
        assert rows(uploads)[INDEX].gave_up_at is not None
        assert not keep_next(service)
    work(uploads)
    assert not is_whole(uploads)
    with uploads.parts.service.transactions.begin() as session:
        assert [one.kind for one in follow_ups.troubled(session)] == ["index", "archive-index"]
        assert follow_ups.try_again(session, None) == 2
    work(uploads)
    assert is_whole(uploads)


def test_a_promise_is_one_worker_s_until_its_lease_is_over(uploads: Uploads) -> None:
    with broken(uploads, StoreUnavailable("S3 is down"), "cache.json"):
        uploads.post(NAME, GOOD)
    uploads.pass_by(timedelta(minutes=1))
    transactions = uploads.parts.service.transactions
    with transactions.begin() as session:
        first = follow_ups.claim(session, LEASE)
    assert first is not None
    with transactions.begin() as session:
        assert follow_ups.claim(session, LEASE) is None  # nor another one of the same module
        assert follow_ups.renew(session, first, LEASE)
    uploads.pass_by(LEASE)
    with transactions.begin() as session:
        second = follow_ups.claim(session, LEASE)
    assert second is not None
    assert (second.id, second.fence) == (first.id, first.fence + 1)
    with transactions.begin() as session:
        assert not follow_ups.renew(session, first, LEASE)
        assert not follow_ups.put_off(session, first, LEASE, "late", gives_up=True)
    assert (rows(uploads)[INDEX].trouble, rows(uploads)[INDEX].gave_up_at) == ("", None)


def test_workers_take_promises_of_different_modules_at_once(uploads: Uploads) -> None:
    with broken(uploads, StoreUnavailable("S3 is down"), "cache.json"):
        for module in ("gtk", "glib"):
            name = f"{module}-4.18.1.tar.xz"
            uploads.post(name, a_tarball(name), project_id=str(len(module)))
    uploads.pass_by(timedelta(minutes=1))
    taken: list[FollowUp | None] = []
    for _ in range(3):
        with uploads.parts.service.transactions.begin() as session:
            taken.append(follow_ups.claim(session, LEASE))
    with uploads.parts.service.transactions.read() as session:
        modules = {one: session.get_one(Module, one.module_id).name for one in taken if one is not None}
    assert (sorted(modules.values()), taken[2]) == (["glib", "gtk"], None)


def test_a_claim_of_which_nobody_knows_whose_it_was_waits_for_its_sender(uploads: Uploads) -> None:
    """A version that wrote down no claims has made it."""
    died_after_storing(uploads)
    with uploads.parts.service.transactions.begin() as session:
        session.execute(update(AuditRow).where(AuditRow.code == "claimed").values(code="earlier"))
    uploads.pass_by(timedelta(minutes=2))
    work(uploads)
    assert "Nobody knows who has claimed" in rows(uploads)[FINISH].trouble
    assert not is_whole(uploads)
    assert uploads.post(NAME, GOOD).status_code == 201


def test_a_claim_from_before_there_were_promises_to_finish_is_finished_too(uploads: Uploads) -> None:
    died_after_storing(uploads)
    with uploads.parts.service.transactions.begin() as session:
        for one in session.scalars(select(FollowUp)):
            session.delete(one)
    work(uploads)
    assert is_whole(uploads)


def test_a_waiting_worker_is_called_when_something_is_promised(uploads: Uploads) -> None:
    waited: list[float] = []
    waiter = Waiter(uploads.parts.service.transactions.engine, waited.append)
    waiter.wait(0.01)
    uploads.post(NAME, GOOD)
    waiter.wait(30)  # at once on PostgreSQL; SQLite has nobody who could call
    assert waited in ([], [0.01, 30])
    waiter.close()
