"""May this job publish this module?  After each refusal, the tables are as they were."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from release_service import authorize
from release_service.authorize import Grant, Policy
from release_service.db import Transactions, connect, modules
from release_service.db.migrate import upgrade
from release_service.db.tables import Base
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import (
    AccessLevelTooLow,
    CaseTwin,
    ForeignConfiguration,
    ForkPipeline,
    NotAuthorized,
    PipelineSourceNotAccepted,
    ProjectMoved,
    ProjectRecreated,
    TagNotProtected,
    TagSaysOtherVersion,
)
from release_service.identity.gitlab import GitLabJob
from release_service.tarball import TarballName

NOW = datetime(2026, 3, 18, tzinfo=UTC)
GTK = TarballName.parse("gtk-4.18.1.tar.xz")
PRODUCTION = Policy(("GNOME",), ("push",), sandbox=False)
SANDBOX = Policy(("GNOME",), ("push",), sandbox=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, migrated once."""
    path = tmp_path_factory.mktemp("empty") / "db"
    engine = connect(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def transactions(tmp_path: Path, empty: Path) -> Iterator[Transactions]:
    """A fresh database of the test's own."""
    engine = connect(f"sqlite:///{shutil.copy(empty, tmp_path / 'db')}")
    yield Transactions(engine)
    engine.dispose()


def job(gitlab: StandInGitLab, project: str = "GNOME/gtk", tag: str = "4.18.1", **changes: Any) -> GitLabJob:
    """What a token of these claims proves; a claim that is None is not there."""
    claims = {name: value for name, value in gitlab.claims(project, tag, **changes).items() if isinstance(value, str)}
    return GitLabJob(
        kind="gitlab-id-token",
        issuer=gitlab.issuer,
        subject=f"project:{claims['project_id']}",
        login=claims["user_login"],
        token_id=claims["jti"],
        provenance={},
        project_id=claims["project_id"],
        namespace_id=claims["namespace_id"],
        project_path=claims["project_path"],
        claims=claims,
    )


def ask(transactions: Transactions, who: GitLabJob, name: TarballName = GTK, policy: Policy = PRODUCTION) -> Grant:
    with transactions.begin() as session:
        return authorize.authorize(session, who, name, policy)


def refused(
    transactions: Transactions,
    kind: type[NotAuthorized] | type[CaseTwin],
    who: GitLabJob,
    name: TarballName = GTK,
    policy: Policy = PRODUCTION,
) -> str:
    """Ask, expect exactly *kind*, and that nothing was written; return what it says."""
    before = rows(transactions)
    with pytest.raises(kind) as caught:
        ask(transactions, who, name, policy)
    assert type(caught.value) is kind
    assert rows(transactions) == before
    return caught.value.detail


def rows(transactions: Transactions) -> dict[str, list[tuple[Any, ...]]]:
    with transactions.begin() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: [tuple(row) for row in session.execute(select(table))] for table in tables}


def register(transactions: Transactions, module: str = "gtk", **project: str) -> None:
    pinned = {"project_id": "1665", "namespace_id": "8", "project_path": "GNOME/gtk"} | project
    with transactions.begin() as session:
        modules.pin(session, modules.ensure(session, module, NOW), NOW, **pinned)


def test_the_unclaimed_module_of_its_own_name_is_free_for_a_project_of_a_trusted_namespace(
    transactions: Transactions, gitlab: StandInGitLab
) -> None:
    before = rows(transactions)
    grant = ask(transactions, job(gitlab))
    assert (grant.module, grant.version, grant.uploader.subject) == ("gtk", "4.18.1", "project:1665")
    assert rows(transactions) == before


def test_a_registered_module_without_a_project_is_as_free(transactions: Transactions, gitlab: StandInGitLab) -> None:
    with transactions.begin() as session:
        modules.ensure(session, "gtk", NOW)
    assert ask(transactions, job(gitlab)).module == "gtk"


def test_a_pinned_project_may_publish_its_module(transactions: Transactions, gitlab: StandInGitLab) -> None:
    register(transactions)
    assert ask(transactions, job(gitlab)).module == "gtk"


