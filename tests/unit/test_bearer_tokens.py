"""A bearer token is judged by the issuer that it names, if that is one of the table."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from persons import AUDIENCE, CLIENTS, StandInSso
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import NotAuthenticated
from release_service.identity.bearer import Bearers
from release_service.identity.gitlab import GitLab, GitLabJob
from release_service.identity.keys import IssuerKeys
from release_service.identity.sso import Person, Sso


@pytest.fixture(scope="module")
def sso() -> Iterator[StandInSso]:
    """A single sign-on of this file's own."""
    issuer = StandInSso()
    yield issuer
    issuer.stop()


def prove(text: str, gitlab: StandInGitLab | None, sso: StandInSso | None) -> GitLabJob | Person:
    async def main() -> GitLabJob | Person:
        provers: dict[str, GitLab | Sso] = {}
        if gitlab is not None:
            provers[gitlab.issuer] = GitLab(gitlab.issuer, AUDIENCE, IssuerKeys(gitlab.issuer))
        if sso is not None:
            provers[sso.issuer] = Sso(sso.issuer, AUDIENCE, CLIENTS, IssuerKeys(sso.issuer))
        return await Bearers[GitLabJob | Person](provers).prove(text)

    return asyncio.run(main())


def refused(text: str, gitlab: StandInGitLab | None, sso: StandInSso | None) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        prove(text, gitlab, sso)
    return caught.value.detail


def test_a_token_is_proven_by_the_issuer_that_it_names(gitlab: StandInGitLab, sso: StandInSso) -> None:
    assert isinstance(prove(gitlab.token("GNOME/gtk", "4.18.1"), gitlab, sso), GitLabJob)
    assert isinstance(prove(sso.token(), gitlab, sso), Person)


def test_a_way_in_that_does_not_trust_an_issuer_refuses_its_good_tokens(gitlab: StandInGitLab, sso: StandInSso) -> None:
    asked = len(gitlab.requests), len(sso.requests)
    assert "issuer" in refused(sso.token(), gitlab, None)
    assert "issuer" in refused(gitlab.token("GNOME/gtk", "4.18.1"), None, sso)
    assert "issuer" in refused(sso.token(), None, None)
    assert (len(gitlab.requests), len(sso.requests)) == asked


@pytest.mark.parametrize(
    "iss",
    ["{iss}/", "{iss} ", " {iss}", "{iss}#", "{iss}?a=1", "{upper}", "https://gitlab.com", "", 7, None, ["{iss}"], ...],
    ids=str,
)
def test_an_issuer_is_known_letter_for_letter(gitlab: StandInGitLab, sso: StandInSso, iss: Any) -> None:
    if isinstance(iss, str):
        iss = iss.format(iss=sso.issuer, upper=sso.issuer.upper())
    asked = len(gitlab.requests), len(sso.requests)
    refused(sso.sign(sso.keycloak(iss=[sso.issuer] if isinstance(iss, list) else iss)), gitlab, sso)
    assert (len(gitlab.requests), len(sso.requests)) == asked


def test_the_claims_of_one_issuer_signed_by_the_other_prove_nothing(gitlab: StandInGitLab, sso: StandInSso) -> None:
    """With the other's key id and with its own: each issuer's keys are looked up in its own set (threat T2)."""
    for kid in (gitlab.keys[0].kid, sso.keys[0].kid):
        refused(gitlab.sign(sso.keycloak(), kid=kid), gitlab, sso)
        refused(sso.sign(gitlab.claims("GNOME/gtk", "4.18.1"), kid=kid), gitlab, sso)


def test_a_persons_claims_under_gitlabs_name_and_signature_are_no_job(gitlab: StandInGitLab, sso: StandInSso) -> None:
    assert "project_id" in refused(gitlab.sign(sso.nanoidp(iss=gitlab.issuer)), gitlab, sso)


def test_a_jobs_claims_under_the_single_sign_ons_name_and_signature_are_no_person(
    gitlab: StandInGitLab, sso: StandInSso
) -> None:
    assert "access token" in refused(sso.sign(gitlab.claims("GNOME/gtk", "4.18.1", iss=sso.issuer)), gitlab, sso)


def test_what_is_no_token_at_all_is_refused_before_anybody_is_asked(gitlab: StandInGitLab, sso: StandInSso) -> None:
    asked = len(gitlab.requests), len(sso.requests)
    for text in ("", "Bearer", "glcbt-64_x", "a.b.c", "....", "\0"):
        refused(text, gitlab, sso)
    assert (len(gitlab.requests), len(sso.requests)) == asked
