"""Who sends it, and whether they may."""

from release_service.errors.base import Refused


class NotAuthenticated(Refused):
    """No token, or one that proves nothing."""

    code = "not_authenticated"
    title = "The token is missing or not valid"
    remedy = "In GitLab CI, ask for a fresh one in the job: id_tokens: {NAME: {aud: gnome-release-service}}."


class TokenExpired(NotAuthenticated):
    """The token was good once."""

    code = "token_expired"
    title = "The token has expired"
    remedy = "Retry the job: GitLab gives each job a fresh token."


class TokenExpiresSoon(TokenExpired):
    """Only `check` says so, as a warning: the token is good now."""

    code = "token_expires_soon"
    title = "The token expires soon"
    remedy = "Let the job upload at once, or give it a longer timeout: a GitLab token lives as long as its job may."


class NotAuthorized(Refused):
    """Known, but may not do this."""

    code = "not_authorized"
    title = "You may not publish this module"
    remedy = "Ask the release team to register your project for this module."


class NotMaintainer(NotAuthorized):
    """A person who is neither a maintainer of the module nor of the release team."""

    code = "not_a_maintainer"
    title = "You are not a maintainer of this module"
    remedy = "Ask one of its maintainers, or the release team, to add you."


class MayNotManage(NotAuthorized):
    """Who may change what is published here, and by whom, are others."""

    code = "may_not_manage"
    title = "You may not change this"
    remedy = "Ask an administrator of the release service."


class MayNotConsent(MayNotManage):
    """A key is consented to by somebody else than its owner, both having maintained a module together for a while."""

    code = "may_not_consent"
    title = "You may not consent to this key"
    remedy = "Let another maintainer of one of its owner's modules consent, or wait until the key may sign by itself."


class ModuleNotRegistered(NotAuthorized):
    """Nobody may publish it, because it is not known."""

    code = "module_not_registered"
    title = "There is no module of this name"
    remedy = "Look at the spelling; a new module is registered by an administrator: ask the release team."


class Blocked(NotAuthorized):
    """The module, the project or the person is blocked: by an administrator, or a project by a maintainer."""

    code = "blocked"
    title = "This is blocked"
    remedy = "Ask a maintainer of the module, or the release team, what has to happen first."


class TagNotProtected(NotAuthorized):
    """The job's ref is not a protected tag (CONTRACT.md 1: the one rule known to be enforced)."""

    code = "tag_not_protected"
    title = "The job does not run for a protected tag"
    remedy = "Protect `*.*` in Settings > Repository > Protected tags; then delete the tag, and push it again."


class PipelineSourceNotAccepted(NotAuthorized):
    """A merge request, a schedule, a trigger: others than the tag's pusher start those."""

    code = "pipeline_source_not_accepted"
    title = "The pipeline was not started by pushing the tag"
    remedy = "Push the tag, and let the pipeline that the push starts upload the tarball."


class ForkPipeline(NotAuthorized):
    """The job runs in another project than the one that its token speaks for."""

    code = "fork_pipeline"
    title = "The job runs in another project than the one it speaks for"
    remedy = "Push the tag to the project itself; a fork's merge request cannot publish."


class ForeignConfiguration(NotAuthorized):
    """The pipeline's configuration is not the project's own at the tag."""

    code = "foreign_ci_configuration"
    title = "The pipeline is not configured by the project itself"
    remedy = "Let the tag's own .gitlab-ci.yml start the upload (it may include components)."


class AccessLevelTooLow(NotAuthorized):
    """Whoever started the pipeline is neither maintainer nor owner of the project."""

    code = "access_level_too_low"
    title = "The pipeline was not started by a maintainer of the project"
    remedy = "Let a maintainer of the project push the tag, or start the pipeline again."


class TagSaysOtherVersion(NotAuthorized):
    """The tag and the file name disagree."""

    code = "tag_says_other_version"
    title = "The tag does not say this version"
    remedy = "Tag the commit with the version that the tarball carries, and let its pipeline upload it."


class EnvironmentDiffers(NotAuthorized):
    """The registration demands a deployment environment that the job does not name."""

    code = "environment_differs"
    title = "The job does not run in the environment that is registered"
    remedy = "Give the job that environment in .gitlab-ci.yml, or ask a maintainer to change the registration."


class ProjectMoved(NotAuthorized):
    """The same project, by its id, under another path or in another namespace."""

    code = "project_moved"
    title = "The project was moved since it was registered"
    remedy = "A maintainer of the module, or the release team, must confirm the project's new path."


class ProjectRecreated(NotAuthorized):
    """Another project under the path of the one that is registered: an alarm."""

    code = "project_recreated"
    title = "The module is pinned to another project that had this path"
    remedy = "If you deleted the project and made it anew, tell the release team: they must register it again."


class TagMoved(NotAuthorized):
    """GitLab says now that the tag is gone, or names another commit than the job's."""

    code = "tag_moved"
    title = "The tag does not name the job's commit any more"
    remedy = "A tag never moves: make a new version, push its tag, and let its own pipeline upload the tarball."


class TokenAlreadyUsed(NotAuthorized):
    """One token publishes one tarball."""

    code = "token_already_used"
    title = "This token has published something else already"
    remedy = "Use one CI job for each tarball: every job has a token of its own."


class TooManyRequests(Refused):
    """More than the limit, by this uploader or from this address, in all replicas together."""

    code = "too_many_requests"
    title = "That is more than one uploader may ask at once"
    remedy = "Wait as long as Retry-After says, then go on; nothing of this request was kept."

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        """Keep *detail*; *retry_after_s* (seconds) becomes the Retry-After header."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s
