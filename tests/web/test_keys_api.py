"""Signing keys over HTTP: registered, consented to, renewed, revoked, removed; and who is told."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from conftest import KINDS
from registry import People, make_people
from release_service import signing_keys
from release_service.db import signing_keys as rows
from release_service.db.tables import Mail, Maintainer, Person, SigningKey
from release_service.demo.gitlab import StandInGitLab
from signatures import (
    BORN,
    CREATED,
    EXPIRES,
    KEY_EXPIRES,
    NOW,
    SHA1,
    SIGNED,
    ForgedKey,
    Gpg,
    forged,
    framed,
    seconds,
    sub,
)
from uploads import Environment

pytestmark = pytest.mark.slow

KEYS = "/api/v1/keys"


@pytest.fixture(params=KINDS)
def people(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> Iterator[People]:
    """gtk is maintained by bob and alice, glib by bob and dora; mail is promised, and nobody sends it."""
    with make_people(environment_of(request.param), gitlab, smtp_url="smtp://127.0.0.1:9") as made:
        made.maintain("gtk", "bob", "alice")
        made.maintain("glib", "bob", "dora")
        with made.uploads.parts.service.transactions.begin() as session:
            for mail in session.scalars(select(Mail)):
                session.delete(mail)
        yield made


def key(name: str = "bob") -> bytes:
    return forged(name).certificate()


def fingerprint(name: str = "bob") -> str:
    return forged(name).fingerprint.hex().upper()


def mails(people: People) -> list[tuple[str, str]]:
    """Who is written to about what, in order; then there is nothing more to tell of."""
    with people.uploads.parts.service.transactions.begin() as session:
        found = session.execute(select(Mail, Person).join(Person).order_by(Mail.id)).all()
        told = [(person.login, mail.subject) for mail, person in found]
        for mail, _ in found:
            session.delete(mail)
    return told


def later(people: People, days: float) -> None:
    """Let the service's clock go on."""
    parts = people.uploads.parts
    moved = replace(parts.service, now=lambda: datetime.now(UTC) + timedelta(days=days))
    people.uploads.http.app.state.parts = replace(parts, service=moved)  # type: ignore[attr-defined]


def test_a_new_key_shows_its_fingerprint_and_waits_for_three_days(people: People, gpg: Gpg) -> None:
    real = gpg.new_key(f"bob-{uuid4().hex}")
    answer = people.ask("POST", KEYS, "bob", gpg.export(real))
    assert (answer.status_code, answer.json()["fingerprint"], answer.json()["state"]) == (201, real, "waiting")
    waits = datetime.fromisoformat(answer.json()["may_sign_from"]) - datetime.fromisoformat(answer.json()["added_at"])
    assert waits == timedelta(hours=72)
    later(people, 3.1)
    (listed,) = people.ask("GET", KEYS, "bob").json()["keys"]
    assert (listed["fingerprint"], listed["state"], listed["consented_by"]) == (real, "usable", None)


