"""An access token of the single sign-on proves a person, or nothing."""

import asyncio
import functools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from persons import ALICE, AUDIENCE, CLIENTS, StandInSso
from release_service.errors import IssuerUnavailable, NotAuthenticated, TokenExpired
from release_service.identity.keys import IssuerKeys
from release_service.identity.sso import Person, Sso
from release_service.identity.token import parse

HOUR = 3600
NOW = int(time.time())


@pytest.fixture(scope="module")
def sso() -> Iterator[StandInSso]:
    """A single sign-on of this file's own: it is taken down here."""
    issuer = StandInSso()
    yield issuer
    issuer.stop()


@functools.cache
def keys_of(issuer: str) -> IssuerKeys:
    """The keys of an issuer, fetched once for all tests."""
    return IssuerKeys(issuer)


def prove(sso: StandInSso, text: str, later_s: float = 0) -> Person:
    async def main() -> Person:
        prover = Sso(sso.issuer, AUDIENCE, CLIENTS, keys_of(sso.issuer), lambda: time.time() + later_s)
        return await prover.prove(parse(text))

    return asyncio.run(main())


def refused(sso: StandInSso, text: str) -> NotAuthenticated:
    with pytest.raises(NotAuthenticated) as caught:
        prove(sso, text)
    return caught.value


def test_a_keycloak_token_proves_its_person(sso: StandInSso) -> None:
    person = prove(sso, sso.token(jti="onrtac:1"))
    assert (person.kind, person.issuer, person.subject) == ("sso", sso.issuer, ALICE)
    assert (person.login, person.token_id, person.email) == ("alice", "onrtac:1", "alice@gnome.example")
    assert person.groups == {"gnomecvs", "release-team"}


def test_a_nanoidp_token_proves_its_person(sso: StandInSso) -> None:
    person = prove(sso, sso.sign(sso.nanoidp(jti="1")))
    assert (person.kind, person.issuer, person.subject) == ("sso", sso.issuer, "alice")
    assert (person.login, person.token_id, person.email) == ("alice", "1", "")
    assert person.groups == {"gnomecvs", "release-team"}


def test_what_is_published_of_a_person_is_the_login_alone(sso: StandInSso) -> None:
    assert prove(sso, sso.token()).provenance == {"login": "alice"}


def test_neither_mail_address_nor_token_is_in_the_text_form(sso: StandInSso) -> None:
    """What is logged by mistake tells nobody."""
    text = sso.token()
    assert "gnome.example" not in repr(prove(sso, text))
    assert text not in repr(parse(text))
    assert "gnome.example" not in repr(parse(text))


@pytest.mark.parametrize(
    ("changes", "email"),
    [
        ({"email_verified": False}, ""),
        ({"email_verified": "true"}, ""),
        ({"email_verified": None}, ""),
        ({"email": ...}, ""),
        ({"email": None}, ""),
        ({"email_verified": ...}, "alice@gnome.example"),
    ],
    ids=["not-verified", "verified-as-text", "verified-null", "none", "null", "nothing-said"],
)
def test_a_mail_address_that_somebody_doubts_is_none(sso: StandInSso, changes: dict[str, Any], email: str) -> None:
    assert prove(sso, sso.token(**changes)).email == email


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (["release-team"], {"release-team"}),
        (["/release-team"], {"release-team"}),
        (["/a/release-team"], {"a/release-team"}),
        (["//release-team"], {"/release-team"}),
        (["release-team/"], {"release-team/"}),
        (["Release-Team", "release-team-friends"], {"Release-Team", "release-team-friends"}),
        (["/release-team", "release-team"], {"release-team"}),
        ([], set()),
        (..., set()),
    ],
    ids=["plain", "slash", "nested", "two-slashes", "slash-behind", "other-names", "twins", "none", "not-sent"],
)
def test_groups_are_exact_names_without_keycloaks_slash(sso: StandInSso, groups: object, names: set[str]) -> None:
    assert prove(sso, sso.token(groups=groups)).groups == names


GOOD: dict[str, dict[str, Any]] = {
    "audience-as-text": {"aud": AUDIENCE},
    "audience-alone-in-a-list": {"aud": [AUDIENCE]},
    "audience-last-of-many": {"aud": ["account", "x", AUDIENCE]},
    "the-webs-client": {"azp": "release-web"},
    "client-said-twice": {"client_id": "release-cli"},
    "client-by-client-id": {"azp": ..., "client_id": "release-cli"},
    "kind-said-twice": {"token_use": "access"},
    "kind-by-token-use": {"typ": ..., "token_use": "access"},
    "no-jti": {"jti": ...},
    "jti-null": {"jti": None},
    "no-nbf": {"nbf": ...},
    "login-null": {"preferred_username": None},
    "login-like-a-service-account": {"preferred_username": "my-service-account-x"},
    "subject-of-255-characters": {"sub": "x" * 255},
    "login-in-another-script": {"preferred_username": "Ålice"},
    "lives-for-a-day": {"exp": NOW + 24 * HOUR, "iat": NOW},
    "made-23-hours-ago": {"iat": NOW - 23 * HOUR, "exp": NOW + HOUR},
}


