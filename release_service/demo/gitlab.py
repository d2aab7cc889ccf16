"""A stand-in for gitlab.gnome.org that signs ID tokens with GitLab's claims.  Loopback only."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from release_service.demo.gitlab_api import SHA, StandInApi
from release_service.demo.issuer import Claims, StandInIssuer, changed

_HOUR_S = 3600


class StandInGitLab(StandInIssuer):
    """A GitLab that issues ID tokens and CI_JOB_TOKENs for jobs that need not exist."""

    def __init__(self) -> None:
        """Listen on a free loopback port at once."""
        self.api = StandInApi()
        super().__init__()

    def claims(self, project: str, tag: str, **changes: Any) -> Claims:
        """Return what GitLab says of a job of *project* for the protected tag *tag*.

        *changes* replace claims; an ellipsis (...) takes one away.
        """
        now = int(time.time())
        namespace = project.rpartition("/")[0]
        project_id = changes.get("project_id", "1665")
        claims = {
            "iss": self.issuer,
            "aud": "gnome-release-service",
            "sub": f"project_path:{project}:ref_type:tag:ref:{tag}",
            "iat": now,
            "nbf": now - 5,
            "exp": now + _HOUR_S,
            "jti": str(uuid.uuid4()),
            "namespace_id": "8",
            "namespace_path": namespace,
            "project_id": project_id,
            "project_path": project,
            "project_visibility": "public",
            "job_project_id": project_id,
            "job_project_path": project,
            "user_id": "42",
            "user_login": "mclasen",
            "user_email": "mclasen@gnome.example",
            "user_access_level": "maintainer",
            "pipeline_id": "1212",
            "pipeline_source": "push",
            "job_id": "4711",
            "ref": tag,
            "ref_type": "tag",
            "ref_path": f"refs/tags/{tag}",
            "ref_protected": "true",
            "sha": SHA,
            "runner_id": 1,
            "runner_environment": "self-hosted",
            "ci_config_ref_uri": f"gitlab.gnome.org/{project}//.gitlab-ci.yml@refs/tags/{tag}",
            "ci_config_sha": SHA,
        }
        return changed(claims, changes)

    def token(self, project: str, tag: str, **changes: Any) -> str:
        """Return a signed ID token; the arguments are those of `claims`."""
        return self.sign(self.claims(project, tag, **changes))

    def job_token(self, project: str, tag: str, *, project_id: int = 1665, **changes: Any) -> str:
        """Return the CI_JOB_TOKEN of a running job; *changes* are those of `StandInApi.add`."""
        return self.api.add(project, tag, project_id, changes)

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, object]:
        """Return the status and the document that a GET of *path* is answered with."""
        return self.api.answer(path, headers) if path.startswith("/api/v4/") else super().answer(path, headers)
