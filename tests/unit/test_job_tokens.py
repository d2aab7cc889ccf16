"""A CI_JOB_TOKEN proves the job that GitLab says it is of, or nothing."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from pages import Pages
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import IssuerUnavailable, NotAuthenticated, NotAuthorized, Refused, TagMoved
from release_service.identity import document
from release_service.identity.gitlab import GitLabJob
from release_service.identity.gitlab_api import GitLabApi, Project
from release_service.identity.job_token import JobTokens

PROJECT, TAG = "GNOME/gtk", "4.18.1"
TOKEN = "glcbt-64_of-the-job"  # noqa: S105 - opens nothing
SHA = "714a629c0b401fdce83e847fc9589983fc6f46bc"


@pytest.fixture(scope="module")
def gitlab() -> Iterator[StandInGitLab]:
    """A GitLab of this file's own: it is taken down here."""
    stand_in = StandInGitLab()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A server that says what a GitLab would, to begin with."""
    made = Pages()
    made.say(
        "/job",
        {
            "id": 1,
            "status": "running",
            "ref": TAG,
            "tag": True,
            "user": {"username": "mclasen"},
            "commit": {"id": SHA},
            "pipeline": {"id": 2, "project_id": 3, "source": "push", "sha": SHA},
        },
    )
    made.say("/projects/3", {"id": 3, "path_with_namespace": PROJECT, "namespace": {"id": 8}})
    made.say(f"/projects/3/repository/tags/{TAG}", {"name": TAG, "commit": {"id": SHA}, "protected": True})
    yield made
    made.stop()


def ask(url: str, text: str, issuer: str = "https://gitlab.gnome.org") -> GitLabJob:
    async def main() -> GitLabJob:
        return await JobTokens(GitLabApi(url), issuer).prove(text)

    return asyncio.run(main())


def prove(gitlab: StandInGitLab, **changes: Any) -> GitLabJob:
    text = gitlab.job_token(PROJECT, TAG, **changes)
    gitlab.api.asked.clear()
    return ask(f"{gitlab.issuer}/api/v4", text, gitlab.issuer)


def project(url: str, path_or_id: str) -> Project:
    async def main() -> Project:
        return await GitLabApi(url).project(path_or_id)

    return asyncio.run(main())


def test_a_running_job_is_proven_in_the_words_of_its_id_token(gitlab: StandInGitLab) -> None:
    job = prove(gitlab, **{"job.id": 77})
    assert (job.kind, job.issuer, job.subject) == ("gitlab-job-token", gitlab.issuer, "project:1665")
    assert (job.project_id, job.namespace_id, job.project_path) == ("1665", "8", PROJECT)
    assert (job.login, job.token_id) == ("mclasen", "job:77")
    id_token = gitlab.claims(PROJECT, TAG, job_id="77")
    assert job.claims == {name: id_token[name] for name in job.claims}
    assert set(job.claims) >= {"ref", "ref_type", "ref_protected", "ref_path", "pipeline_source", "job_id", "sha"}


def test_what_is_published_of_it_is_what_is_public(gitlab: StandInGitLab) -> None:
    job = prove(gitlab)
    assert job.provenance["project_path"] == PROJECT
    assert "glcbt" not in json.dumps([dict(job.provenance), dict(job.claims), repr(job)])


def test_the_token_goes_with_the_first_question_only(gitlab: StandInGitLab) -> None:
    text = gitlab.job_token(PROJECT, TAG)
    gitlab.api.asked.clear()
    ask(f"{gitlab.issuer}/api/v4", text)
    tag = f"/projects/1665/repository/tags/{TAG}"
    assert gitlab.api.asked == [("/job", text), ("/projects/1665", None), (tag, None)]


def test_the_id_of_a_jobs_token_is_the_same_each_time(gitlab: StandInGitLab) -> None:
    assert prove(gitlab, **{"job.id": 78}).token_id == prove(gitlab, **{"job.id": 78}).token_id


def test_an_unprotected_tag_is_for_the_rules_to_refuse(gitlab: StandInGitLab) -> None:
    assert prove(gitlab, **{"tag.protected": False}).claims["ref_protected"] == "false"


def test_a_branch_is_never_protected_here_and_no_tag_is_asked_for(gitlab: StandInGitLab) -> None:
    claims = prove(gitlab, **{"job.tag": False, "job.ref": "main"}).claims
    assert (claims["ref_type"], claims["ref_protected"], claims["ref_path"]) == ("branch", "false", "refs/heads/main")
    assert [path for path, _ in gitlab.api.asked] == ["/job", "/projects/1665"]


@pytest.mark.parametrize("source", ["web", "schedule", "merge_request_event", "parent_pipeline"])
def test_how_the_pipeline_began_is_for_the_rules_to_judge(gitlab: StandInGitLab, source: str) -> None:
    assert prove(gitlab, **{"job.pipeline.source": source}).claims["pipeline_source"] == source


@pytest.mark.parametrize("tag", ["a/b", "v1.0%2F..", "1?x=1#y", "..."])
def test_a_tag_of_any_letters_is_one_piece_of_the_path(gitlab: StandInGitLab, tag: str) -> None:
    text = gitlab.job_token(PROJECT, tag)
    assert ask(f"{gitlab.issuer}/api/v4", text).claims["ref"] == tag


@pytest.mark.parametrize("tag", [".", "..", ""])
def test_a_tag_that_would_be_another_path_is_not_asked_for(pages: Pages, tag: str) -> None:
    status, body, headers = pages.answers["/job"]
    pages.answers["/job"] = (status, json.dumps(json.loads(body) | {"ref": tag}).encode(), headers)
    with pytest.raises(IssuerUnavailable):
        ask(pages.url, TOKEN)
    assert pages.requests == ["/job", "/projects/3"]


# Jobs that are not proven ----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["success", "failed", "canceled", "canceling", "pending", "created", "Running", ""])
def test_a_job_that_does_not_run_proves_nothing(gitlab: StandInGitLab, status: str) -> None:
    with pytest.raises(NotAuthenticated, match="does not run"):
        prove(gitlab, **{"job.status": status})
    assert [path for path, _ in gitlab.api.asked] == ["/job"]


def test_a_token_that_gitlab_does_not_know_proves_nothing(gitlab: StandInGitLab) -> None:
    with pytest.raises(NotAuthenticated, match="knows no running job"):
        ask(f"{gitlab.issuer}/api/v4", TOKEN)


@pytest.mark.parametrize("field", ["job.commit.id", "job.pipeline.sha", "tag.commit.id"])
def test_a_tag_that_names_another_commit_than_the_job_proves_nothing(gitlab: StandInGitLab, field: str) -> None:
    with pytest.raises(TagMoved, match="different commits"):
        prove(gitlab, **{field: "0" * 40})


def test_a_branchs_job_of_another_commit_than_its_pipeline_proves_nothing(gitlab: StandInGitLab) -> None:
    with pytest.raises(TagMoved):
        prove(gitlab, **{"job.tag": False, "job.commit.id": "0" * 40})


def test_a_tag_that_is_gone_proves_nothing(pages: Pages) -> None:
    del pages.answers[f"/projects/3/repository/tags/{TAG}"]
    with pytest.raises(TagMoved, match="not there any more"):
        ask(pages.url, TOKEN)


def test_a_job_of_a_project_that_the_public_cannot_see_is_told_what_to_send_instead(pages: Pages) -> None:
    del pages.answers["/projects/3"]
    with pytest.raises(NotAuthorized) as caught:
        ask(pages.url, TOKEN)
    assert "id_tokens" in caught.value.next_step


NO_JOB_TOKENS: dict[str, tuple[str, str]] = {
    "nothing": ("", "CI_JOB_TOKEN"),
    "prefix-only": ("glcbt-", "CI_JOB_TOKEN"),
    "prefix-in-capitals": ("GLCBT-64_x", "CI_JOB_TOKEN"),
    "id-token": ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Authorization: Bearer"),
    "personal-access-token": ("glpat-0123456789", "revoke it"),
    "deploy-token": ("gldt-0123456789", "CI_JOB_TOKEN"),
    "space-before": (f" {TOKEN}", "CI_JOB_TOKEN"),
    "space-after": (f"{TOKEN} ", "CI_JOB_TOKEN"),
    "newline-after": (f"{TOKEN}\n", "CI_JOB_TOKEN"),
    "header-inside": (f"{TOKEN}\r\nHost: evil.example", "CI_JOB_TOKEN"),
    "nul": (f"{TOKEN}\0", "CI_JOB_TOKEN"),
    "two": (f"{TOKEN}, {TOKEN}", "CI_JOB_TOKEN"),
    "slash": (f"{TOKEN}/x", "CI_JOB_TOKEN"),
    "not-ascii": (f"{TOKEN}\u00e9", "CI_JOB_TOKEN"),
    "full-width": ("glcbt-\uff11", "CI_JOB_TOKEN"),
    "lone-surrogate": ("glcbt-\ud800", "CI_JOB_TOKEN"),
    "longer-than-16-kib": ("glcbt-" + "A" * 16 * 1024, "CI_JOB_TOKEN"),
}


@pytest.mark.parametrize(("text", "advice"), NO_JOB_TOKENS.values(), ids=NO_JOB_TOKENS)
def test_what_does_not_look_like_a_job_token_is_shown_to_nobody(pages: Pages, text: str, advice: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        ask(pages.url, text)
    assert advice in caught.value.next_step
    assert pages.requests == []


@pytest.mark.parametrize("text", [TOKEN, "glcbt-eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "glcbt-" + "A" * (16 * 1024 - 6)])
def test_what_looks_like_a_job_token_is_asked_about(pages: Pages, text: str) -> None:
    assert ask(pages.url, text).project_path == PROJECT
    assert pages.headers[0]["job-token"] == text


# A GitLab that does not answer as one ----------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_job_that_gitlab_refuses_to_show_proves_nothing(pages: Pages, status: int) -> None:
    pages.say("/job", {"message": "no"}, status)
    with pytest.raises(NotAuthenticated):
        ask(pages.url, TOKEN)


JOB, PROJECT_3, TAG_PAGE = PATHS = ["/job", "/projects/3", f"/projects/3/repository/tags/{TAG}"]


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 429, 500, 502, 503])
@pytest.mark.parametrize("path", [JOB, TAG_PAGE])
def test_any_other_status_is_not_the_uploaders_fault(pages: Pages, path: str, status: int) -> None:
    pages.answers[path] = (status, b"" if status == 204 else pages.answers[path][1], {"Location": pages.url})
    with pytest.raises(IssuerUnavailable, match=str(status)):
        ask(pages.url, TOKEN)
    assert pages.requests[-1] == path


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize("path", [PROJECT_3, TAG_PAGE])
def test_a_public_page_that_gitlab_does_not_show_is_not_the_uploaders_fault(
    pages: Pages, path: str, status: int
) -> None:
    pages.say(path, {"message": "no"}, status)
    with pytest.raises(IssuerUnavailable):
        ask(pages.url, TOKEN)


JUNK: dict[str, bytes] = {
    "empty": b"",
    "html": b"<!doctype html><title>Checking your browser</title>",
    "list": b"[]",
    "null": b"null",
    "text": b'"running"',
    "empty-object": b"{}",
    "not-utf8": b'{"id": "\xff"}',
    "deep": b"[" * 100_000,
    "integer-with-5000-digits": b'{"id": ' + b"9" * 5000 + b"}",
    "longer-than-256-kib": b'{"id": 1}'.ljust(256 * 1024 + 1),
}


@pytest.mark.parametrize("body", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("path", PATHS)
def test_what_no_gitlab_says_is_not_the_uploaders_fault(pages: Pages, path: str, body: bytes) -> None:
    pages.say(path, body)
    with pytest.raises(IssuerUnavailable):
        ask(pages.url, TOKEN)


FIELDS = [
    *(f"job.{name}" for name in ("id", "status", "ref", "tag", "user", "commit", "pipeline", "user.username")),
    *(f"job.{name}" for name in ("commit.id", "pipeline.id", "pipeline.project_id", "pipeline.source", "pipeline.sha")),
    *("project.id", "project.path_with_namespace", "project.namespace", "project.namespace.id"),
    *("tag.name", "tag.commit", "tag.commit.id", "tag.protected"),
]


@pytest.mark.parametrize("value", [..., None, ["x"], 1.5, {}], ids=["missing", "null", "list", "float", "object"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_kind_is_not_the_uploaders_fault(gitlab: StandInGitLab, field: str, value: object) -> None:
    with pytest.raises(IssuerUnavailable):
        prove(gitlab, **{field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"job.id": "4711"},
        {"job.id": True},
        {"job.tag": "true"},
        {"job.tag": 1},
        {"tag.protected": "true"},
        {"tag.protected": 1},
        {"tag.name": "4.18.2"},
        {"project.id": 1666},
    ],
    ids=str,
)
def test_an_answer_to_another_question_is_none(gitlab: StandInGitLab, changes: dict[str, Any]) -> None:
    with pytest.raises(IssuerUnavailable):
        prove(gitlab, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"job.user.username": "m\x1b[2J"}, {"project.path_with_namespace": "GNOME/gtk\n"}, {"job.id": -1}],
    ids=str,
)
def test_text_that_no_gitlab_has_proves_nothing(gitlab: StandInGitLab, changes: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        prove(gitlab, **changes)


def test_a_gitlab_that_is_down_is_not_the_uploaders_fault(gitlab: StandInGitLab) -> None:
    gitlab.is_down = True
    try:
        with pytest.raises(IssuerUnavailable):
            prove(gitlab)
    finally:
        gitlab.is_down = False


def test_a_gitlab_that_does_not_listen_is_not_the_uploaders_fault() -> None:
    stopped = StandInGitLab()
    stopped.stop()
    with pytest.raises(IssuerUnavailable):
        ask(f"{stopped.issuer}/api/v4", TOKEN)


def test_no_error_carries_the_token(pages: Pages) -> None:
    """What httpx2 raises holds its request; so it must not come along as cause, context or text."""
    for status, body in ((500, b"{}"), (429, b"{}"), (200, TOKEN.encode()), (401, b"{}"), (302, b"")):
        pages.say("/job", body, status, Location=f"{pages.url}/{TOKEN}")
        with pytest.raises((IssuerUnavailable, NotAuthenticated)) as caught:
            ask(pages.url, TOKEN)
        assert TOKEN not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None


class Dripping:
    """A server that begins to answer at once and never ends; `most` is how many it had at once."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # until it is stopped
            while True:
                connection, _ = self._listener.accept()
                self._now += 1
                self.most = max(self.most, self._now)
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # until the other side has enough
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                connection.sendall(b" ")
                time.sleep(0.05)
        self._now -= 1

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    made = Dripping()
    yield made
    made.stop()