def test_a_pinned_project_may_publish_a_module_of_another_name(
    transactions: Transactions, gitlab: StandInGitLab
) -> None:
    register(transactions, "gtk+")
    name = TarballName.parse("gtk+-3.24.52.tar.xz")
    assert ask(transactions, job(gitlab, tag="3.24.52"), name).module == "gtk+"


@pytest.mark.parametrize("order", [1, -1])
def test_one_of_several_pinned_projects_may_publish(
    transactions: Transactions, gitlab: StandInGitLab, order: int
) -> None:
    """Also where a project was deleted, made anew under its path, and registered again."""
    for project_id in ["17", "1665", "99"][::order]:
        register(transactions, project_id=project_id)
    assert ask(transactions, job(gitlab)).uploader.subject == "project:1665"


@pytest.mark.parametrize("tag", ["4.18.1", "v4.18.1", "gtk-4.18.1", "GTK_4_18_1"])
def test_a_tag_that_says_the_version_is_accepted(transactions: Transactions, gitlab: StandInGitLab, tag: str) -> None:
    assert ask(transactions, job(gitlab, tag=tag)).version == "4.18.1"


@pytest.mark.parametrize(
    ("filename", "tag"),
    [
        ("gtk+-3.24.52.tar.xz", "GTK__3_24_52"),
        ("at-spi2-core-2.56.0.tar.xz", "AT_SPI2_CORE_2_56_0"),
        ("gnome-shell-51.beta.tar.xz", "GNOME_SHELL_51_BETA"),
        ("NetworkManager-1.52.0.tar.xz", "NETWORKMANAGER_1_52_0"),
    ],
)
def test_the_old_spelling_of_a_tag_has_underscores_for_all_else(
    transactions: Transactions, gitlab: StandInGitLab, filename: str, tag: str
) -> None:
    name = TarballName.parse(filename)
    assert ask(transactions, job(gitlab, f"GNOME/{name.module}", tag), name).module == name.module


@pytest.mark.parametrize(
    "tag",
    [
        "4.18.2", "4.18", "4.18.1.0", "4.18.10", "04.18.1", "V4.18.1", "vv4.18.1", "4.18.1 ", "4.18.1\u200b", "4_18_1",
        "gtk4.18.1", "gtk-4.18.1.tar.xz", "GTK-4.18.1", "gtk_4_18_1", "GTK_4_18_10", "glib-4.18.1", "release-4.18.1",
        "refs/tags/4.18.1", "x/4.18.1", "main",
    ],
)  # fmt: skip
@pytest.mark.parametrize("policy", [PRODUCTION, SANDBOX], ids=["production", "sandbox"])
def test_a_tag_that_says_another_version_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, tag: str, policy: Policy
) -> None:
    assert "4.18.1" in refused(transactions, TagSaysOtherVersion, job(gitlab, tag=tag), policy=policy)


NOT_PROTECTED: dict[str, dict[str, Any]] = {
    "unprotected": {"ref_protected": "false"},
    "protected-as-boolean": {"ref_protected": True},
    "protected-in-capitals": {"ref_protected": "True"},
    "protected-missing": {"ref_protected": None},
    "protected-empty": {"ref_protected": ""},
    "protected-one": {"ref_protected": "1"},
    "branch": {"ref_type": "branch", "ref_path": "refs/heads/4.18.1"},
    "branch-that-says-tag-path": {"ref_type": "branch"},
    "merge-request": {"ref_type": "merge_request", "ref_path": "refs/merge-requests/1/head"},
    "type-in-capitals": {"ref_type": "Tag"},
    "path-of-a-branch": {"ref_path": "refs/heads/4.18.1"},
    "path-of-another-tag": {"ref_path": "refs/tags/4.18.2"},
    "path-missing": {"ref_path": None},
}


@pytest.mark.parametrize("changes", NOT_PROTECTED.values(), ids=NOT_PROTECTED)
def test_a_job_that_does_not_run_for_a_protected_tag_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, changes: dict[str, Any]
) -> None:
    register(transactions)
    refused(transactions, TagNotProtected, job(gitlab, **changes))


SOURCES = (
    "merge_request_event schedule trigger pipeline parent_pipeline web api chat external security_orchestration_policy"
)


