"""Which variable of a CI job holds the token."""

import base64
import json

import pytest

from release_service.client import Exit, Failure
from release_service.client.ci import token_in


def jwt(audience: object, letter: str = "a") -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"aud": audience}).encode()).decode().rstrip("=")
    return f"{letter}.{payload}.c"


OURS = jwt("gnome-release-service")
IN_GITLAB = {"GITLAB_CI": "true", "CI_JOB_TOKEN": "glcbt-x", "PATH": "/bin", "SIGSTORE": jwt("sigstore")}


def test_outside_of_ci_there_is_no_token() -> None:
    assert token_in({"PATH": "/bin", "ELSEWHERE": OURS}) is None


def test_a_gitlab_job_needs_not_say_where_its_token_is() -> None:
    assert token_in(IN_GITLAB | {"RELEASE": OURS}) == OURS
    assert token_in(IN_GITLAB | {"RELEASE": jwt(["gnome-release-service"])}) == jwt(["gnome-release-service"])


def test_gnome_release_token_comes_before_what_is_found() -> None:
    named = jwt("gnome-release-service", "named")
    assert token_in(IN_GITLAB | {"A": OURS, "GNOME_RELEASE_TOKEN": f" {named}\n"}) == named
    assert token_in({"GNOME_RELEASE_TOKEN": "opaque"}) == "opaque"


def test_the_variable_that_is_named_comes_first_and_must_hold_a_token() -> None:
    environment = IN_GITLAB | {"GNOME_RELEASE_TOKEN": OURS, "MINE": "mine"}
    assert token_in(environment, "MINE") == "mine"
    with pytest.raises(Failure, match=r"no token in \$YOURS"):
        token_in(environment, "YOURS")


@pytest.mark.parametrize(
    "value",
    ["a.b", "a.!!.c", "a.YWJj.c", "a.W10.c", "a.\udcff.c", jwt("sigstore"), jwt(None), jwt(["other"]), "a" * 5 + "..b"],
)
def test_a_gitlab_job_without_a_token_for_us_is_told_to_ask_for_one(value: str) -> None:
    with pytest.raises(Failure, match="id_tokens") as failure:
        token_in(IN_GITLAB | {"X": value})
    assert failure.value.status is Exit.NO_TOKEN


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "é"])
def test_what_cannot_be_a_token_is_neither_sent_nor_shown(value: str) -> None:
    with pytest.raises(Failure) as failure:
        token_in({"GNOME_RELEASE_TOKEN": value})
    assert (failure.value.status, value in str(failure.value)) == (Exit.NO_TOKEN, False)
