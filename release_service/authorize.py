"""May this uploader publish this module?  Turns a proof into a `Grant`, or refuses.

The rules are DESIGN.md 6.  A project of a trusted namespace may claim the unclaimed module of
its own name; from then on the module is pinned to that project's ids.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from release_service.db import modules
from release_service.db.tables import Module, Publisher
from release_service.errors import NotAuthorized, ProjectMoved, TagNotProtected, TagSaysOtherVersion, shown
from release_service.identity.gitlab import GitLabJob
from release_service.tarball import TarballName


@dataclass(frozen=True, slots=True)
class Policy:
    """What this instance asks of a job; a sandbox asks for less."""

    trusted_namespaces: Collection[str]
    pipeline_sources: Collection[str]
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to publish one version of one module.  Only `authorize` makes one."""

    uploader: GitLabJob
    module: str
    version: str


def authorize(session: Session, job: GitLabJob, name: TarballName, policy: Policy) -> Grant:
    """Return the right of *job* to publish *name*; raises NotAuthorized or a kind of it."""
    for rule in RULES:
        rule(job, name, policy)
    module = modules.find(session, name.module)
    check_pin(modules.publishers(session, module), job, name, policy)
    return Grant(job, name.module, name.version.text)


def check_pin(pinned: Sequence[Publisher], job: GitLabJob, name: TarballName, policy: Policy) -> None:
    """Refuse *job* unless the module is pinned to its project, or is free for it to claim."""
    if not pinned:
        _check_claimable(job, name, policy)
        return
    # All of them first: a project made anew is registered beside the one that had its path.
    own = (job.project_id, job.namespace_id, job.project_path)
    if any((publisher.project_id, publisher.namespace_id, publisher.project_path) == own for publisher in pinned):
        return
    for publisher in pinned:
        same_path = publisher.project_path == job.project_path
        if publisher.project_id == job.project_id:
            raise ProjectMoved(
                f"Project {job.project_id} was registered as {publisher.project_path}, and is "
                f"{shown(job.project_path)} now.",
                remedy="If the project was moved or renamed, ask the release team to confirm its new path.",
            )
        if same_path:
            raise ProjectMoved(
                f"{publisher.project_path} was registered as project {publisher.project_id}; this job runs in "
                f"another project ({shown(job.project_id)}) of the same path.",
                remedy="If the project was deleted and made anew, ask the release team to register it again.",
            )
    paths = ", ".join(publisher.project_path for publisher in pinned)
    raise NotAuthorized(f"{name.module} is published by {paths}; this job runs in {shown(job.project_path)}.")


def _check_claimable(job: GitLabJob, name: TarballName, policy: Policy) -> None:
    if job.project_path in {f"{namespace}/{name.module}" for namespace in policy.trusted_namespaces}:
        return
    raise NotAuthorized(
        f"{name.module} has no registered project, and {shown(job.project_path)} is not the project of that "
        f"name in {' or '.join(policy.trusted_namespaces)}."
    )


def it_runs_for_a_protected_tag(job: GitLabJob, _name: TarballName, policy: Policy) -> None:
    """Who may make the ref is what `protected` is about; a sandbox does not ask."""
    if policy.sandbox:
        return
    ref = shown(job.claims["ref"])
    if job.claims["ref_type"] != "tag":
        raise TagNotProtected(f"The job runs for the {shown(job.claims['ref_type'])} {ref}, not for a tag.")
    if job.claims.get("ref_protected") != "true":  # text, not a boolean
        raise TagNotProtected(f"The tag {ref} is not protected.")
    if job.claims.get("ref_path") != f"refs/tags/{job.claims['ref']}":
        raise TagNotProtected(f"The token's ref_path is not that of the tag {ref}.")


def it_was_pushed(job: GitLabJob, _name: TarballName, policy: Policy) -> None:
    """No merge request, schedule or trigger: others than the tag's pusher start those."""
    source = job.claims["pipeline_source"]
    if not policy.sandbox and source not in policy.pipeline_sources:
        raise NotAuthorized(
            f"The pipeline was started by {shown(source)!r}; accepted: {', '.join(policy.pipeline_sources)}.",
            remedy="Push the tag, and let the pipeline that the push starts upload the tarball.",
        )


def it_runs_in_its_own_project(job: GitLabJob, _name: TarballName, _policy: Policy) -> None:
    """In a fork's merge request project_* is the fork's and job_project_* the runner's (GitLab >= 18.3)."""
    if job.claims.get("job_project_id", job.project_id) != job.project_id:
        raise NotAuthorized("The job runs in another project than the one it speaks for: a fork's merge request.")


def it_is_configured_by_its_own_project(job: GitLabJob, _name: TarballName, policy: Policy) -> None:
    """Where the token says whose .gitlab-ci.yml it was, it is this project's at this ref."""
    uri = job.claims.get("ci_config_ref_uri")
    if uri is None or policy.sandbox:
        return
    own = f"{job.project_path}//.gitlab-ci.yml@{job.claims.get('ref_path')}"
    if uri.partition("/")[2] != own:
        raise NotAuthorized(f"The pipeline's configuration is {shown(uri)}, not the project's own at this tag.")


def its_user_is_a_maintainer(job: GitLabJob, _name: TarballName, policy: Policy) -> None:
    """Where the token says the user's access level, it is maintainer or owner."""
    level = job.claims.get("user_access_level", "maintainer")
    if not policy.sandbox and level not in {"maintainer", "owner"}:
        raise NotAuthorized(
            f"The pipeline was started by a {shown(level)} of the project.",
            remedy="Let a maintainer of the project push the tag, or start the pipeline again.",
        )


def the_tag_says_the_version(job: GitLabJob, name: TarballName, _policy: Policy) -> None:
    """`48.1`, `v48.1`, `gtk-48.1` or `GTK_48_1`; only tags are asked."""
    tag = job.claims["ref"]
    if job.claims["ref_type"] == "tag" and tag not in _tags(name):
        raise TagSaysOtherVersion(f"The tag is {shown(tag)}, the tarball says {name.version}.")


def _tags(name: TarballName) -> frozenset[str]:
    version = name.version.text
    old_style = re.sub(r"[^A-Z0-9]", "_", f"{name.module}-{version}".upper())
    return frozenset({version, f"v{version}", name.release, old_style})


# Cheap before costly; none of these looks at the database.
RULES = (
    it_runs_for_a_protected_tag,
    it_was_pushed,
    it_runs_in_its_own_project,
    it_is_configured_by_its_own_project,
    its_user_is_a_maintainer,
    the_tag_says_the_version,
)


def pin(session: Session, grant: Grant, policy: Policy, name: TarballName, now: datetime) -> Module:
    """Pin the grant's module to its project, in the claim's transaction; return the module.

    Two projects may have been free to claim it a moment ago: the first one has it now, and the
    other is refused here (NotAuthorized).
    """
    module = modules.ensure(session, grant.module, now)
    modules.lock(session, module)
    job = grant.uploader
    check_pin(modules.publishers(session, module), job, name, policy)
    modules.pin(
        session, module, now, project_id=job.project_id, namespace_id=job.namespace_id, project_path=job.project_path
    )
    return module