def test_all_who_maintain_something_with_its_owner_are_told_and_it_is_written_down(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    assert mails(people) == [(name, "The signing key of bob was added") for name in ("bob", "alice", "dora")]
    row = people.uploads.audited()[-1]
    assert (row["act"], row["verdict"], row["subject"]) == ("key-add", "accepted", "sub-bob")
    assert row["detail"] == {"fingerprint": fingerprint(), "modules": ["glib", "gtk"], "owner": "sub-bob"}


def test_the_same_key_again_changes_nothing_and_tells_nobody(people: People) -> None:
    first = people.ask("POST", KEYS, "bob", key()).json()
    mails(people)
    again = people.ask("POST", KEYS, "bob", key())
    assert (again.status_code, again.json()) == (200, first)
    assert mails(people) == []


def test_another_maintainer_consents_and_it_may_sign_at_once(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    mails(people)
    assert [found["owner"] for found in people.ask("GET", KEYS, "alice").json()["to_consent"]] == ["bob"]
    answer = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    assert (answer.status_code, answer.json()["state"], answer.json()["consented_by"]) == (200, "usable", "alice")
    assert mails(people) == [(name, "The signing key of bob was consented to") for name in ("bob", "alice", "dora")]
    assert people.uploads.audited()[-1]["act"] == "key-consent"


@pytest.mark.parametrize("who", ["bob", "mallory", "carol", "rita"])
def test_nobody_else_consents_neither_the_owner_nor_a_stranger_nor_by_a_role(people: People, who: str) -> None:
    people.ask("POST", KEYS, "bob", key())
    mails(people)
    answer = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", who)
    assert (answer.status_code, answer.json()["code"]) == (403, "may_not_consent")
    assert people.ask("GET", KEYS, "bob").json()["keys"][0]["state"] == "waiting"
    assert mails(people) == []


def test_whom_the_owner_has_let_in_yesterday_does_not_consent(people: People) -> None:
    """Who has taken an account over would make such a maintainer first."""
    people.ask("POST", "/api/v1/modules/gtk/maintainers", "bob", {"subject": "sub-sock"})
    people.ask("POST", KEYS, "bob", key())
    refused = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "sock")
    assert (refused.status_code, refused.json()["code"]) == (403, "may_not_consent")
    age(people, 4)
    assert people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "sock").status_code == 200


def age(people: People, days: float) -> None:
    """Let those whom no administrator has named have been maintainers for so many days more."""
    with people.uploads.parts.service.transactions.begin() as session:
        for maintainer in session.scalars(select(Maintainer).where(~Maintainer.by_administrator)):
            maintainer.created_at -= timedelta(days=days)


def test_nobody_lets_the_owner_into_a_module_of_their_own_to_consent(people: People) -> None:
    """Mallory has taken bob's account over, and has a module of her own for long."""
    people.maintain("eog", "mallory")
    assert people.ask("POST", "/api/v1/modules/eog/maintainers", "mallory", {"subject": "sub-bob"}).is_success
    people.ask("POST", KEYS, "bob", key())
    assert people.ask("GET", KEYS, "mallory").json()["to_consent"] == []
    refused = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "mallory")
    assert (refused.status_code, refused.json()["code"]) == (403, "may_not_consent")
    assert states(people) == [("waiting", [fingerprint()])]
    age(people, 4)
    assert people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "mallory").is_success


@pytest.mark.parametrize("module", ["gtk", "*"])
def test_who_is_blocked_consents_to_nothing(people: People, module: str) -> None:
    blocked = {"issuer": people.sso.issuer, "subject": "sub-alice", "reason": "compromised"}
    people.ask("POST", KEYS, "bob", key())
    assert people.ask("PUT", f"/api/v1/modules/{module}/block", "carol", blocked).is_success
    refused = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    assert (refused.status_code, refused.json()["code"]) == (403, "may_not_consent")
    assert people.ask("GET", KEYS, "alice").json()["to_consent"] == []
    assert states(people) == [("waiting", [fingerprint()])]
    assert people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "dora").is_success


