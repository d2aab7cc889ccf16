"""Three questions to a GitLab's API: whose job is this, which project is that, which commit has the tag.

Only the first carries the job's token.  The others ask for what everybody may see, so a token
never goes further than it must.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2

from release_service.errors import IssuerUnavailable, NotAuthenticated, Refused, TagMoved, shown
from release_service.identity import document
from release_service.identity.document import OtherStatus

_AT_ONCE = 16
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_UNKNOWN_TOKEN = frozenset({401, 403, 404})
_NOT_FOUND = 404
_NO_SUCH_PROJECT = frozenset({301, 302, 307, 308, _NOT_FOUND})  # a project that was moved is a redirect
_SPELL_IT = "Give the path as in its address, GNOME/gtk, of a project that everybody can see."


@dataclass(frozen=True, slots=True)
class Project:
    """A public project: its path may be given to another, its ids may not."""

    project_id: str
    namespace_id: str
    path: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as GitLab tells of it; `commit` is what was checked out, `pipeline_commit` what the pipeline is for."""

    job_id: str
    status: str
    ref: str
    is_tag: bool
    login: str
    commit: str
    project_id: str
    pipeline_id: str
    pipeline_source: str
    pipeline_commit: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, the commit that it names now, and whether only some may make it."""

    commit: str
    is_protected: bool


class Conversation:
    """A few questions over one connection.  Raises IssuerUnavailable whatever goes wrong in between."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        """Ask at *url* by *http*."""
        self._http = http
        self._url = url

    async def job(self, token: str) -> Job:
        """Return the job whose CI_JOB_TOKEN is *token*; raises NotAuthenticated if GitLab knows none."""
        try:
            said = await self._get("/job", {"JOB-TOKEN": token})
        except OtherStatus as other:
            if other.status in _UNKNOWN_TOKEN:
                raise NotAuthenticated(
                    "GitLab knows no running job of this token.", remedy="Send it while its own job runs."
                ) from None
            raise
        pipeline = _member(said, "pipeline", dict)
        return Job(
            job_id=_id(said),
            status=_member(said, "status", str),
            ref=_member(said, "ref", str),
            is_tag=_member(said, "tag", bool),
            login=_member(_member(said, "user", dict), "username", str),
            commit=_member(_member(said, "commit", dict), "id", str),
            project_id=_id(pipeline, "project_id"),
            pipeline_id=_id(pipeline),
            pipeline_source=_member(pipeline, "source", str),
            pipeline_commit=_member(pipeline, "sha", str),
        )

    async def project(self, path_or_id: str) -> Project:
        """Return the project *path_or_id*; raises Refused if the public sees none of exactly that name."""
        try:
            said = await self._get(f"/projects/{_quoted(path_or_id)}")
        except OtherStatus as other:
            if other.status in _NO_SUCH_PROJECT:
                raise Refused(f"GitLab shows no project {shown(path_or_id)} to the public.", remedy=_SPELL_IT) from None
            raise
        namespace = _member(said, "namespace", dict)
        project = Project(_id(said), _id(namespace), _member(said, "path_with_namespace", str))
        if path_or_id.isdecimal() and path_or_id != project.project_id:
            raise ValueError("another project than was asked for")
        if not path_or_id.isdecimal() and path_or_id != project.path:
            raise Refused(f"GitLab spells {shown(path_or_id)} as {shown(project.path)}.", remedy=_SPELL_IT)
        return project

    async def tag(self, project_id: str, name: str) -> Tag:
        """Return the tag *name* of the project; raises TagMoved if it is gone."""
        try:
            said = await self._get(f"/projects/{_quoted(project_id)}/repository/tags/{_quoted(name)}")
        except OtherStatus as other:
            if other.status == _NOT_FOUND:
                raise TagMoved(f"The tag {shown(name)} is not there any more.") from None
            raise
        if _member(said, "name", str) != name:
            raise ValueError("another tag than was asked for")
        return Tag(_member(_member(said, "commit", dict), "id", str), _member(said, "protected", bool))

    async def _get(self, path: str, headers: Mapping[str, str] | None = None) -> document.Object:
        return await document.get(self._http, self._url + path, headers)


class GitLabApi:
    """The API of one GitLab, https or on loopback; at most sixteen talk with it at once."""

    def __init__(self, url: str) -> None:
        """Ask at *url*, for example ``https://gitlab.gnome.org/api/v4``; raises ValueError if it is not fit."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("GitLab's API is https, or http on a loopback address")
        self._url = url.rstrip("/")
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Conversation]:
        """Wait for a turn and talk, for ten seconds in all; raises IssuerUnavailable if GitLab cannot be asked."""
        try:
            async with asyncio.timeout(document.DEADLINE_S), self._turns, document.client() as http:
                yield Conversation(http, self._url)
        except document.FAILURES as failure:
            # From None: what httpx2 raises carries its request, and that the token.
            kind = f"status {failure.status}" if isinstance(failure, OtherStatus) else type(failure).__name__
            raise IssuerUnavailable(f"{self._url} does not answer as a GitLab does ({kind}).") from None

    async def project(self, path_or_id: str) -> Project:
        """Return the public project *path_or_id*.

        Raises Refused if there is none that everybody can see, IssuerUnavailable if GitLab cannot be asked.
        """
        async with self.conversation() as gitlab:
            return await gitlab.project(path_or_id)


Kind = TypeVar("Kind")


def _member(said: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    value = said[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is no {kind.__name__}")
    return value


def _id(said: Mapping[str, Any], name: str = "id") -> str:
    return str(_member(said, name, int))


def _quoted(text: str) -> str:
    if text in {"", ".", ".."}:  # a path's own words; quoting leaves them as they are
        raise ValueError("no name")
    return quote(text, safe="")
