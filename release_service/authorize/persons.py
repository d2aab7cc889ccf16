"""The rules for persons: a maintainer of the module, or a member of the release team."""

from release_service.authorize.question import Policy, Question
from release_service.errors import ModuleNotRegistered, NotMaintainer, shown
from release_service.identity.sso import Person

RELEASE_TEAM, ADMINISTRATOR = "release-team", "administrator"


def roles(person: Person, policy: Policy) -> frozenset[str]:
    """Return the roles that the SSO's groups give to *person*: RELEASE_TEAM, ADMINISTRATOR."""
    groups = {RELEASE_TEAM: policy.release_team_group, ADMINISTRATOR: policy.admin_group}
    return frozenset(role for role, group in groups.items() if group in person.groups)


def the_module_is_registered(question: Question[Person]) -> None:
    """Known, that is: a misspelt name must not become a module.  Only a project of the same name may claim one."""
    if question.registered.home is None:
        raise ModuleNotRegistered(f"{question.tarball.module} is not registered.")


def they_may_publish_it(question: Question[Person]) -> None:
    """Maintainers are (issuer, subject), never a name."""
    person, registered = question.uploader, question.registered
    if RELEASE_TEAM in roles(person, question.policy) or registered.is_maintainer(person.issuer, person.subject):
        return
    maintainers = [shown(maintainer.person.login, 40) for maintainer in registered.maintainers]
    raise NotMaintainer(
        f"You are signed in as {shown(person.login, 40)}; {registered.home_name} is maintained by "
        f"{', '.join(maintainers) or 'nobody who is known here'}."
    )


OF_THE_UPLOADER = ()
OF_THE_NAME = (the_module_is_registered, they_may_publish_it)
