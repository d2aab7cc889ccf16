"""The rules for CI jobs (DESIGN.md 6): which project, which ref, started by whom.

A project of a trusted namespace may claim the unclaimed module of its own name; from then on the
module is pinned to that project's ids.
"""

import re
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from release_service.authorize.question import Question
from release_service.db import modules
from release_service.db.tables import Module, Publisher
from release_service.errors import (
    AccessLevelTooLow,
    EnvironmentDiffers,
    ForeignConfiguration,
    ForkPipeline,
    NotAuthorized,
    PipelineSourceNotAccepted,
    ProjectMoved,
    ProjectRecreated,
    TagNotProtected,
    TagSaysOtherVersion,
    shown,
)
from release_service.identity.gitlab import GitLabJob

log = structlog.get_logger()
Asked = Question[GitLabJob]

# What a module's tag pattern may hold once in each word: 48.1 as 48.1, 48_1 or 48-1.
PLACES = {"{version}": ".", "{version_}": "_", "{version-}": "-"}


def it_runs_for_a_protected_tag(question: Asked) -> None:
    """Who may make the ref is what `protected` is about; a sandbox does not ask."""
    if question.policy.sandbox:
        return
    job = question.uploader
    ref = shown(job.claims["ref"])
    if job.claims["ref_type"] != "tag":
        raise TagNotProtected(
            f"The job runs for the {shown(job.claims['ref_type'])} {ref}, not for a tag.",
            remedy="Upload from the pipeline of a tag; protect `*.*` in Settings > Repository > Protected tags first.",
        )
    if job.claims.get("ref_protected") != "true":  # text, not a boolean
        raise TagNotProtected(f"The tag {ref} is not protected.")
    if job.claims.get("ref_path") != f"refs/tags/{job.claims['ref']}":
        raise TagNotProtected(f"The token's ref_path is not that of the tag {ref}.")


def it_was_pushed(question: Asked) -> None:
    """No merge request, schedule or trigger: others than the tag's pusher start those."""
    source, accepted = question.uploader.claims["pipeline_source"], question.policy.pipeline_sources
    if not question.policy.sandbox and source not in accepted:
        raise PipelineSourceNotAccepted(
            f"The pipeline was started by {shown(source)!r}; accepted: {', '.join(accepted)}."
        )


def it_runs_in_its_own_project(question: Asked) -> None:
    """In a fork's merge request project_* is the fork's and job_project_* the runner's (GitLab >= 18.3)."""
    job = question.uploader
    if job.claims.get("job_project_id", job.project_id) != job.project_id:
        raise ForkPipeline("The token speaks for one project, and its job runs in another: a fork's merge request.")


def it_is_configured_by_its_own_project(question: Asked) -> None:
    """Where the token says whose .gitlab-ci.yml it was, it is this project's at this ref."""
    job = question.uploader
    uri = job.claims.get("ci_config_ref_uri")
    if uri is None or question.policy.sandbox:
        return
    own = f"{job.project_path}//.gitlab-ci.yml@{job.claims.get('ref_path')}"
    if uri.partition("/")[2] != own:
        raise ForeignConfiguration(f"The pipeline's configuration is {shown(uri)}, not the project's own at this tag.")


def its_user_is_a_maintainer(question: Asked) -> None:
    """Where the token says the user's access level, it is maintainer or owner."""
    level = question.uploader.claims.get("user_access_level", "maintainer")
    if not question.policy.sandbox and level not in {"maintainer", "owner"}:
        raise AccessLevelTooLow(f"The pipeline was started by a {shown(level)} of the project.")


def the_tag_says_the_version(question: Asked) -> None:
    """`48.1`, `v48.1`, `gtk-48.1` or `GTK_48_1`, or the module's own pattern; only tags are asked."""
    claims = question.uploader.claims
    accepted = _tags(question)
    if claims["ref_type"] == "tag" and claims["ref"] not in accepted:
        raise TagSaysOtherVersion(
            f"The tag is {shown(claims['ref'])}, the tarball says {question.tarball.version}; "
            f"accepted: {', '.join(accepted)}."
        )