@pytest.mark.parametrize("source", [*SOURCES.split(), "Push", "push ", "pushed"])
def test_a_pipeline_that_was_not_pushed_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, source: str
) -> None:
    assert source in refused(transactions, PipelineSourceNotAccepted, job(gitlab, pipeline_source=source))


def test_an_instance_may_accept_other_pipelines(transactions: Transactions, gitlab: StandInGitLab) -> None:
    policy = Policy(("GNOME",), ("push", "web"), sandbox=False)
    assert ask(transactions, job(gitlab, pipeline_source="web"), policy=policy).module == "gtk"


@pytest.mark.parametrize("policy", [PRODUCTION, SANDBOX], ids=["production", "sandbox"])
def test_a_job_that_runs_in_a_fork_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, policy: Policy
) -> None:
    register(transactions)
    refused(transactions, ForkPipeline, job(gitlab, job_project_id="666"), policy=policy)


def test_a_gitlab_that_does_not_say_where_the_job_runs_is_believed(
    transactions: Transactions, gitlab: StandInGitLab
) -> None:
    assert ask(transactions, job(gitlab, job_project_id=None)).module == "gtk"


@pytest.mark.parametrize(
    "uri",
    [
        "gitlab.gnome.org/GNOME/gtk//.gitlab-ci.yml@refs/heads/main",
        "gitlab.gnome.org/GNOME/gtk//.gitlab-ci.yml@refs/tags/4.18.2",
        "gitlab.gnome.org/GNOME/gtk//other.yml@refs/tags/4.18.1",
        "gitlab.gnome.org/mallory/gtk//.gitlab-ci.yml@refs/tags/4.18.1",
        "gitlab.gnome.org/GNOME/gtk//.gitlab-ci.yml@refs/tags/4.18.1x",
        "gitlab.gnome.org/x/GNOME/gtk//.gitlab-ci.yml@refs/tags/4.18.1",
        "GNOME/gtk//.gitlab-ci.yml@refs/tags/4.18.1",
        "gitlab.gnome.org",
        "",
    ],
)
def test_a_pipeline_that_is_configured_elsewhere_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, uri: str
) -> None:
    refused(transactions, ForeignConfiguration, job(gitlab, ci_config_ref_uri=uri))


def test_a_gitlab_that_does_not_say_the_configuration_is_believed(
    transactions: Transactions, gitlab: StandInGitLab
) -> None:
    assert ask(transactions, job(gitlab, ci_config_ref_uri=None)).module == "gtk"


@pytest.mark.parametrize("level", ["maintainer", "owner", None])
def test_a_maintainer_or_an_unknown_level_is_accepted(
    transactions: Transactions, gitlab: StandInGitLab, level: str | None
) -> None:
    assert ask(transactions, job(gitlab, user_access_level=level)).module == "gtk"


@pytest.mark.parametrize("level", ["developer", "reporter", "guest", "planner", "admin", "Maintainer", ""])
def test_whoever_is_no_maintainer_is_refused(transactions: Transactions, gitlab: StandInGitLab, level: str) -> None:
    refused(transactions, AccessLevelTooLow, job(gitlab, user_access_level=level))


MOVED: dict[str, dict[str, str]] = {
    "renamed": {"project_path": "GNOME/gtk4"},
    "moved": {"project_path": "Archive/gtk", "namespace_id": "9"},
    "namespace-made-anew": {"namespace_id": "9"},
    "path-in-other-case": {"project_path": "gnome/gtk"},
    "path-taken-by-another-project": {"project_id": "6666"},
    "path-and-namespace-taken": {"project_id": "6666", "namespace_id": "9"},
}


@pytest.mark.parametrize("changes", MOVED.values(), ids=MOVED)
@pytest.mark.parametrize("policy", [PRODUCTION, SANDBOX], ids=["production", "sandbox"])
def test_a_project_whose_ids_or_path_are_not_the_pinned_ones_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, changes: dict[str, str], policy: Policy
) -> None:
    register(transactions)
    sent: dict[str, Any] = {"ci_config_ref_uri": None, **changes}
    kind = ProjectRecreated if "project_id" in changes else ProjectMoved
    assert "GNOME/gtk" in refused(transactions, kind, job(gitlab, **sent), policy=policy)