def test_sixteen_at_once_ask_and_others_wait(dripping: Dripping) -> None:
    async def main() -> None:
        tokens = JobTokens(GitLabApi(dripping.url), "https://gitlab.gnome.org")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.gather(*(tokens.prove(TOKEN) for _ in range(40)))

    asyncio.run(main())
    assert dripping.most == 16


def test_a_gitlab_that_does_not_end_is_not_the_uploaders_fault(
    dripping: Dripping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is for waiting, too: those who never had a turn are answered as soon."""
    monkeypatch.setattr(document, "DEADLINE_S", 0.5)

    async def main() -> list[object]:
        tokens = JobTokens(GitLabApi(dripping.url), "https://gitlab.gnome.org")
        return await asyncio.gather(*(tokens.prove(TOKEN) for _ in range(80)), return_exceptions=True)

    began = time.monotonic()
    assert {type(end) for end in asyncio.run(main())} == {IssuerUnavailable}
    assert time.monotonic() - began < 2


# Where it is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://gitlab.gnome.org/api/v4", "ftp://127.0.0.1/", "gitlab.gnome.org", "", "//x"])
def test_a_token_goes_over_https_or_stays_on_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        GitLabApi(url)


@pytest.mark.parametrize("url", ["https://gitlab.gnome.org/api/v4", "http://localhost:1/api/v4", "http://[::1]:1"])
def test_https_and_loopback_are_fit_for_a_token(url: str) -> None:
    GitLabApi(url)


def test_the_environments_proxy_is_not_asked(gitlab: StandInGitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert prove(gitlab).project_path == PROJECT


# Projects, for whoever registers one ------------------------------------------------------------


def test_a_project_is_found_by_its_path_and_by_its_id(gitlab: StandInGitLab) -> None:
    gitlab.job_token("GNOME/Incubator/app", "1.0", project_id=9)
    for name in ("GNOME/Incubator/app", "9"):
        assert project(f"{gitlab.issuer}/api/v4/", name) == Project("9", "8", "GNOME/Incubator/app")


@pytest.mark.parametrize("path", ["GNOME/none", "GNOME/none/..", "99", "GNOME/gtk?x=1", "GNOME/gtk/../../user"])
def test_a_project_that_nobody_sees_is_refused_with_advice(gitlab: StandInGitLab, path: str) -> None:
    with pytest.raises(Refused) as caught:
        project(f"{gitlab.issuer}/api/v4", path)
    assert re.search("path as in its address", caught.value.next_step)


def test_a_project_that_was_moved_is_refused(pages: Pages) -> None:
    pages.say("/projects/GNOME%2Fold", {}, 301, Location=f"{pages.url}/projects/3")
    with pytest.raises(Refused):
        project(pages.url, "GNOME/old")
    assert pages.requests == ["/projects/GNOME%2Fold"]


def test_a_project_has_one_spelling(pages: Pages) -> None:
    pages.answers["/projects/gnome%2FGTK"] = pages.answers["/projects/3"]
    with pytest.raises(Refused, match="spells gnome/GTK as GNOME/gtk"):
        project(pages.url, "gnome/GTK")