def _tags(question: Asked) -> list[str]:
    """Return the tags that say this version, the usual one first."""
    version, registered = question.tarball.version.text, question.registered
    if registered.home is not None and registered.home.tag_pattern:
        return [_filled(word, version) for word in registered.home.tag_pattern.split()]
    names = dict.fromkeys((question.tarball.module, registered.home_name))
    old_style = [re.sub(r"[^A-Z0-9]", "_", f"{name}-{version}".upper()) for name in names]
    return [version, f"v{version}", *(f"{name}-{version}" for name in names), *old_style]


def _filled(word: str, version: str) -> str:
    for place, separator in PLACES.items():
        word = word.replace(place, version.replace(".", separator))
    return word


def the_module_is_its_projects(question: Asked) -> None:
    """Pinned to the job's project, or free for it to claim."""
    pinned, job = question.registered.publishers, question.uploader
    if not pinned:
        _check_claimable(question)
        return
    # All of them first: a project made anew is registered beside the one that had its path.
    own = (job.project_id, job.namespace_id, job.project_path)
    for publisher in pinned:
        if (publisher.project_id, publisher.namespace_id, publisher.project_path) == own:
            _check_environment(publisher, job)
            return
    for publisher in pinned:
        _compare(publisher, job)
    paths = ", ".join(publisher.project_path for publisher in pinned)
    raise NotAuthorized(
        f"{question.registered.home_name} is published by {paths}; this job runs in {shown(job.project_path)}."
    )


def _check_claimable(question: Asked) -> None:
    path, module = question.uploader.project_path, question.registered.home_name
    namespaces = question.policy.trusted_namespaces
    if path not in {f"{namespace}/{module}" for namespace in namespaces}:
        raise NotAuthorized(
            f"{module} has no registered project, and {shown(path)} is not the project of that "
            f"name in {' or '.join(namespaces)}."
        )
    if not question.registered.is_claimable:
        raise NotAuthorized(f"{module} was taken from the project that had it: no other may claim it unasked.")


def _check_environment(publisher: Publisher, job: GitLabJob) -> None:
    if publisher.environment and job.claims.get("environment") != publisher.environment:
        raise EnvironmentDiffers(
            f"{publisher.project_path} publishes from the environment {shown(publisher.environment)}; "
            f"this job names {shown(job.claims.get('environment') or 'none')}."
        )


def _compare(publisher: Publisher, job: GitLabJob) -> None:
    """Say what is wrong where it is nearly the registered project."""
    if publisher.project_id == job.project_id:
        raise ProjectMoved(
            f"Project {job.project_id} was registered as {publisher.project_path} (namespace "
            f"{publisher.namespace_id}), and is {shown(job.project_path)} (namespace {shown(job.namespace_id)}) now."
        )
    if publisher.project_path == job.project_path:
        # Somebody may have taken a name that became free (threat T10): people should look.
        log.error("project_recreated", project_path=publisher.project_path, project_id=shown(job.project_id))
        raise ProjectRecreated(
            f"{publisher.project_path} was registered as project {publisher.project_id}; this job runs in "
            f"another project ({shown(job.project_id)}) of the same path."
        )


OF_THE_UPLOADER = (
    it_runs_for_a_protected_tag,
    it_was_pushed,
    it_runs_in_its_own_project,
    it_is_configured_by_its_own_project,
    its_user_is_a_maintainer,
)
OF_THE_NAME = (the_tag_says_the_version, the_module_is_its_projects)


def pin(session: Session, home: Module, job: GitLabJob, now: datetime) -> bool:
    """Pin *home* to the job's project; return whether that is new."""
    return modules.pin(
        session, home, now, project_id=job.project_id, namespace_id=job.namespace_id, project_path=job.project_path
    )
