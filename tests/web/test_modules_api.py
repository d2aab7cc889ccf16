"""The registry over HTTP: who may change what, and what a change leaves behind."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from builders import a_tarball
from conftest import KINDS
from persons import StandInSso
from release_service import authorize, publish
from release_service.archive import Inspection
from release_service.authorize.stewards import steward
from release_service.db import limits
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import MayNotManage, SwitchedOff
from release_service.identity.sso import Person
from release_service.receive import ReceivedTarball
from release_service.rights import change
from release_service.rights.maintainers import AllowPerson
from release_service.tarball import TarballName
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow

GTK = "/api/v1/modules/gtk"
PROJECT = {"project_path": "World/gtk", "namespace_id": "9"}


@dataclass(frozen=True, slots=True)
class Registry:
    """A service with an SSO; people speak to it by name."""

    uploads: Uploads
    sso: StandInSso

    def token(self, who: str, *groups: str) -> str:
        return self.sso.token(sub=f"sub-{who}", preferred_username=who, groups=list(groups))

    def ask(self, method: str, path: str, who: str = "", body: object = None) -> httpx2.Response:
        """Ask as *who*: ``carol`` is an administrator, ``rita`` of the release team, others nobody in particular."""
        groups = {"carol": ["/sysadmin"], "rita": ["release-team"]}.get(who, [])
        headers = {"Accept": "application/json"}
        if who:
            headers["Authorization"] = f"Bearer {self.token(who, *groups)}"
        return self.uploads.http.request(
            method, path, headers=headers, content=json.dumps(body) if body is not None else None
        )

    def put(self, filename: str, who: str) -> httpx2.Response:
        return self.uploads.http.put(
            f"/api/v1/tarballs/{filename}",
            content=a_tarball(filename),
            headers={"Authorization": f"Bearer {self.token(who)}", "Accept": "application/json"},
        )


@pytest.fixture(params=KINDS)
def registry(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab, sso: StandInSso
) -> Iterator[Registry]:
    """A service where the module gtk is registered, and bob maintains it."""
    with make_uploads(environment_of(request.param), gitlab, sso_issuer=sso.issuer) as uploads:
        made = Registry(uploads, sso)
        assert made.ask("PUT", GTK, "carol", {}).json()["changes"] == ["The module is registered"]
        assert made.ask("POST", f"{GTK}/maintainers", "carol", {"subject": "sub-bob", "login": "bob"}).is_success
        yield made


def test_a_maintainer_publishes_without_ci_and_release_json_tells_no_more_than_the_login(registry: Registry) -> None:
    assert registry.put("gtk-48.1.tar.xz", "bob").status_code == 201
    proof = json.loads(registry.uploads.read("sources/gtk/48/gtk-48.1.release.json"))["proof"]
    assert proof == {"kind": "sso", "issuer": registry.sso.issuer, "login": "bob"}
    row = registry.uploads.audited()[-1]
    assert (row["act"], row["verdict"], row["subject"], row["module"]) == ("upload", "accepted", "sub-bob", "gtk")


def test_somebody_else_of_the_same_login_is_not_the_maintainer(registry: Registry) -> None:
    twin = registry.sso.token(sub="sub-mallory", preferred_username="bob", groups=[])
    answer = registry.uploads.http.put(
        "/api/v1/tarballs/gtk-48.1.tar.xz",
        content=a_tarball("gtk-48.1.tar.xz"),
        headers={"Authorization": f"Bearer {twin}", "Accept": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_maintainer")
    assert registry.uploads.stored() == []


CHANGES: dict[str, tuple[str, str, Any]] = {
    "a tag pattern": ("PATCH", GTK, {"tag_pattern": "gtk4-{version}"}),
    "a signature policy": ("PATCH", GTK, {"signatures": "required"}),
    "a publisher": ("PUT", f"{GTK}/publishers/17", PROJECT),
    "a publisher less": ("DELETE", f"{GTK}/publishers/17", {"reason": "moved away"}),
    "a maintainer": ("POST", f"{GTK}/maintainers", {"subject": "sub-dora"}),
    "a maintainer less": ("DELETE", f"{GTK}/maintainers/sub-bob", None),
}
FOR_ADMINISTRATORS: dict[str, tuple[str, str, Any]] = {
    "a module": ("PUT", "/api/v1/modules/glib", {}),
    "an old name": ("PUT", "/api/v1/modules/gtk+", {"alias_of": "gtk"}),
    "a block": ("PUT", f"{GTK}/block", {"reason": "closed"}),
}


@pytest.mark.parametrize("who", ["bob", "rita", "carol"])
@pytest.mark.parametrize("change", CHANGES)
def test_maintainers_the_release_team_and_administrators_change_a_module(
    registry: Registry, change: str, who: str
) -> None:
    before = len(registry.uploads.audited())
    answer = registry.ask(*CHANGES[change][:2], who, CHANGES[change][2])
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["changes"]) == 1
    rows = registry.uploads.audited()[before:]
    assert [(row["verdict"], row["subject"], row["module"]) for row in rows] == [("accepted", f"sub-{who}", "gtk")]


@pytest.mark.parametrize("change", FOR_ADMINISTRATORS)
def test_names_and_blocks_are_for_administrators(registry: Registry, change: str) -> None:
    method, path, body = FOR_ADMINISTRATORS[change]
    for who in ("bob", "rita", "mallory"):
        rows = registry.uploads.rows()
        refused = registry.ask(method, path, who, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "may_not_manage")
        assert registry.uploads.rows() == rows
    assert registry.ask(method, path, "carol", body).status_code == 200


@pytest.mark.parametrize("change", CHANGES)
def test_a_stranger_changes_nothing_and_the_attempt_is_written_down(registry: Registry, change: str) -> None:
    rows = registry.uploads.rows()
    refused = registry.ask(*CHANGES[change][:2], "mallory", CHANGES[change][2])
    assert (refused.status_code, refused.json()["code"]) == (403, "may_not_manage")
    assert registry.uploads.rows() == rows
    row = registry.uploads.audited()[-1]
    assert (row["verdict"], row["code"], row["subject"]) == ("refused", "may_not_manage", "sub-mallory")


def test_nothing_is_changed_without_a_token_or_with_a_jobs(registry: Registry) -> None:
    rows = registry.uploads.rows()
    job = {"Authorization": f"Bearer {registry.uploads.gitlab.token('GNOME/gtk', '48.1')}"}
    for method, path, body in (CHANGES | FOR_ADMINISTRATORS).values():
        assert registry.ask(method, path, "", body).status_code == 401
        assert registry.uploads.http.request(method, path, headers=job, content=json.dumps(body)).status_code == 401
    assert registry.uploads.rows() == rows


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", GTK, {"tag_pattern": "gtk4-{version}", "signatures": "sometimes"}),
        ("PATCH", GTK, {"tag_pattern": "*"}),
        ("PATCH", GTK, {"tag_pattern": 7}),
        ("PUT", f"{GTK}/publishers/x", PROJECT),
        ("PUT", f"{GTK}/publishers/17", PROJECT | {"namespace_id": "nine"}),
        ("DELETE", f"{GTK}/publishers/17", {}),
        ("POST", f"{GTK}/maintainers", {"login": "nobody-yet"}),
        ("PUT", f"{GTK}/block", {"reason": ""}),
        ("PUT", f"{GTK}/block", {"reason": "x" * 1001}),
        ("PUT", f"{GTK}/block", {"reason": "x", "subject": "without issuer"}),
        ("PUT", "/api/v1/modules/gtk", {"alias_of": "gtk"}),
        ("PUT", "/api/v1/modules/gtk+", {"alias_of": "unknown"}),
        ("PUT", "/api/v1/modules/GTK", {}),
        ("PUT", "/api/v1/modules/..x", {}),
        ("GET", "/api/v1/modules/g%00tk", None),
        ("PUT", "/api/v1/modules/g%00tk", {}),
        ("DELETE", f"{GTK}/maintainers/sub%00bob", None),
        ("DELETE", f"{GTK}/publishers/1%007", {"reason": "x"}),
        ("DELETE", f"{GTK}/publishers/17", {"reason": "a\0b"}),
        ("PUT", f"{GTK}/block", {"reason": "half a character: \ud800"}),
        ("POST", f"{GTK}/maintainers", {"subject": "a\0b"}),
        ("POST", f"{GTK}/maintainers", {"subject": "s" * 256}),
    ],
)
def test_a_change_that_makes_no_sense_is_told_so_and_leaves_nothing(
    registry: Registry, method: str, path: str, body: object
) -> None:
    rows, was = registry.uploads.rows(), registry.ask("GET", GTK).json()
    answer = registry.ask(method, path, "carol", body)
    assert answer.status_code == 400, answer.text
    assert all(answer.json()[part] for part in ("title", "detail", "next", "code"))
    assert (registry.uploads.rows(), registry.ask("GET", GTK).json()) == (rows, was)


def test_a_publisher_named_by_its_id_alone_is_looked_up_at_gitlab(registry: Registry) -> None:
    registry.uploads.gitlab.job_token("World/gtk", "48.1", project_id=17, **{"project.namespace.id": 9})
    answer = registry.ask("PUT", f"{GTK}/publishers/17", "bob", {"environment": "release"})
    assert answer.json()["module"]["publishers"] == [
        {"project_path": "World/gtk", "project_id": "17", "namespace_id": "9", "environment": "release"}
    ]


def test_a_project_that_was_denied_does_not_claim_the_module_again(registry: Registry) -> None:
    name = "gtk-48.1.tar.xz"
    registry.ask("DELETE", f"{GTK}/publishers/1665", "bob", {"reason": "its runner was broken into"})
    refused = registry.uploads.post(name, a_tarball(name))
    assert (refused.status_code, "its runner was broken into" in refused.text) == (403, True)
    allowed = registry.ask("PUT", f"{GTK}/publishers/1665", "bob", {"project_path": "GNOME/gtk", "namespace_id": "8"})
    assert allowed.status_code == 200
    assert registry.uploads.post(name, a_tarball(name)).status_code == 201


def test_everybody_may_read_who_may_publish_and_no_address_is_shown(registry: Registry) -> None:
    registry.ask("PUT", "/api/v1/modules/gtk+", "carol", {"alias_of": "gtk"})
    described = registry.ask("GET", GTK)  # what they are called is for the SSO to say, when they come
    assert described.json()["maintainers"] == [{"login": "sub-bob", "subject": "sub-bob"}]
    assert described.json()["aliases"] == ["gtk+"]
    assert "@" not in described.text
    assert registry.ask("GET", "/api/v1/modules/gtk%2B").json()["alias_of"] == "gtk"
    assert registry.ask("GET", "/api/v1/modules/nothing").status_code == 404


def test_modules_are_listed_a_page_at_a_time(registry: Registry) -> None:
    for name in ("atk", "Builder", "zenity"):
        registry.ask("PUT", f"/api/v1/modules/{name}", "carol", {})
    first = registry.ask("GET", "/api/v1/modules?limit=3").json()
    assert first == {"modules": ["atk", "Builder", "gtk"], "next": "gtk"}
    assert registry.ask("GET", "/api/v1/modules?after=gtk&limit=3").json() == {"modules": ["zenity"], "next": None}


def test_whoami_tells_persons_and_jobs_who_they_are(registry: Registry) -> None:
    bob, carol = (registry.ask("GET", "/api/v1/whoami", who).json() for who in ("bob", "carol"))
    assert (bob["kind"], bob["login"], bob["roles"], bob["modules"]) == ("sso", "bob", [], ["gtk"])
    assert carol["roles"] == ["administrator"]
    token = registry.uploads.gitlab.token("GNOME/gtk", "48.1")
    job = registry.uploads.http.get("/api/v1/whoami", headers={"Authorization": f"Bearer {token}"}).json()
    assert (job["kind"], job["project"], job["subject"]) == ("gitlab-id-token", "GNOME/gtk", "project:1665")


def test_a_maintainer_does_not_lift_what_administrators_have_blocked(registry: Registry) -> None:
    name = "gtk-48.1.tar.xz"
    blocked = {"issuer": registry.uploads.gitlab.issuer, "subject": "project:1665", "reason": "under investigation"}
    assert registry.ask("PUT", f"{GTK}/block", "carol", blocked).status_code == 200
    registry.ask("PUT", f"{GTK}/publishers/1665", "bob", {"project_path": "GNOME/gtk", "namespace_id": "8"})
    assert registry.uploads.post(name, a_tarball(name)).status_code == 403
    assert registry.ask("DELETE", f"{GTK}/block", "carol", blocked).status_code == 200
    assert registry.uploads.post(name, a_tarball(name)).status_code == 201


def test_a_maintainer_cannot_plant_somebody_elses_login(registry: Registry) -> None:
    """Whom the SSO has not shown us under a login is not found by it, whatever a maintainer has called them."""
    registry.ask("PUT", "/api/v1/modules/glib", "carol", {})
    registry.ask("POST", f"{GTK}/maintainers", "bob", {"subject": "sub-mallory", "login": "ebassi"})
    refused = registry.ask("POST", "/api/v1/modules/glib/maintainers", "carol", {"login": "ebassi"})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    registry.ask("GET", "/api/v1/whoami", "ebassi")
    added = registry.ask("POST", "/api/v1/modules/glib/maintainers", "carol", {"login": "ebassi"})
    assert added.json()["module"]["maintainers"] == [{"login": "ebassi", "subject": "sub-ebassi"}]


def test_a_project_made_anew_does_not_inherit_what_was_taken_from_the_old_one(registry: Registry) -> None:
    name, anew = "gtk-48.1.tar.xz", {"project_id": "4242", "job_project_id": "4242"}
    assert registry.uploads.post("gtk-48.0.tar.xz", a_tarball("gtk-48.0.tar.xz")).status_code == 201
    assert registry.uploads.post(name, a_tarball(name), **anew).status_code == 403
    registry.ask("DELETE", f"{GTK}/publishers/1665", "bob", {"reason": "deleted"})
    assert registry.uploads.post(name, a_tarball(name), **anew).status_code == 403


def test_what_an_administrator_has_denied_a_maintainer_does_not_allow(registry: Registry) -> None:
    name, project = "gtk-48.1.tar.xz", {"project_path": "GNOME/gtk", "namespace_id": "8"}
    registry.ask("DELETE", f"{GTK}/publishers/1665", "carol", {"reason": "compromised"})
    registry.ask("PUT", f"{GTK}/publishers/1665", "bob", project)
    assert registry.uploads.post(name, a_tarball(name)).status_code == 403
    registry.ask("PUT", f"{GTK}/publishers/1665", "carol", project)
    assert registry.uploads.post(name, a_tarball(name)).status_code == 201


def test_a_person_is_blocked_for_everything_and_let_go_again(registry: Registry) -> None:
    bob = {"issuer": registry.sso.issuer, "subject": "sub-bob", "reason": "has left"}
    assert registry.ask("PUT", "/api/v1/modules/*/block", "carol", bob).json()["changes"]
    assert registry.put("gtk-48.1.tar.xz", "bob").json()["code"] == "blocked"
    assert registry.ask("DELETE", "/api/v1/modules/*/block", "carol", bob).json()["changes"]
    assert registry.put("gtk-48.1.tar.xz", "bob").status_code == 201


def test_a_module_with_rights_or_blocks_of_its_own_does_not_become_an_alias(registry: Registry) -> None:
    registry.ask("PUT", "/api/v1/modules/gtk4", "carol", {})
    registry.ask("PUT", f"{GTK}/block", "carol", {"reason": "closed"})
    refused = registry.ask("PUT", GTK, "carol", {"alias_of": "gtk4"})
    assert (refused.status_code, registry.ask("GET", GTK).json()["blocked"]) == (400, True)


def test_a_registered_environment_stays_when_a_moved_project_is_confirmed(registry: Registry) -> None:
    registry.ask("PUT", f"{GTK}/publishers/17", "bob", PROJECT | {"environment": "release"})
    moved = registry.ask("PUT", f"{GTK}/publishers/17", "bob", PROJECT | {"project_path": "GNOME/gtk"})
    assert moved.json()["module"]["publishers"][0]["environment"] == "release"
    emptied = registry.ask("PUT", f"{GTK}/publishers/17", "bob", PROJECT | {"environment": ""})
    assert emptied.json()["module"]["publishers"][0]["environment"] == ""


def test_who_may_not_change_anything_makes_us_ask_gitlab_nothing(registry: Registry) -> None:
    registry.uploads.gitlab.job_token("World/gtk", "48.1", project_id=17)
    before = len(registry.uploads.gitlab.requests)
    assert registry.ask("PUT", f"{GTK}/publishers/17", "mallory", {}).status_code == 403
    assert len(registry.uploads.gitlab.requests) == before


def test_a_right_that_was_taken_away_meanwhile_changes_nothing(registry: Registry) -> None:
    service = registry.uploads.parts.service
    bob = Person("sso", registry.sso.issuer, "sub-bob", "bob", "", {}, groups=frozenset(), email="")
    with service.transactions.read() as session:
        right = steward(session, bob, "gtk", service.policy, "")
    registry.ask("DELETE", f"{GTK}/maintainers/sub-bob", "carol")
    with pytest.raises(MayNotManage):
        change(service, right, AllowPerson(registry.sso.issuer, "sub-eve"))
    assert registry.ask("GET", GTK).json()["maintainers"] == []


def test_a_first_claim_is_written_down_as_the_right_that_it_gives(registry: Registry) -> None:
    name = "gtk-48.1.tar.xz"
    assert registry.uploads.post(name, a_tarball(name)).status_code == 201
    rows = [(row["act"], row["code"]) for row in registry.uploads.audited()[-3:]]
    assert rows == [("publisher-allow", "claimed"), ("upload", "claimed"), ("upload", "published")]


def test_a_switch_stops_uploads_that_are_under_way(registry: Registry) -> None:
    """The grant was given before; the claim asks again."""
    service, name = registry.uploads.parts.service, TarballName.parse("gtk-48.1.tar.xz")
    job = asyncio.run(registry.uploads.parts.proofs.anyone.prove(registry.uploads.token(str(name))))
    with service.transactions.begin() as session:
        grant = authorize.authorize(session, job, name, service.policy)
        limits.switch_off(session, "uploads", "the storage moves", service.now())
    nothing: Any = None  # the claim does not look inside
    tarball = ReceivedTarball(name, nothing, 0, 64 * "0", nothing)
    with pytest.raises(SwitchedOff):
        publish._claim(service, tarball, Inspection(1, 1, (), {}), None, grant)
    assert registry.uploads.stored() == []


@pytest.mark.parametrize("limit", ["abc", "0", "-1", "1001", "1e3", "٣", "9" * 40])
def test_a_page_is_asked_for_by_a_number(registry: Registry, limit: str) -> None:
    answer = registry.ask("GET", f"/api/v1/modules?limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
