"""A signature that was taken, and whose sender's attempt then died: finished or taken back, not told of before."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry import (
    ASC,
    DIRECTORY,
    GOOD,
    NAME,
    People,
    assert_consistent,
    fingerprint,
    interrupted,
    put,
    signature,
)
from release_service.finish import finish_signatures
from release_service.publish import Service
from release_service.worker import Worker
from signatures import forged

pytestmark = pytest.mark.slow

SIGNATURE = "/api/v1/releases/gtk/4.18.1/signature"


@pytest.fixture
def people(signers: People) -> People:
    """Bob and alice sign for gtk."""
    assert signers.ask("POST", f"/api/v1/keys/{fingerprint('alice')}/consent", "bob").is_success
    return signers


def is_revoked(people: People) -> None:
    assert people.ask(
        "POST", "/api/v1/keys", "bob", forged("bob").certificate(direct=forged("bob").revoke())
    ).is_success


def is_removed(people: People) -> None:
    assert people.ask("DELETE", f"/api/v1/keys/{fingerprint('bob')}", "bob").is_success


def a_minute_later(people: People) -> Service:
    return replace(people.uploads.parts.service, now=lambda: datetime.now(UTC) + timedelta(minutes=2))


def sign(people: People, who: str) -> int:
    return people.ask("PUT", SIGNATURE, who, signature(who)).status_code


@pytest.fixture(params=["before it was stored", "after it was stored"])
def taken_later(request: pytest.FixtureRequest, people: People) -> None:
    """CI has published; bob's signature was taken, and its storing was interrupted."""
    assert people.uploads.post(NAME, GOOD).status_code == 201
    with interrupted(people, ".asc", after=request.param.startswith("after")):
        assert sign(people, "bob") == 503


@pytest.fixture(params=["before it was stored", "after it was stored"])
def taken_with_the_upload(request: pytest.FixtureRequest, people: People) -> None:
    with interrupted(people, ".asc", after=request.param.startswith("after")):
        assert put(people, "bob", signature("bob")).status_code == 503


@pytest.mark.usefixtures("taken_later")
def test_what_was_only_taken_is_not_told_of(people: People) -> None:
    assert "signature" not in people.ask("GET", "/api/v1/releases/gtk/4.18.1").json()
    with interrupted(people, "\n"):
        assert put(people, "bob").json()["signature_url"] is None
    assert "signature" not in json.loads(people.uploads.read(f"{DIRECTORY}/gtk-4.18.1.release.json"))
    service = people.uploads.parts.service
    finish_signatures(service)  # too early: its sender may still be at it
    assert people.uploads.rows()["release_signatures"] == 1
    assert b".asc" not in people.uploads.read(f"{DIRECTORY}/index.html")


@pytest.mark.usefixtures("taken_later")
def test_the_worker_finishes_it(people: People) -> None:
    for _ in range(2):
        Worker(a_minute_later(people), None).work()
        assert people.uploads.read(ASC) == signature("bob")
        assert_consistent(people)
    signed = [row for row in people.uploads.audited() if row["act"] == "sign"]
    assert [(row["code"], row["subject"], row["detail"]) for row in signed] == [
        ("signed", "", {"fingerprint": fingerprint("bob")})
    ]


@pytest.mark.usefixtures("taken_later")
@pytest.mark.parametrize("lost", [is_removed, is_revoked])
def test_the_worker_takes_back_what_a_lost_key_has_made(people: People, lost: Callable[[People], None]) -> None:
    lost(people)
    finish_signatures(a_minute_later(people))
    assert (people.uploads.rows()["release_signatures"], ASC in people.uploads.stored()) == (0, False)
    assert_consistent(people)


@pytest.mark.usefixtures("taken_later")
def test_the_worker_waits_an_outage_out(people: People) -> None:
    with interrupted(people, ".asc"):
        service = people.uploads.http.app.state.parts.service  # type: ignore[attr-defined]
        finish_signatures(replace(service, now=a_minute_later(people).now))
    finish_signatures(a_minute_later(people))
    assert_consistent(people)
    assert ASC in people.uploads.stored()


