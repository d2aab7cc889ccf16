"""The part of GitLab's API that a CI_JOB_TOKEN is proven with, for jobs that are made up here.  Loopback only."""

import itertools
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SHA = "714a629c0b401fdce83e847fc9589983fc6f46bc"
_PREFIX = "/api/v4"

Document = dict[str, Any]


class StandInApi:
    """What GitLab says of its jobs, projects and tags; `asked` are the paths and the job tokens that came along."""

    def __init__(self) -> None:
        """Know no job yet."""
        self.asked: list[tuple[str, str | None]] = []
        self._jobs: dict[str, Document] = {}
        self._public: dict[str, Document] = {}
        self._job_ids = itertools.count(5000)

    def add(self, project: str, tag: str, project_id: int, changes: Mapping[str, Any]) -> str:
        """Let a job of *project* run for *tag*; return its CI_JOB_TOKEN.

        *changes* replace fields by name: ``job.status``, ``job.pipeline.source``, ``project.namespace.id``,
        ``tag.protected``; an ellipsis (...) takes the field away.
        """
        said = {
            "job": _job(next(self._job_ids), tag, project_id),
            "project": _project(project, project_id),
            "tag": {"name": tag, "target": SHA, "commit": {"id": SHA}, "protected": True},
        }
        for field, value in changes.items():
            _change(said, field.split("."), value)
        token = f"glcbt-64_{uuid.uuid4().hex}"
        self._jobs[token] = said["job"]
        self._public[f"/projects/{project_id}"] = said["project"]
        self._public[f"/projects/{quote(project, safe='')}"] = said["project"]
        self._public[f"/projects/{project_id}/repository/tags/{quote(tag, safe='')}"] = said["tag"]
        return token

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, object]:
        """Return the status and the document that a GET of *path* is answered with."""
        token = headers.get("job-token")
        resource = path.removeprefix(_PREFIX)
        self.asked.append((resource, token))
        if resource == "/job":
            found = self._jobs.get(token or "")
            return (200, found) if found else (401, {"message": "401 Unauthorized"})
        document = self._public.get(resource)
        return (200, document) if document else (404, {"message": "404 Not Found"})


def _job(job_id: int, tag: str, project_id: int) -> Document:
    return {
        "id": job_id,
        "status": "running",
        "stage": "deploy",
        "name": "release-service",
        "ref": tag,
        "tag": True,
        "user": {"id": 42, "username": "mclasen", "name": "Matthias"},
        "commit": {"id": SHA, "short_id": SHA[:8]},
        "pipeline": {
            "id": 1212,
            "project_id": project_id,
            "ref": tag,
            "sha": SHA,
            "status": "running",
            "source": "push",
        },
        "artifacts": [],
        "finished_at": None,
    }


def _project(path: str, project_id: int) -> Document:
    namespace = path.rpartition("/")[0]
    return {
        "id": project_id,
        "path_with_namespace": path,
        "visibility": "public",
        "namespace": {"id": 8, "full_path": namespace, "kind": "group"},
    }


def _change(document: Document, names: list[str], value: Any) -> None:
    *above, last = names
    for name in above:
        document = document[name]
    if value is ...:
        del document[last]
    else:
        document[last] = value
