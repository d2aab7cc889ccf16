"""A GitLab ID token proves a job, or nothing."""

import asyncio
import functools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from release_service.demo.gitlab import StandInGitLab
from release_service.errors import IssuerUnavailable, NotAuthenticated, TokenExpired
from release_service.identity.gitlab import GitLab, GitLabJob
from release_service.identity.keys import IssuerKeys
from release_service.identity.token import parse

PROJECT, TAG = "GNOME/gtk", "4.18.1"
HOUR = 3600


@pytest.fixture(scope="module")
def another() -> Iterator[StandInGitLab]:
    """Another issuer, with keys of its own."""
    issuer = StandInGitLab()
    yield issuer
    issuer.stop()


@functools.cache
def keys_of(issuer: str) -> IssuerKeys:
    """The keys of an issuer, fetched once for all tests."""
    return IssuerKeys(issuer)


def prove(gitlab: StandInGitLab, text: str, later_s: float = 0) -> GitLabJob:
    async def main() -> GitLabJob:
        keys = keys_of(gitlab.issuer)
        prover = GitLab(gitlab.issuer, "gnome-release-service", keys, lambda: time.time() + later_s)
        return await prover.prove(parse(text))

    return asyncio.run(main())


def test_a_good_token_proves_its_job(gitlab: StandInGitLab) -> None:
    job = prove(gitlab, gitlab.token(PROJECT, TAG, jti="j-1"))
    assert (job.kind, job.issuer, job.subject) == ("gitlab-id-token", gitlab.issuer, "project:1665")
    assert (job.project_id, job.namespace_id, job.project_path) == ("1665", "8", PROJECT)
    assert (job.login, job.token_id) == ("mclasen", "j-1")
    assert job.claims["ref"] == TAG


def test_what_is_published_of_a_job_names_no_mail_address_and_no_token(gitlab: StandInGitLab) -> None:
    published = prove(gitlab, gitlab.token(PROJECT, TAG)).provenance
    assert published["project_path"] == PROJECT
    assert published["sha"] == "714a629c0b401fdce83e847fc9589983fc6f46bc"
    assert not {"user_email", "jti", "sub", "user_id"} & set(published)
    assert not any("@" in value for value in published.values())


def test_claims_that_are_no_text_are_no_part_of_the_proof(gitlab: StandInGitLab) -> None:
    job = prove(gitlab, gitlab.token(PROJECT, TAG, ref_protected=True, runner_id=7))
    assert "ref_protected" not in job.claims
    assert "runner_id" not in job.claims


@pytest.mark.parametrize("value", [1665, True, ["1665"], {"id": "1665"}, ""])
@pytest.mark.parametrize(
    "name",
    [
        "job_project_id",
        "job_project_path",
        "job_namespace_id",
        "job_namespace_path",
        "namespace_path",
        "user_access_level",
        "user_login",
        "ref_path",
        "ci_config_ref_uri",
        "sha",
        "pipeline_id",
    ],
)
def test_a_claim_that_a_rule_or_a_reader_asks_about_is_text_where_it_is_sent(
    gitlab: StandInGitLab, name: str, value: object
) -> None:
    """Left out because it is no text, it would look as if GitLab had not sent it, and the rule would pass."""
    with pytest.raises(NotAuthenticated, match=name):
        prove(gitlab, gitlab.token(PROJECT, TAG, **{name: value}))


@pytest.mark.parametrize("name", ["nbf", "user_login", "user_access_level", "job_project_id", "ref_protected", "sub"])
def test_a_token_without_a_claim_that_older_gitlabs_lack_proves_its_job(gitlab: StandInGitLab, name: str) -> None:
    assert prove(gitlab, gitlab.token(PROJECT, TAG, **{name: ...})).project_id == "1665"


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": -30, "nbf": -30, "exp": 20},
        {"iat": -3 * HOUR, "nbf": -3 * HOUR, "exp": HOUR},
        {"iat": 20, "nbf": 20, "exp": HOUR},
        {"iat": 0, "nbf": 0, "exp": 24 * HOUR},
        {"iat": -HOUR, "nbf": -HOUR, "exp": -20},
    ],
    ids=["nearly-expired", "three-hours-old", "clock-ahead", "a-day-long", "expired-within-leeway"],
)
def test_times_within_the_limits_and_the_leeway_are_good(gitlab: StandInGitLab, changes: dict[str, int]) -> None:
    now = int(time.time())
    times = {name: now + offset for name, offset in changes.items()}
    assert prove(gitlab, gitlab.token(PROJECT, TAG, **times)).project_id == "1665"


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": -HOUR, "nbf": -HOUR, "exp": -60},
        {"iat": -3 * HOUR - 60, "nbf": -3 * HOUR - 60, "exp": HOUR},
        {"iat": -(10**9), "nbf": -(10**9), "exp": HOUR},
    ],
    ids=["expired", "older-than-three-hours", "thirty-years-old"],
)
def test_a_token_whose_time_is_over_says_so(gitlab: StandInGitLab, changes: dict[str, int]) -> None:
    now = int(time.time())
    with pytest.raises(TokenExpired):
        prove(gitlab, gitlab.token(PROJECT, TAG, **{name: now + offset for name, offset in changes.items()}))


