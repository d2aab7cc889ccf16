"""Several uploads of the same bytes at once, with and without signatures: one release, and one signature at most."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from conftest import KINDS
from registry import ASC, GOOD, NAME, People, assert_consistent, fingerprint, make_signers, put, signature
from release_service import beside, documents, signing
from release_service.db.tables import Mail
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

pytestmark = pytest.mark.slow

SIGNATURE = "/api/v1/releases/gtk/4.18.1/signature"
Act = Callable[[], httpx2.Response]


@pytest.fixture(params=KINDS)
def people(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> Iterator[People]:
    """Bob and alice sign for gtk, and maintainers are mailed."""
    with make_signers(environment_of(request.param), gitlab, smtp_url="smtp://localhost:1") as made:
        assert made.ask("POST", f"/api/v1/keys/{fingerprint('alice')}/consent", "bob").is_success
        yield made


def meet(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    """Let two threads go on together after *name*."""
    barrier, do = threading.Barrier(2), getattr(where, name)

    def met(*given: Any, **named: Any) -> Any:
        done = do(*given, **named)
        barrier.wait(20)
        return done

    monkeypatch.setattr(where, name, met)


def at_once(*acts: Act) -> list[httpx2.Response]:
    with ThreadPoolExecutor(len(acts)) as together:
        return list(together.map(lambda act: act(), acts))


def test_of_two_signatures_at_once_one_is_published_and_the_other_refused(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people.uploads.post(NAME, GOOD).status_code == 201
    meet(monkeypatch, signing, "verify")
    bob, alice = at_once(
        lambda: people.ask("PUT", SIGNATURE, "bob", signature("bob")),
        lambda: people.ask("PUT", SIGNATURE, "alice", signature("alice")),
    )
    assert sorted([bob.status_code, alice.status_code]) == [201, 409]
    winner = "bob" if bob.status_code == 201 else "alice"
    assert people.uploads.read(ASC) == signature(winner)
    signed = [(row["subject"], row["detail"]) for row in people.uploads.audited() if row["code"] == "signed"]
    assert signed == [(signed[0][0], {"fingerprint": fingerprint(winner)})]
    assert_consistent(people)


def test_of_two_uploads_signed_differently_at_once_one_signature_is_published(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet(monkeypatch, documents, "news_files")
    bob, alice = at_once(lambda: put(people, "bob", signature("bob")), lambda: put(people, "alice", signature("alice")))
    codes = {"bob": bob.status_code, "alice": alice.status_code}
    winner = min(codes, key=codes.__getitem__)
    assert sorted(codes.values()) in ([200, 409], [201, 409])
    assert people.uploads.read(ASC) == signature(winner)
    assert people.uploads.rows()["releases"] == 1
    assert_consistent(people)


def test_of_a_signed_and_an_unsigned_upload_at_once_both_are_good(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet(monkeypatch, documents, "news_files")
    answers = at_once(lambda: put(people, "bob", signature("bob")), lambda: put(people, "alice"))
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert people.uploads.read(ASC) == signature("bob")
    assert people.uploads.rows()["releases"] == 1
    assert_consistent(people)


def test_a_signature_that_lands_after_an_unsigned_twin_is_an_act_of_its_own(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have claimed; the unsigned one, which was first, makes the release public first."""
    store, is_claimed, may_end = beside.store, threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as thread:

        def stored(*given: Any) -> None:
            if is_claimed.is_set():
                may_end.set()
                unsigned.result(20)
            is_claimed.set()
            may_end.wait(20)
            store(*given)

        monkeypatch.setattr(beside, "store", stored)
        unsigned = thread.submit(put, people, "alice")
        assert is_claimed.wait(20)
        assert put(people, "bob", signature("bob")).status_code == 200
    assert (unsigned.result().status_code, unsigned.result().json()["signature_url"]) == (201, None)
    row = people.uploads.audited()[-1]
    assert (row["act"], row["subject"], row["detail"]) == ("sign", "sub-bob", {"fingerprint": fingerprint("bob")})
    with people.uploads.parts.service.transactions.read() as session:
        subjects = session.scalars(select(Mail.subject).order_by(Mail.id)).all()
    assert [subject for subject in subjects if NAME in subject][-2:] == [f"{NAME} was signed"] * 2
    assert_consistent(people)
