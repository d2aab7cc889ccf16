"""May this person publish this module, or change who may?  And the registry's rules that hold for jobs, too."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from release_service import authorize
from release_service.authorize import Policy, Proven
from release_service.authorize.stewards import operator, steward
from release_service.db import Transactions, connect, modules
from release_service.db.migrate import upgrade
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import (
    BadChange,
    Blocked,
    CaseTwin,
    EnvironmentDiffers,
    MayNotManage,
    ModuleNotRegistered,
    NotAuthorized,
    NotFound,
    NotMaintainer,
    SignatureRequired,
    TagSaysOtherVersion,
)
from release_service.identity.gitlab import GitLabJob, job_of
from release_service.identity.sso import Person
from release_service.limits import Limits
from release_service.publish import Service
from release_service.rights import Change, change
from release_service.rights.blocks import EVERYTHING, Block, Unblock
from release_service.rights.maintainers import AllowPerson, DenyPerson
from release_service.rights.names import MakeAlias, Register
from release_service.rights.publishers import AllowProject, DenyProject
from release_service.rights.rules import SetSignatures, SetTagPattern
from release_service.store.local import LocalStore
from release_service.tarball import TarballName

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, tzinfo=UTC)
SSO = "https://sso.example"
GITLAB = "https://gitlab.example"
GTK, OLD = "gtk-4.18.1.tar.xz", "gtk+-3.24.52.tar.xz"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "db"
    engine = connect(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def service(tmp_path: Path, empty: Path) -> Iterator[Service]:
    """gtk, of the project 1665 and of mclasen, with the alias gtk+."""
    engine = connect(f"sqlite:///{shutil.copy(empty, tmp_path / 'db')}")
    policy = Policy(("GNOME",), ("push",), sandbox=False)
    made = Service(
        Transactions(engine),
        LocalStore(tmp_path / "tree"),
        tmp_path,
        policy,
        Limits(1, 1, 1, 1),
        "",
        sends_mail=False,
        now=lambda: NOW,
    )
    do(made, Register(), AllowPerson(SSO, "id-of-mclasen", "mclasen"), project())
    do(made, MakeAlias("gtk"), module="gtk+")
    yield made
    engine.dispose()


def do(service: Service, *wanted: Change, module: str = "gtk") -> None:
    for one in wanted:
        change(service, operator("root", module), one)


def project(environment: str = "") -> AllowProject:
    return AllowProject(GITLAB, "1665", "8", "GNOME/gtk", environment)


def person(subject: str, *groups: str, login: str = "", issuer: str = SSO) -> Person:
    return Person("sso", issuer, subject, login or subject, "", {}, frozenset(groups), "")


def job(tag: str = "4.18.1", path: str = "GNOME/gtk", **claims: Any) -> GitLabJob:
    said = StandInGitLab.claims(Claims(), path, tag, **claims)  # type: ignore[arg-type]
    return job_of("gitlab-id-token", GITLAB, "jti", {name: text for name, text in said.items() if type(text) is str})


class Claims:
    """As much of the stand-in as claims need."""

    issuer = GITLAB


MCLASEN = person("id-of-mclasen", login="mclasen")
TEAM = person("id-of-team", "release-team")
ADMIN = person("id-of-admin", "sysadmin")
STRANGER = person("id-of-stranger")


def ask(service: Service, who: Proven, filename: str = GTK) -> str:
    with service.transactions.begin() as session:
        return authorize.authorize(session, who, TarballName.parse(filename), service.policy).module


def manage(service: Service, who: Person, wanted: Change, module: str = "gtk") -> bool:
    with service.transactions.begin() as session:
        right = steward(session, who, module, service.policy, "r")
    return bool(change(service, right, wanted))


def test_a_maintainer_publishes_the_module_and_its_alias(service: Service) -> None:
    assert [ask(service, MCLASEN, name) for name in (GTK, OLD)] == ["gtk", "gtk+"]


def test_the_release_team_publishes_every_registered_module(service: Service) -> None:
    do(service, Register(), module="glib")
    assert [ask(service, TEAM, name) for name in (GTK, OLD, "glib-2.80.0.tar.xz")] == ["gtk", "gtk+", "glib"]


@pytest.mark.parametrize("groups", [(), ("release-teams",), ("a/release-team",), ("Release-Team",), ("sysadmin",)])
def test_only_the_exact_group_is_the_release_team(service: Service, groups: tuple[str, ...]) -> None:
    with pytest.raises(NotMaintainer):
        ask(service, person("x", *groups))


@pytest.mark.parametrize(
    "who",
    [
        person("other-id", login="mclasen"),
        person("mclasen"),
        person("id-of-mclasen", login="mclasen", issuer="https://other.example"),
    ],
)
def test_the_login_of_a_maintainer_is_nobody(service: Service, who: Person) -> None:
    with pytest.raises(NotMaintainer, match="gtk is maintained by mclasen"):
        ask(service, who)


@pytest.mark.parametrize("who", [MCLASEN, TEAM, ADMIN])
def test_no_person_publishes_a_module_that_is_not_registered(service: Service, who: Person) -> None:
    with pytest.raises(ModuleNotRegistered, match="gtkk"):
        ask(service, who, "gtkk-1.0.tar.xz")


def test_a_maintainer_whose_right_was_taken_away_publishes_nothing(service: Service) -> None:
    do(service, DenyPerson(SSO, "id-of-mclasen"))
    with pytest.raises(NotMaintainer, match="nobody who is known here"):
        ask(service, MCLASEN)


@pytest.mark.parametrize(
    ("block", "module", "stopped"),
    [
        (Block("because"), "gtk", {"MCLASEN", "TEAM", "job"}),
        (Block("because"), "gtk+", {"MCLASEN", "TEAM", "job"}),
        (Block("because", SSO, "id-of-mclasen"), "gtk", {"MCLASEN"}),
        (Block("because", SSO, "id-of-team"), EVERYTHING, {"TEAM"}),
        (Block("because", GITLAB, "project:1665"), EVERYTHING, {"job"}),
        (Block("because", "https://other.example", "id-of-mclasen"), "gtk", set()),
        (Block("because"), "glib", set()),
    ],
)
def test_a_block_stops_whom_it_names_and_nobody_else_until_it_is_lifted(
    service: Service, block: Block, module: str, stopped: set[str]
) -> None:
    do(service, Register(), module="glib")
    do(service, block, module=module)
    who: dict[str, Proven] = {"MCLASEN": MCLASEN, "TEAM": TEAM, "job": job()}
    for name, one in who.items():
        if name in stopped:
            with pytest.raises(Blocked, match="blocked on 2026-03-18: because"):
                ask(service, one)
        else:
            ask(service, one)
    do(service, Unblock(block.issuer, block.subject), module=module)
    assert [ask(service, one) for one in who.values()] == ["gtk"] * 3


def test_the_project_of_a_module_publishes_its_alias_under_any_usual_tag(service: Service) -> None:
    for tag in ("3.24.52", "v3.24.52", "gtk+-3.24.52", "gtk-3.24.52", "GTK__3_24_52", "GTK_3_24_52"):
        assert ask(service, job(tag), OLD) == "gtk+"


def test_another_project_does_not_publish_an_alias(service: Service) -> None:
    with pytest.raises(NotAuthorized, match="gtk is published by GNOME/gtk"):
        ask(service, job("3.24.52", "GNOME/gtk+", project_id="99"), OLD)


def test_an_unclaimed_alias_is_free_for_its_modules_project_only(service: Service) -> None:
    do(service, Register(), module="glib")
    do(service, MakeAlias("glib"), module="glib1")
    assert ask(service, job("1.2", "GNOME/glib"), "glib1-1.2.tar.xz") == "glib1"
    with pytest.raises(NotAuthorized):
        ask(service, job("1.2", "GNOME/glib1"), "glib1-1.2.tar.xz")


@pytest.mark.parametrize(("alias", "of"), [("gtk", "gtk"), ("x", "unknown"), ("x", "gtk+"), ("gtk", "x")])
def test_there_are_no_chains_of_aliases(service: Service, alias: str, of: str) -> None:
    if of == "x":
        do(service, Register(), module="x")
    with pytest.raises(BadChange, match="cannot be an alias"):
        do(service, MakeAlias(of), module=alias)


PATTERNS = [
    ("release-{version}", "release-4.18.1", "4.18.1"),
    ("GTK_{version_}", "GTK_4_18_1", "GTK_4.18.1"),
    ("r{version-}-final", "r4-18-1-final", "r4-18-1"),
    ("a{version} b{version_}", "b4_18_1", "b4.18.1"),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), PATTERNS)
def test_a_tag_pattern_replaces_the_usual_tags(service: Service, pattern: str, good: str, bad: str) -> None:
    do(service, SetTagPattern(pattern))
    assert ask(service, job(good)) == "gtk"
    for tag in (bad, "v4.18.1"):
        with pytest.raises(TagSaysOtherVersion, match=good):
            ask(service, job(tag))
    do(service, SetTagPattern(""))
    assert ask(service, job("v4.18.1")) == "gtk"


@pytest.mark.parametrize(
    "pattern",
    [
        "release",
        "{version}-{version}",
        "{version}{version_}",
        "{versions}",
        "{version",
        "{}{version}",
        "good-{version} vague",
        "{version}\x00",
        "{version}\n",
        "é{version}" * 99,
    ],
)
def test_a_tag_pattern_that_does_not_say_one_version_is_refused(service: Service, pattern: str) -> None:
    with pytest.raises(BadChange, match="holds exactly one of"):
        do(service, SetTagPattern(pattern))


@pytest.mark.parametrize("who", [MCLASEN, TEAM, job()])
def test_where_signatures_are_required_nothing_comes_without_one(service: Service, who: Proven) -> None:
    do(service, SetSignatures("required"))
    with pytest.raises(SignatureRequired, match="signature policy of gtk is: required"):
        ask(service, who)
    do(service, SetSignatures("optional"))
    assert ask(service, who) == "gtk"


def test_a_modules_signature_policy_goes_before_the_instances(service: Service) -> None:
    policy = Policy(("GNOME",), ("push",), sandbox=False, signatures="required")
    with service.transactions.begin() as session:
        found = authorize.objections(session, MCLASEN, TarballName.parse(GTK), policy)
    assert [type(objection) for objection in found] == [SignatureRequired]
    do(service, SetSignatures("optional"))
    with service.transactions.begin() as session:
        assert authorize.objections(session, MCLASEN, TarballName.parse(GTK), policy) == []
    with pytest.raises(BadChange, match="optional or required"):
        do(service, SetSignatures("sometimes"))


def test_a_registered_environment_must_be_the_jobs(service: Service) -> None:
    do(service, project("release"))
    assert ask(service, job(environment="release")) == "gtk"
    for claims, named in (({}, "none"), ({"environment": "Release"}, "Release")):
        with pytest.raises(EnvironmentDiffers, match=f"this job names {named}"):
            ask(service, job(**claims))


GRANTS: list[Change] = [
    project("x"),
    DenyProject(GITLAB, "1665", "because"),
    AllowPerson(SSO, "id-of-ebassi", "ebassi"),
    DenyPerson(SSO, "id-of-mclasen"),
    SetTagPattern("r{version}"),
    SetSignatures("required"),
]
FOR_ADMINISTRATORS: list[Change] = [Register(), MakeAlias("gtk"), Block("because"), Unblock()]


@pytest.mark.parametrize("wanted", GRANTS, ids=str)
@pytest.mark.parametrize("who", [MCLASEN, TEAM, ADMIN], ids=lambda who: who.login)
def test_maintainers_the_release_team_and_administrators_change_who_may(
    service: Service, who: Person, wanted: Change
) -> None:
    assert manage(service, who, wanted)


@pytest.mark.parametrize("wanted", GRANTS + FOR_ADMINISTRATORS, ids=str)
@pytest.mark.parametrize("who", [STRANGER, person("x", login="mclasen"), person("x", "gnomecvs")])
def test_nobody_else_changes_anything(service: Service, who: Person, wanted: Change) -> None:
    with pytest.raises(MayNotManage, match="no maintainer of gtk"):
        manage(service, who, wanted)


@pytest.mark.parametrize("wanted", FOR_ADMINISTRATORS, ids=str)
@pytest.mark.parametrize("who", [MCLASEN, TEAM], ids=lambda who: who.login)
def test_names_and_blocks_are_for_administrators(service: Service, who: Person, wanted: Change) -> None:
    with pytest.raises(MayNotManage, match="Only administrators"):
        manage(service, who, wanted)


def test_a_maintainer_of_one_module_changes_no_other(service: Service) -> None:
    do(service, Register(), module="glib")
    with pytest.raises(MayNotManage):
        manage(service, MCLASEN, SetSignatures("required"), "glib")


def test_a_maintainer_manages_the_alias_as_the_module_that_it_stands_for(service: Service) -> None:
    assert manage(service, MCLASEN, SetSignatures("required"), "gtk+")
    with service.transactions.begin() as session:
        assert modules.home(session, "gtk").signatures == "required"


def test_who_is_blocked_changes_nothing_and_no_maintainer_lifts_what_an_administrator_has_blocked(
    service: Service,
) -> None:
    do(service, AllowPerson(SSO, "id-of-ebassi", "ebassi"), Block("because", SSO, "id-of-ebassi"))
    do(service, Block("because", GITLAB, "project:1665"))
    with pytest.raises(Blocked):
        manage(service, person("id-of-ebassi"), SetSignatures("required"))
    manage(service, MCLASEN, AllowPerson(SSO, "id-of-ebassi", "ebassi"))
    manage(service, MCLASEN, project())
    for who in (person("id-of-ebassi"), job()):
        with pytest.raises(Blocked):
            ask(service, who)


def test_a_maintainer_brings_back_a_project_that_a_maintainer_has_denied(service: Service) -> None:
    manage(service, MCLASEN, DenyProject(GITLAB, "1665", "because"))
    with pytest.raises(Blocked):
        ask(service, job())
    manage(service, MCLASEN, project())
    assert ask(service, job()) == "gtk"


def test_a_denied_project_does_not_claim_the_module_again(service: Service) -> None:
    do(service, DenyProject(GITLAB, "1665", "because"))
    with pytest.raises(Blocked):
        ask(service, job())
    with pytest.raises(NotAuthorized, match="unasked"):  # another project that has taken its path since
        ask(service, job(project_id="99"))
    do(service, AllowProject(GITLAB, "99", "8", "GNOME/gtk"))
    assert ask(service, job(project_id="99")) == "gtk"


@pytest.mark.parametrize(
    "wanted",
    [
        AllowProject(GITLAB, "GNOME/gtk", "8", "GNOME/gtk"),
        AllowProject(GITLAB, "1665", "", "GNOME/gtk"),
        AllowProject(GITLAB, "1665", "8", ""),
        AllowProject(GITLAB, "1665", "8", "a\nb"),
        AllowProject(GITLAB, "1665", "8", "a" * 513),
        AllowProject(GITLAB, "1665", "8", "GNOME/gtk", "e" * 256),
        AllowProject(GITLAB, "1665", "8", "GNOME/gtk", "e\0"),
        DenyProject(GITLAB, "x", "because"),
        DenyProject(GITLAB, "1665", ""),
        DenyProject(GITLAB, "1665", "b" * 1001),
        AllowPerson("", "x"),
        AllowPerson(SSO, ""),
        AllowPerson(SSO, "x" * 256),
        AllowPerson(SSO, "a\0b"),
        Block(""),
        Block("b" * 1001),
        Block("because", SSO),
        Block("because", "", "x"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(service: Service, wanted: Change) -> None:
    """PostgreSQL would refuse some of these itself, and that would look like a fault of ours."""
    with pytest.raises(BadChange):
        do(service, wanted)


@pytest.mark.parametrize("wanted", [project(), AllowPerson(SSO, "x"), SetSignatures("required"), Block("because")])
def test_a_module_that_is_not_registered_has_no_rights_to_change(service: Service, wanted: Change) -> None:
    with pytest.raises(NotFound, match="There is no module nothing"):
        do(service, wanted, module="nothing")


def test_a_case_twin_is_neither_registered_nor_managed(service: Service) -> None:
    for who in (MCLASEN, ADMIN):
        with pytest.raises(CaseTwin, match="registered as gtk"):
            manage(service, who, Register(), "GTK")


def test_a_change_made_twice_is_written_down_once(service: Service) -> None:
    assert manage(service, MCLASEN, SetSignatures("required"))
    assert not manage(service, MCLASEN, SetSignatures("required"))
    assert not manage(service, MCLASEN, AllowPerson(SSO, "id-of-mclasen"))
    assert not manage(service, MCLASEN, DenyPerson(SSO, "id-of-nobody"))
