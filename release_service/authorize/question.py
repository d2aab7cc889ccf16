"""What the rules are asked about: who, what, under which policy, and what the registry knows."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from release_service.db.modules import Registered
from release_service.errors import Blocked, SignatureRequired, shown
from release_service.identity import Uploader
from release_service.tarball import TarballName

OPTIONAL, REQUIRED = "optional", "required"
Who_co = TypeVar("Who_co", bound=Uploader, covariant=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """What this instance asks of an uploader; a sandbox asks for less.

    Groups are the SSO's exact names; `signatures` is ``optional`` or ``required``, where a module
    does not say.
    """

    trusted_namespaces: Collection[str]
    pipeline_sources: Collection[str]
    sandbox: bool
    release_team_group: str = "release-team"
    admin_group: str = "sysadmin"
    signatures: str = OPTIONAL


@dataclass(frozen=True, slots=True)
class Question(Generic[Who_co]):
    """One uploader, one tarball.  `name` is None where only the uploader is asked about.

    `is_signed` is None while nobody knows: a signature may come after the tarball.
    """

    uploader: Who_co
    name: TarballName | None
    policy: Policy
    registered: Registered
    is_signed: bool | None = False

    @property
    def tarball(self) -> TarballName:
        """The tarball, for rules that are only asked when there is a name."""
        assert self.name is not None  # noqa: S101 - see OF_THE_NAME
        return self.name


def it_is_not_blocked(question: Question[Uploader]) -> None:
    """No administrator has blocked the module, or this uploader, for it or for all."""
    who = question.uploader
    for block in question.registered.blocks:
        if (block.issuer, block.subject) in {("", ""), (who.issuer, who.subject)}:
            what = question.registered.home_name if not block.subject else f"You ({shown(who.login or who.subject)})"
            raise Blocked(f"{what} was blocked on {block.created_at:%Y-%m-%d}: {shown(block.reason, 400)}")


def it_may_come_unsigned(question: Question[Uploader]) -> None:
    """Neither the module's policy nor the instance's demands a signature, unless one came along."""
    if question.is_signed is not False:
        return
    home = question.registered.home
    if ((home and home.signatures) or question.policy.signatures) == REQUIRED:
        raise SignatureRequired(f"The signature policy of {question.registered.home_name} is: {REQUIRED}.")