@pytest.mark.parametrize("times", [{"iat": -HOUR, "exp": -10}, {"iat": 10, "nbf": 10}], ids=["expired", "clock-ahead"])
def test_clocks_may_differ_a_little(sso: StandInSso, times: dict[str, int]) -> None:
    now = int(time.time())  # the test run may be older than the leeway
    assert prove(sso, sso.token(**{name: now + offset for name, offset in times.items()})).subject == ALICE


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_token_within_the_rules_proves_its_person(sso: StandInSso, changes: dict[str, Any]) -> None:
    assert prove(sso, sso.token(**changes)).issuer == sso.issuer


def test_a_person_without_a_login_is_called_by_the_subject(sso: StandInSso) -> None:
    assert prove(sso, sso.token(preferred_username=...)).login == ALICE


BAD: dict[str, dict[str, Any]] = {
    "issuer-of-another-realm": {"iss": "https://sso.example.org/realms/GNOME"},
    "audience-missing": {"aud": ...},
    "audience-null": {"aud": None},
    "audience-of-keycloak-without-mapper": {"aud": "account"},
    "audience-list-without-ours": {"aud": ["account", "release-web"]},
    "audience-list-empty": {"aud": []},
    "audience-list-nested": {"aud": [[AUDIENCE]]},
    "audience-list-with-a-number": {"aud": [AUDIENCE, 1]},
    "audience-object": {"aud": {AUDIENCE: True}},
    "audience-prefix": {"aud": AUDIENCE[:-1]},
    "audience-longer": {"aud": f"{AUDIENCE} account"},
    "audience-in-capitals": {"aud": AUDIENCE.upper()},
    "audience-true": {"aud": True},
    "kind-not-said": {"typ": ...},
    "kind-null": {"typ": None},
    "kind-id": {"typ": "ID"},
    "kind-refresh": {"typ": "Refresh"},
    "kind-offline": {"typ": "Offline"},
    "kind-logout": {"typ": "Logout"},
    "kind-dpop": {"typ": "DPoP"},
    "kind-small-letters": {"typ": "bearer"},
    "kind-list": {"typ": ["Bearer"]},
    "token-use-id": {"typ": ..., "token_use": "id"},
    "token-use-refresh": {"typ": ..., "token_use": "refresh"},
    "kinds-that-contradict": {"token_use": "refresh"},
    "kinds-that-contradict-the-other-way": {"typ": "Refresh", "token_use": "access"},
    "kind-and-null": {"token_use": None},
    "at-hash-of-an-id-token": {"at_hash": "h"},
    "c-hash-of-an-id-token": {"c_hash": "h"},
    "s-hash-of-an-id-token": {"s_hash": "h"},
    "events-of-a-logout-token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    "client-of-another": {"azp": "gitlab"},
    "client-prefix": {"azp": "release-cl"},
    "client-in-capitals": {"azp": "Release-CLI"},
    "client-null": {"azp": None},
    "client-list": {"azp": ["release-cli"]},
    "client-not-said": {"azp": ...},
    "client-id-of-another": {"azp": ..., "client_id": "gitlab"},
    "client-id-null": {"azp": ..., "client_id": None},
    "clients-that-contradict": {"client_id": "gitlab"},
    "clients-that-are-both-ours-and-contradict": {"client_id": "release-web"},
    "client-id-beside-azp-null": {"azp": None, "client_id": "release-cli"},
    "bound-to-a-key": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
    "bound-to-a-certificate": {"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}},
    "bound-to-null": {"cnf": None},
    "service-account-by-name": {"preferred_username": "service-account-release-cli"},
    "service-account-by-host": {"clientHost": "10.0.0.1"},
    "service-account-by-address": {"clientAddress": "10.0.0.1"},
    "service-account-by-old-client-id": {"clientId": "release-cli"},
    "service-account-by-subject": {"sub": "release-cli"},
    "service-account-by-other-subject": {"sub": "release-web"},
    "groups-as-text": {"groups": "release-team"},
    "groups-null": {"groups": None},
    "groups-object": {"groups": {"release-team": True}},
    "groups-nested": {"groups": [["release-team"]]},
    "groups-with-a-number": {"groups": ["release-team", 1]},
    "groups-with-null": {"groups": [None]},
    "group-without-a-name": {"groups": ["/"]},
    "group-of-nothing": {"groups": [""]},
    "group-with-newline": {"groups": ["release-team\n"]},
    "group-with-zero-width": {"groups": ["release-\u200bteam"]},
    "group-of-256-characters": {"groups": ["g" * 256]},
    "subject-missing": {"sub": ...},
    "subject-null": {"sub": None},
    "subject-empty": {"sub": ""},
    "subject-number": {"sub": 42},
    "subject-list": {"sub": [ALICE]},
    "subject-of-256-characters": {"sub": "x" * 256},
    "subject-with-nul": {"sub": f"{ALICE}\0"},
    "subject-with-newline": {"sub": f"{ALICE}\n"},
    "subject-with-lone-surrogate": {"sub": "\ud800"},
    "login-number": {"preferred_username": 1},
    "login-empty": {"preferred_username": ""},
    "login-with-escape": {"preferred_username": "a\x1b[2Jb"},
    "login-of-256-characters": {"preferred_username": "a" * 256},
    "email-with-newline": {"email": "a@gnome.example\nBcc: b@gnome.example"},
    "email-list": {"email": ["alice@gnome.example"]},
    "jti-number": {"jti": 1},
    "jti-of-256-characters": {"jti": "x" * 256},
    "exp-missing": {"exp": ...},
    "exp-null": {"exp": None},
    "exp-text": {"exp": str(NOW + HOUR)},
    "exp-float": {"exp": NOW + 60.5},
    "exp-true": {"exp": True},
    "exp-negative": {"exp": -1},
    "exp-beyond-all": {"exp": 10**30},
    "lives-for-two-days": {"exp": NOW + 48 * HOUR},
    "iat-missing": {"iat": ...},
    "iat-null": {"iat": None},
    "iat-text": {"iat": str(NOW)},
    "iat-in-the-future": {"iat": NOW + HOUR, "exp": NOW + 2 * HOUR},
    "nbf-in-the-future": {"nbf": NOW + HOUR},
    "nbf-null": {"nbf": None},
    "nbf-text": {"nbf": "0"},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_token_with_a_bad_claim_proves_nobody(sso: StandInSso, changes: dict[str, Any]) -> None:
    refusal = refused(sso, sso.token(**changes))
    assert type(refusal) is NotAuthenticated


BAD_AT_NANOIDP: dict[str, dict[str, Any]] = {
    "refresh-token": {"token_use": "refresh"},
    "id-token": {"token_use": ..., "client_id": ..., "nonce": "n", "aud": "release-cli"},
    "client-not-said": {"client_id": ...},
    "client-of-another": {"client_id": "gitlab"},
    "client-for-itself": {"sub": "release-cli"},
    "groups-as-text": {"groups": "release-team"},
}


@pytest.mark.parametrize("changes", BAD_AT_NANOIDP.values(), ids=BAD_AT_NANOIDP)
def test_a_nanoidp_token_with_a_bad_claim_proves_nobody(sso: StandInSso, changes: dict[str, Any]) -> None:
    refused(sso, sso.sign(sso.nanoidp(**changes)))


@pytest.mark.parametrize(
    "changes",
    [{"iat": NOW - HOUR, "exp": NOW - 60}, {"iat": NOW - 25 * HOUR, "exp": NOW + HOUR}, {"iat": 0}],
    ids=["expired", "made-more-than-a-day-ago", "made-in-1970"],
)
def test_a_token_whose_time_is_over_says_so(sso: StandInSso, changes: dict[str, int]) -> None:
    assert type(refused(sso, sso.token(**changes))) is TokenExpired


def test_a_token_expires_by_our_clock(sso: StandInSso) -> None:
    text = sso.token()
    assert prove(sso, text, later_s=240).login == "alice"
    with pytest.raises(TokenExpired):
        prove(sso, text, later_s=360)
    with pytest.raises(NotAuthenticated):
        prove(sso, text, later_s=-120)


def test_a_token_signed_by_another_key_proves_nobody(sso: StandInSso) -> None:
    forger = RSAKey.generate_key(2048, private=True)
    assert "signature" in refused(sso, sso.sign(sso.keycloak(), forger)).detail


def test_a_token_that_was_changed_proves_nobody(sso: StandInSso) -> None:
    alices, bobs = (sso.token(sub=sub).split(".") for sub in ("alice", "bob"))
    assert "signature" in refused(sso, ".".join([alices[0], bobs[1], alices[2]])).detail


def test_who_is_refused_is_told_to_sign_in_again(sso: StandInSso) -> None:
    """What a job should do is no help to a person."""
    unknown_key = sso.sign(sso.keycloak(), kid="unknown")
    for text in (sso.token(aud="account"), sso.token(exp=NOW - 60), sso.token(groups=1), unknown_key):
        assert "gnome-release login" in refused(sso, text).next_step


def test_a_good_token_of_an_issuer_that_is_down_is_not_called_bad() -> None:
    stopped = StandInSso()
    stopped.stop()
    with pytest.raises(IssuerUnavailable):
        prove(stopped, stopped.token())