def test_a_token_expires_by_our_clock(gitlab: StandInGitLab) -> None:
    text = gitlab.token(PROJECT, TAG)
    assert prove(gitlab, text, later_s=HOUR - 60).project_id == "1665"
    with pytest.raises(TokenExpired):
        prove(gitlab, text, later_s=HOUR + 60)
    with pytest.raises(NotAuthenticated):
        prove(gitlab, text, later_s=-120)


NOW = int(time.time())
BAD: dict[str, dict[str, Any]] = {
    "other-issuer": {"iss": "https://gitlab.com"},
    "issuer-with-slash": {"iss": "{issuer}/"},
    "issuer-as-list": {"iss": ["{issuer}"]},
    "other-audience": {"aud": "sigstore"},
    "audience-in-other-case": {"aud": "GNOME-release-service"},
    "audience-list-with-ours": {"aud": ["gnome-release-service"]},
    "audience-list-of-two": {"aud": ["gnome-release-service", "x"]},
    "audience-null": {"aud": None},
    "audience-with-space": {"aud": "gnome-release-service "},
    "lives-for-two-days": {"exp": NOW + 48 * HOUR},
    "lives-for-ever": {"exp": 2**40 - 1},
    "exp-beyond-all": {"exp": 10**30},
    "exp-as-text": {"exp": str(NOW + HOUR)},
    "exp-as-float": {"exp": NOW + 0.5},
    "exp-true": {"exp": True},
    "exp-null": {"exp": None},
    "exp-negative": {"exp": -1},
    "iat-in-the-future": {"iat": NOW + HOUR},
    "iat-as-text": {"iat": str(NOW)},
    "iat-true": {"iat": True},
    "nbf-in-the-future": {"nbf": NOW + HOUR},
    "nbf-null": {"nbf": None},
    "nbf-as-text": {"nbf": "0"},
    "project-id-a-number": {"project_id": 1665},
    "project-id-empty": {"project_id": ""},
    "project-id-no-digits": {"project_id": "1665x"},
    "project-id-signed": {"project_id": "-1665"},
    "project-id-spaced": {"project_id": " 1665"},
    "project-id-arabic": {"project_id": "\u0661\u0666\u0666\u0665"},
    "project-id-superscript": {"project_id": "\u00b2"},
    "project-id-21-digits": {"project_id": "1" * 21},
    "project-id-newline": {"project_id": "1665\n"},
    "job-id-no-digits": {"job_id": "4711a"},
    "job-id-a-number": {"job_id": 4711},
    "namespace-id-no-digits": {"namespace_id": "GNOME"},
    "namespace-id-a-number": {"namespace_id": 8},
    "path-a-list": {"project_path": ["GNOME/gtk"]},
    "path-with-newline": {"project_path": "GNOME/gtk\n"},
    "path-with-nul": {"project_path": "GNOME/gtk\0x"},
    "path-with-zero-width": {"project_path": "GNOME/gtk\u200b"},
    "path-with-lone-surrogate": {"project_path": "GNOME/gtk\ud800"},
    "login-with-escape": {"user_login": "m\x1b[2Jc"},
    "any-claim-with-newline": {"anything": "a\nb"},
    "ref-of-513-characters": {"ref": "1" * 513},
    "ref-empty": {"ref": ""},
    "ref-type-null": {"ref_type": None},
    "pipeline-source-a-number": {"pipeline_source": 1},
    "jti-empty": {"jti": ""},
    "jti-a-number": {"jti": 7},
    "jti-with-newline": {"jti": "a\nb"},
    "jti-of-256-characters": {"jti": "x" * 256},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_token_with_a_bad_claim_proves_nothing(gitlab: StandInGitLab, changes: dict[str, Any]) -> None:
    filled = {
        name: value.replace("{issuer}", gitlab.issuer)
        if isinstance(value, str)
        else [gitlab.issuer if item == "{issuer}" else item for item in value]
        if isinstance(value, list)
        else value
        for name, value in changes.items()
    }
    with pytest.raises(NotAuthenticated) as caught:
        prove(gitlab, gitlab.token(PROJECT, TAG, **filled))
    assert type(caught.value) is NotAuthenticated


@pytest.mark.parametrize(
    "name",
    [
        "iss",
        "aud",
        "exp",
        "iat",
        "jti",
        "project_id",
        "namespace_id",
        "project_path",
        "job_id",
        "ref",
        "ref_type",
        "pipeline_source",
    ],
)
def test_a_token_without_an_obligatory_claim_proves_nothing(gitlab: StandInGitLab, name: str) -> None:
    with pytest.raises(NotAuthenticated):
        prove(gitlab, gitlab.token(PROJECT, TAG, **{name: ...}))


def test_a_login_token_of_the_same_gitlab_proves_nothing(gitlab: StandInGitLab) -> None:
    """Signed with the same keys, perhaps for us; but no job runs (threat T3)."""
    now = int(time.time())
    claims = {
        "iss": gitlab.issuer,
        "aud": "gnome-release-service",
        "sub": "42",
        "iat": now,
        "exp": now + 120,
        "jti": "1",
    }
    with pytest.raises(NotAuthenticated):
        prove(gitlab, gitlab.sign(claims | {"email": "m@gnome.example", "groups": ["GNOME"]}))


def test_a_token_signed_by_another_key_proves_nothing(gitlab: StandInGitLab) -> None:
    forger = RSAKey.generate_key(2048, {"kid": str(gitlab.keys[0].kid)}, private=True)
    with pytest.raises(NotAuthenticated, match="signature"):
        prove(gitlab, gitlab.sign(gitlab.claims(PROJECT, TAG), forger))


def test_a_token_signed_by_another_issuers_key_proves_nothing(gitlab: StandInGitLab, another: StandInGitLab) -> None:
    with pytest.raises(NotAuthenticated, match="key that its issuer does not have"):
        prove(gitlab, another.token(PROJECT, TAG, iss=gitlab.issuer))


def test_another_issuers_good_token_proves_nothing_and_asks_nobody(
    gitlab: StandInGitLab, another: StandInGitLab
) -> None:
    before = len(gitlab.requests), len(another.requests)
    with pytest.raises(NotAuthenticated, match="issuer"):
        prove(gitlab, another.token(PROJECT, TAG))
    assert (len(gitlab.requests), len(another.requests)) == before


def test_a_key_in_the_header_is_not_used(gitlab: StandInGitLab) -> None:
    own = RSAKey.generate_key(2048, private=True)
    for kid in (str(gitlab.keys[0].kid), "mine"):
        with pytest.raises(NotAuthenticated):
            prove(gitlab, gitlab.sign(gitlab.claims(PROJECT, TAG), own, kid=kid, jwk=own.as_dict(private=False)))


def test_a_header_may_say_what_it_likes_if_the_signature_is_good(gitlab: StandInGitLab) -> None:
    extra = {"jku": "https://evil.example/", "x5t": "AAAA", "unknown": {"a": [1]}}
    assert prove(gitlab, gitlab.sign(gitlab.claims(PROJECT, TAG), **extra)).project_id == "1665"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_anywhere_proves_nothing(gitlab: StandInGitLab, part: int) -> None:
    parts = gitlab.token(PROJECT, TAG).split(".")
    for at in range(0, len(parts[part]), 37):
        letter = "A" if parts[part][at] != "A" else "B"
        changed = parts[part][:at] + letter + parts[part][at + 1 :]
        with pytest.raises(NotAuthenticated):
            prove(gitlab, ".".join([*parts[:part], changed, *parts[part + 1 :]]))


def test_claims_of_one_token_with_the_signature_of_another_prove_nothing(gitlab: StandInGitLab) -> None:
    one, other = (gitlab.token(PROJECT, tag).split(".") for tag in ("4.18.1", "4.18.2"))
    with pytest.raises(NotAuthenticated):
        prove(gitlab, ".".join([one[0], one[1], other[2]]))


def test_a_good_token_of_an_issuer_that_is_down_is_not_called_bad(another: StandInGitLab) -> None:
    another.is_down = True
    try:
        with pytest.raises(IssuerUnavailable):
            prove(another, another.token(PROJECT, TAG))
    finally:
        another.is_down = False