def test_a_consent_holds_for_the_key_that_was_looked_at_and_not_for_what_became_of_it(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has taken bob's account over adds a subkey at the moment that alice consents."""
    people.ask("POST", KEYS, "bob", key())
    lock = rows.lock_owners

    def wait(session: Session, person_ids: Iterable[int]) -> None:
        """Get the lock when bob's change, which had it, is committed."""
        lock(session, person_ids)
        session.execute(update(SigningKey).values(added_at=datetime.now(UTC) + timedelta(seconds=1)))

    with monkeypatch.context() as patched:
        patched.setattr(rows, "lock_owners", wait)
        refused = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    assert states(people) == [("waiting", [fingerprint()])]
    assert people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice").is_success


def test_a_revocation_is_taken_from_the_certificate_that_carries_it_and_for_ever(people: People) -> None:
    bob = forged("bob")
    people.ask("POST", KEYS, "bob", key())
    people.ask("POST", KEYS, "dora", key())
    mails(people)
    answer = people.ask("POST", KEYS, "bob", bob.certificate(direct=bob.revoke()))
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    assert people.ask("GET", KEYS, "dora").json()["keys"][0]["state"] == "revoked"
    assert ("alice", "The signing key of bob was revoked") in mails(people)
    again = people.ask("POST", KEYS, "bob", key())
    assert (again.status_code, again.json()["code"]) == (422, "certificate_not_usable")


def test_the_revocation_that_gpg_keeps_revokes_the_key_also_when_somebody_else_brings_it(
    people: People, gpg: Gpg
) -> None:
    real = gpg.new_key(f"bob-{uuid4().hex}")
    people.ask("POST", KEYS, "bob", gpg.export(real))
    mails(people)
    answer = people.ask("POST", KEYS, "alice", gpg.revocation(real))
    assert (answer.status_code, answer.json()["fingerprint"], answer.json()["state"]) == (200, real, "revoked")
    assert people.ask("GET", KEYS, "bob").json()["keys"][0]["state"] == "revoked"
    assert [login for login, _ in mails(people)] == ["bob", "alice", "dora"]
    assert people.uploads.audited()[-1]["act"] == "key-revoke"
    back = people.ask("POST", KEYS, "bob", gpg.export(real))
    assert (back.status_code, back.json()["code"]) == (422, "certificate_not_usable")


def test_a_revocation_by_another_key_revokes_nothing(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    mails(people)
    bob, said = forged("bob"), [forged("bob").names_itself, sub(CREATED, seconds(SIGNED))]
    forgery = framed(forged("eve").sign(bob.signed_form, kind=0x20, hashed=said, unhashed=[]))
    refused = people.ask("POST", KEYS, "bob", forgery)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_certificate")
    assert people.ask("POST", KEYS, "bob", forged("eve").revoke()).json()["code"] == "not_found"
    assert people.ask("GET", KEYS, "bob").json()["keys"][0]["state"] == "waiting"
    assert mails(people) == []


def offline(*after: bytes) -> bytes:
    """Return the certificate of bob's that signs with subkeys alone."""
    bob = forged("bob")
    return bob.certificate(*after, certification=bob.certify(flags=b"\x01"))


def revoked(subkey: str) -> bytes:
    """Return the subkey of bob's, and his revocation of it."""
    bob, sub_ = forged("bob"), forged(subkey)
    return bob.bind(sub_) + bob.revoke(kind=0x28, data=bob.signed_form + sub_.signed_form)


def states(people: People, who: str = "bob") -> list[tuple[str, list[str]]]:
    """The states of *who*'s keys, and what of them may sign."""
    keys = people.ask("GET", KEYS, who).json()["keys"]
    return [(found["state"], found["signing_fingerprints"]) for found in keys]


def test_the_revocation_of_the_only_subkey_that_signs_is_taken(people: People) -> None:
    people.ask("POST", KEYS, "bob", offline(forged("bob").bind(forged("bob's subkey"))))
    people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    taken = people.ask("POST", KEYS, "bob", offline(revoked("bob's subkey")))
    assert taken.status_code == 200, taken.text
    assert states(people) == [("expired", [])]


def test_a_new_subkey_that_has_expired_does_not_come_in_with_the_revocation_of_another(people: People) -> None:
    """Extended later, it would sign without having waited."""
    bob, other = forged("bob"), forged("bob's other")
    people.ask("POST", KEYS, "bob", offline(bob.bind(forged("bob's subkey"))))
    people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    past = bob.bind(other, sub(KEY_EXPIRES, (86400).to_bytes(4, "big")))
    assert people.ask("POST", KEYS, "bob", offline(revoked("bob's subkey"), past)).status_code == 200
    assert states(people) == [("expired", [])]
    extended = people.ask("POST", KEYS, "bob", offline(revoked("bob's subkey"), bob.bind(other)))
    assert (extended.status_code, extended.json()["state"]) == (201, "waiting")


def test_an_end_that_was_moved_into_the_past_is_taken(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    shorter = forged("bob").certificate(certification=expiring_on(forged("bob"), -1))
    taken = people.ask("POST", KEYS, "bob", shorter)
    assert (taken.status_code, taken.json()["state"]) == (200, "expired"), taken.text
    people.ask("DELETE", f"{KEYS}/{fingerprint()}", "bob")
    back = people.ask("POST", KEYS, "bob", shorter)
    assert (back.status_code, "[EXPIRED]" in back.json()["detail"]) == (422, True)


UNREADABLE: dict[str, bytes] = {
    "a user id that has expired": forged("bob").certify(sub(EXPIRES, b"\x00\x00\x01\x00")),
    "no user id": b"",
    "a user id with control characters": forged("bob").certify(user_id=b"\x1b[2J"),
    "a subkey bound with SHA-1": forged("bob").certify() + forged("bob").bind(forged("bob's subkey"), digest=SHA1),
    "a forged revocation before it": b"",
}


@pytest.mark.parametrize("beside", UNREADABLE)
def test_a_revocation_is_taken_whatever_stands_beside_it(people: People, beside: str) -> None:
    bob = forged("bob")
    people.ask("POST", KEYS, "bob", key())
    forgery = bob.revoke(data=b"something else") if beside.startswith("a forged") else b""
    sent = bob.certificate(certification=UNREADABLE[beside], direct=forgery + bob.revoke())
    answer = people.ask("POST", KEYS, "bob", sent)
    assert (answer.status_code, answer.json().get("state")) == (200, "revoked"), answer.text


def test_a_subkey_that_one_person_has_revoked_signs_for_nobody(people: People) -> None:
    """Two have registered the same certificate: the revocation proves itself, whoever brings it."""
    bound = forged("bob").certificate(forged("bob").bind(forged("bob's subkey")))
    for who in ("dora", "bob"):
        people.ask("POST", KEYS, who, bound)
    mails(people)
    assert people.ask("POST", KEYS, "bob", forged("bob").certificate(revoked("bob's subkey"))).status_code == 200
    assert states(people, "dora") == [("waiting", [fingerprint()])]
    assert ("dora", "The signing key of dora was renewed") in mails(people)
    back = people.ask("POST", KEYS, "eric", bound)
    assert (back.status_code, "[OLDER]" in back.json()["detail"]) == (422, True)


def test_who_registers_a_revoked_key_anew_is_refused(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    people.ask("POST", KEYS, "bob", forged("bob").revoke())
    back = people.ask("POST", KEYS, "dora", key())
    assert (back.status_code, back.json()["code"]) == (422, "certificate_not_usable")


def test_a_revoked_subkey_does_not_come_back_with_an_older_copy(people: People) -> None:
    bob, subkey = forged("bob"), forged("bob's subkey")
    data = bob.signed_form + subkey.signed_form
    bound = bob.bind(subkey)
    revoked = bound[: len(bound)] + bob.revoke(kind=0x28, data=data)
    people.ask("POST", KEYS, "bob", bob.certificate(bound))
    renewed = people.ask("POST", KEYS, "bob", bob.certificate(revoked))
    assert renewed.json()["signing_fingerprints"] == [fingerprint()], renewed.text
    refused = people.ask("POST", KEYS, "bob", bob.certificate(bound))
    assert (refused.status_code, "[OLDER]" in refused.json()["detail"]) == (422, True)


def test_a_new_subkey_waits_anew_and_a_longer_life_does_not(people: People) -> None:
    bob = forged("bob")
    people.ask("POST", KEYS, "bob", key())
    people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    longer = bob.certificate(certification=expiring_on(bob, 400))
    renewed = people.ask("POST", KEYS, "bob", longer)
    assert (renewed.status_code, renewed.json()["state"]) == (200, "usable")
    other = people.ask("POST", KEYS, "bob", bob.certificate(bob.bind(forged("bob's subkey"))))
    assert (other.status_code, other.json()["state"], other.json()["consented_by"]) == (201, "waiting", None)


def expiring_on(of: ForgedKey, days: float) -> bytes:
    life = int((NOW + timedelta(days=days) - BORN).total_seconds())
    return of.certify(sub(KEY_EXPIRES, life.to_bytes(4, "big")))


def test_a_removed_key_is_listed_no_more_and_waits_anew_when_it_comes_back(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    mails(people)
    removed = people.ask("DELETE", f"{KEYS}/{fingerprint().lower()}", "bob")
    assert (removed.status_code, removed.json()["state"]) == (200, "removed")
    assert people.ask("GET", KEYS, "bob").json()["keys"] == []
    assert [login for login, _ in mails(people)] == ["bob", "alice", "dora"]
    back = people.ask("POST", KEYS, "bob", key())
    assert (back.status_code, back.json()["state"]) == (201, "waiting")


def test_nobody_removes_somebody_elses_key(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    for who in ("alice", "carol"):
        assert people.ask("DELETE", f"{KEYS}/{fingerprint()}", who).status_code == 404
    assert len(people.ask("GET", KEYS, "bob").json()["keys"]) == 1


BAD: dict[str, tuple[str, str, Any, int, str]] = {
    "no key": ("POST", KEYS, b"hello", 422, "bad_certificate"),
    "nothing": ("POST", KEYS, b"", 422, "bad_certificate"),
    "a novel": ("POST", KEYS, b"x" * 70_000, 413, "too_large"),
    "a secret key": ("POST", KEYS, b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", 422, "secret_key_sent"),
    "revoked, and not known": (
        "POST",
        KEYS,
        forged("eve").certificate(direct=forged("eve").revoke()),
        422,
        "certificate_not_usable",
    ),
    "expired": (
        "POST",
        KEYS,
        forged("eve").certificate(certification=expiring_on(forged("eve"), -1)),
        422,
        "certificate_not_usable",
    ),
    "a key id": ("DELETE", f"{KEYS}/0123456789ABCDEF", None, 400, "bad_request"),
    "an unknown one": ("DELETE", f"{KEYS}/{'A' * 40}", None, 404, "not_found"),
    "consent to nothing": ("POST", f"{KEYS}/{'A' * 40}/consent", None, 404, "not_found"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_good_key_is_refused_and_leaves_nothing_but_its_row_in_the_audit(people: People, bad: str) -> None:
    method, path, body, status, code = BAD[bad]
    rows, audited = people.uploads.rows(), len(people.uploads.audited())
    answer = people.ask(method, path, "bob", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert all(answer.json()[part] for part in ("title", "detail", "next"))
    assert (people.uploads.rows(), mails(people)) == (rows, [])
    assert [row["verdict"] for row in people.uploads.audited()[audited:]] == ["refused"]


def test_a_key_that_may_sign_waits_for_no_consent(people: People) -> None:
    people.ask("POST", KEYS, "bob", key())
    people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "alice")
    again = people.ask("POST", f"{KEYS}/{fingerprint()}/consent", "dora")
    assert (again.status_code, again.json()["code"]) == (400, "bad_request")


def test_without_a_token_or_with_a_jobs_nothing_is_told_or_changed(people: People) -> None:
    rows = people.uploads.rows()
    job = {"Authorization": f"Bearer {people.uploads.gitlab.token('GNOME/gtk', '48.1')}"}
    for method, path in (("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/{'A' * 40}")):
        assert people.ask(method, path).status_code == 401
        assert people.uploads.http.request(method, path, headers=job, content=key()).status_code == 401
    assert people.uploads.rows() == rows


def test_ten_keys_are_enough_for_anybody(people: People) -> None:
    for number in range(signing_keys.MOST_KEYS):
        assert people.ask("POST", KEYS, "bob", key(f"bob {number}")).status_code == 201
    refused = people.ask("POST", KEYS, "bob", key("one more"))
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")


def test_the_owner_is_warned_once_a_month_before_the_key_expires(people: People) -> None:
    service = people.uploads.parts.service
    people.ask("POST", KEYS, "bob", forged("bob").certificate(certification=expiring_on(forged("bob"), 31)))
    mails(people)
    assert signing_keys.warn_of_expiry(service) == 0
    tomorrow = replace(service, now=lambda: datetime.now(UTC) + timedelta(days=2))
    assert [signing_keys.warn_of_expiry(tomorrow) for _ in range(2)] == [1, 0]
    ((login, subject),) = mails(people)
    assert (login, subject.startswith("Your signing key expires on ")) == ("bob", True)
