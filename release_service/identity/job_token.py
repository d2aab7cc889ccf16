"""The proof by a CI_JOB_TOKEN (header JOB-TOKEN): GitLab itself is asked whose it is.

An ID token is better: this one is a credential of the job that opens other doors, too.  So it is
never stored and never logged, and nothing is sent anywhere that does not look like one.
"""

import re

from release_service.errors import NotAuthenticated, NotAuthorized, Refused, TagMoved, shown
from release_service.identity.gitlab import GitLabJob, job_of
from release_service.identity.gitlab_api import Conversation, GitLabApi, Job, Project
from release_service.identity.token import MAX_TOKEN_BYTES

_FORM = re.compile(r"glcbt-[A-Za-z0-9_.=-]+")
_REMEDY = "Send the job's own CI_JOB_TOKEN (glcbt-...) in this header, while the job runs."
# What else is sent here by mistake, and what to do with it.
_OTHERS = {
    "eyJ": "It looks like an ID token: send it as 'Authorization: Bearer <token>'.",
    "glpat-": "It looks like a personal access token: revoke it, and send the job's own CI_JOB_TOKEN.",
}


class JobTokens:
    """CI_JOB_TOKENs of one GitLab, as proofs of the jobs that hold them."""

    def __init__(self, api: GitLabApi, issuer: str) -> None:
        """Ask *api*; *issuer* is what the ID tokens of the same GitLab call it."""
        self._api = api
        self._issuer = issuer

    async def prove(self, text: str) -> GitLabJob:
        """Return the running job whose CI_JOB_TOKEN is *text*; its claims are those that its ID token would have.

        Raises NotAuthenticated, NotAuthorized; IssuerUnavailable when GitLab cannot be asked.
        """
        _check_form(text)
        async with self._api.conversation() as gitlab:
            job = await gitlab.job(text)
            if job.status != "running":
                raise NotAuthenticated(f"The token's job does not run: it is {shown(job.status)}.", remedy=_REMEDY)
            project = await _project(gitlab, job)
            is_protected = await _is_protected(gitlab, job)
        claims = _claims(job, project, is_protected=is_protected)
        return job_of("gitlab-job-token", self._issuer, f"job:{job.job_id}", claims)


def _check_form(text: str) -> None:
    """Refuse what is no job token before anybody is asked: it may be a secret of another kind."""
    if len(text) <= MAX_TOKEN_BYTES and _FORM.fullmatch(text):
        return
    remedy = next((advice for start, advice in _OTHERS.items() if text.startswith(start)), _REMEDY)
    raise NotAuthenticated("The header JOB-TOKEN holds no CI_JOB_TOKEN.", remedy=remedy)


async def _project(gitlab: Conversation, job: Job) -> Project:
    try:
        return await gitlab.project(job.project_id)
    except Refused as unseen:
        remedy = "A job token proves jobs of public projects only; send an ID token instead (id_tokens)."
        raise NotAuthorized(unseen.detail, remedy=remedy) from None


async def _is_protected(gitlab: Conversation, job: Job) -> bool:
    """Say whether the job's ref is a protected tag; raises TagMoved unless all name one commit."""
    commits = {job.commit, job.pipeline_commit}
    tag = await gitlab.tag(job.project_id, job.ref) if job.is_tag else None
    if tag is not None:
        commits.add(tag.commit)
    if len(commits) != 1:
        raise TagMoved(f"The job, its pipeline and {shown(job.ref)} name different commits.")
    return tag is not None and tag.is_protected


def _claims(job: Job, project: Project, *, is_protected: bool) -> dict[str, str]:
    """Return what the job's ID token would say, in the same words (text, even for a boolean)."""
    return {
        "project_id": project.project_id,
        "project_path": project.path,
        "namespace_id": project.namespace_id,
        "job_id": job.job_id,
        "pipeline_id": job.pipeline_id,
        "pipeline_source": job.pipeline_source,
        "user_login": job.login,
        "sha": job.commit,
        "ref": job.ref,
        "ref_type": "tag" if job.is_tag else "branch",
        "ref_path": f"refs/{'tags' if job.is_tag else 'heads'}/{job.ref}",
        "ref_protected": "true" if is_protected else "false",
    }