def test_another_project_may_not_publish_a_pinned_module(transactions: Transactions, gitlab: StandInGitLab) -> None:
    register(transactions, project_path="GNOME/gtk-main", project_id="17")
    assert "GNOME/gtk-main" in refused(transactions, NotAuthorized, job(gitlab))


@pytest.mark.parametrize(
    "project",
    ["mallory/gtk", "GNOME/glib", "gnome/gtk", "GNOME/Gtk", "GNOME/gtk/gtk", "GNOME/Incubator/gtk", "GNOME2/gtk", "gtk",
     "xGNOME/gtk", "GNOME/gtk ", "/GNOME/gtk", "GNOME//gtk"],
)  # fmt: skip
@pytest.mark.parametrize("policy", [PRODUCTION, SANDBOX], ids=["production", "sandbox"])
def test_an_unclaimed_module_is_not_free_for_other_projects(
    transactions: Transactions, gitlab: StandInGitLab, project: str, policy: Policy
) -> None:
    refused(transactions, NotAuthorized, job(gitlab, project), policy=policy)


def test_every_trusted_namespace_is_trusted(transactions: Transactions, gitlab: StandInGitLab) -> None:
    policy = Policy(("GNOME", "World/apps"), ("push",), sandbox=False)
    assert ask(transactions, job(gitlab, "World/apps/gtk"), policy=policy).module == "gtk"


def test_without_a_trusted_namespace_nothing_is_free(transactions: Transactions, gitlab: StandInGitLab) -> None:
    refused(transactions, NotAuthorized, job(gitlab), policy=Policy((), ("push",), sandbox=False))


@pytest.mark.parametrize("registered", ["GTK", "Gtk"])
def test_a_module_that_differs_from_a_registered_one_in_case_is_refused(
    transactions: Transactions, gitlab: StandInGitLab, registered: str
) -> None:
    register(transactions, registered)
    assert registered in refused(transactions, CaseTwin, job(gitlab))


@pytest.mark.parametrize(
    "changes",
    [
        {"ref_protected": "false"},
        {"ref_type": "branch", "ref": "main", "ref_path": "refs/heads/main"},
        {"pipeline_source": "web"},
        {"user_access_level": "developer"},
        {"ci_config_ref_uri": "gitlab.gnome.org/GNOME/ci//x.yml@refs/heads/main"},
    ],
    ids=["unprotected", "branch", "pipeline-source", "access-level", "configuration"],
)
def test_a_sandbox_asks_for_less(transactions: Transactions, gitlab: StandInGitLab, changes: dict[str, str]) -> None:
    with pytest.raises(NotAuthorized):
        ask(transactions, job(gitlab, **changes))
    assert ask(transactions, job(gitlab, **changes), policy=SANDBOX).module == "gtk"


def test_pinning_a_grant_lets_nobody_else_claim_the_module(transactions: Transactions, gitlab: StandInGitLab) -> None:
    """Two projects of trusted namespaces, both granted the unclaimed module: the first has it."""
    policy = Policy(("GNOME", "World"), ("push",), sandbox=False)
    first = ask(transactions, job(gitlab), policy=policy)
    second = ask(transactions, job(gitlab, "World/gtk", project_id="17", namespace_id="9"), policy=policy)
    with transactions.begin() as session:
        authorize.confirm(session, first, GTK, policy, NOW)
    before = rows(transactions)
    with pytest.raises(NotAuthorized, match="GNOME/gtk"), transactions.begin() as session:
        authorize.confirm(session, second, GTK, policy, NOW)
    assert rows(transactions) == before
    assert ask(transactions, job(gitlab), policy=policy) is not None


def test_pinning_twice_pins_once(transactions: Transactions, gitlab: StandInGitLab) -> None:
    grant = ask(transactions, job(gitlab))
    for _ in range(2):
        with transactions.begin() as session:
            authorize.confirm(session, grant, GTK, PRODUCTION, NOW)
    assert len(rows(transactions)["publishers"]) == len(rows(transactions)["modules"]) == 1