@pytest.mark.usefixtures("taken_later")
@pytest.mark.parametrize("lost", [is_removed, is_revoked])
def test_another_signature_is_taken_instead_of_a_lost_key_s(people: People, lost: Callable[[People], None]) -> None:
    lost(people)
    assert sign(people, "alice") == 201
    assert people.uploads.read(ASC) == signature("alice")
    assert people.uploads.audited()[-1]["detail"] == {"fingerprint": fingerprint("alice")}
    assert_consistent(people)


@pytest.mark.usefixtures("taken_later")
def test_what_was_taken_first_keeps_others_out_and_is_finished_by_its_sender(people: People) -> None:
    for refused in (
        people.ask("PUT", SIGNATURE, "alice", signature("alice")),
        put(people, "alice", signature("alice")),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "already_signed")
    assert sign(people, "bob") == 201
    assert people.uploads.read(ASC) == signature("bob")
    signed = [(row["subject"], row["detail"]) for row in people.uploads.audited() if row["code"] == "signed"]
    assert signed == [("sub-bob", {"fingerprint": fingerprint("bob")})]
    assert_consistent(people)


@pytest.mark.usefixtures("taken_with_the_upload")
def test_the_same_bytes_again_finish_what_was_taken_with_the_upload(people: People) -> None:
    assert put(people, "bob").status_code == 201
    assert people.uploads.read(ASC) == signature("bob")
    assert people.uploads.audited()[-1]["detail"]["fingerprint"] == fingerprint("bob")
    assert_consistent(people)


@pytest.mark.usefixtures("taken_with_the_upload")
@pytest.mark.parametrize("lost", [is_removed, is_revoked])
def test_the_same_bytes_again_do_not_bring_a_lost_key_s_signature(
    people: People, lost: Callable[[People], None]
) -> None:
    lost(people)
    again = put(people, "bob")
    assert (again.status_code, again.json()["signature_url"]) == (201, None)
    assert ASC not in people.uploads.stored()
    assert_consistent(people)
    assert sign(people, "alice") == 201
    assert_consistent(people)


@pytest.mark.usefixtures("taken_with_the_upload")
def test_the_same_bytes_again_with_another_signature_bring_that_instead_of_a_lost_key_s(people: People) -> None:
    is_revoked(people)
    assert put(people, "alice", signature("alice")).status_code == 201
    assert people.uploads.read(ASC) == signature("alice")
    assert people.uploads.audited()[-1]["detail"]["fingerprint"] == fingerprint("alice")
    assert_consistent(people)


@pytest.mark.usefixtures("taken_with_the_upload")
def test_where_a_signature_is_required_the_same_bytes_need_one_again(people: People) -> None:
    assert people.ask("PATCH", "/api/v1/modules/gtk", "carol", {"signatures": "required"}).is_success
    is_revoked(people)
    for answer in (put(people, "bob"), put(people, "bob", signature("bob"))):
        assert answer.json()["code"] in {"signature_required", "signing_key_not_usable"}
    assert people.ask("GET", "/api/v1/releases/gtk/4.18.1").status_code == 404
    assert put(people, "alice", signature("alice")).status_code == 201
    assert_consistent(people)


@pytest.mark.parametrize("lost", [is_removed, is_revoked])
def test_a_key_that_is_lost_while_the_upload_is_stored_signs_nothing(
    people: People, lost: Callable[[People], None]
) -> None:
    with interrupted(people, ".sha256sum", lambda: lost(people)):
        refused = put(people, "bob", signature("bob"))
    assert refused.json()["code"] in {"signature_not_trusted", "signing_key_not_usable"}
    assert (people.ask("GET", "/api/v1/releases/gtk/4.18.1").status_code, ASC in people.uploads.stored()) == (
        404,
        False,
    )
    assert put(people, "bob").status_code == 201
    assert_consistent(people)
