"""`check` says beforehand what the upload says: for every kind of uploader, tarball and registration.

Each case has a module of its own.  First it is checked, and nothing may have changed; then the very
same is uploaded, by a token of the same claims, and the verdicts must be one.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from builders import a_tarball
from conftest import KINDS
from persons import StandInSso
from release_service import checksum
from release_service.authorize.stewards import operator
from release_service.demo.gitlab import StandInGitLab
from release_service.rights import Change, change
from release_service.rights.blocks import Block
from release_service.rights.maintainers import AllowPerson
from release_service.rights.names import MakeAlias, Register
from release_service.rights.publishers import AllowProject, DenyProject
from release_service.rights.rules import SetSignatures, SetTagPattern
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow

MAX_BYTES = 8192
MAINTAINER, STRANGER, BLOCKED = "8b1f-maintainer", "8b1f-stranger", "8b1f-blocked"

# What a job's token says otherwise.
JOBS: dict[str, dict[str, Any]] = {
    "the project": {},
    "unprotected tag": {"ref_protected": "false"},
    "branch": {"ref_type": "branch", "ref": "main", "ref_path": "refs/heads/main"},
    "schedule": {"pipeline_source": "schedule"},
    "fork": {"job_project_id": "99"},
    "configuration of others": {"ci_config_ref_uri": "gitlab.gnome.org/x/y//.gitlab-ci.yml@refs/heads/main"},
    "developer": {"user_access_level": "developer"},
    "project made anew": {"project_id": "77", "job_project_id": "77"},
    "moved namespace": {"namespace_id": "99"},
    "all of it": {
        "ref_protected": "false",
        "pipeline_source": "web",
        "job_project_id": "9",
        "user_access_level": "guest",
    },
    "other project": {"project": "GNOME/other"},
    "foreign namespace": {"project": "mallory/{module}", "namespace_id": "66", "project_id": "66"},
    "other tag": {"tag": "47.9"},
    "tag with v": {"tag": "v48.1"},
}
# A person's subject and groups.
PERSONS: dict[str, tuple[str, list[str]]] = {
    "maintainer": (MAINTAINER, []),
    "release team": (STRANGER, ["release-team"]),
    "stranger": (STRANGER, ["release-teams", "x/release-team"]),
    "blocked person": (BLOCKED, ["release-team"]),
}
TARBALLS = {
    "new": "{module}-48.1.tar.xz",
    "the same again": "{module}-48.1.tar.xz",
    "taken": "{module}-48.1.tar.xz",
    "no version": "{module}-next.tar.xz",
    "leading zero": "{module}-048.1.tar.xz",
    "no tarball": "{module}-48.1.zip",
    "not enabled": "{module}-48.1.tar.bz2",
    "too large": "{module}-48.1.tar.xz",
    "case twin": "{MODULE}-48.1.tar.xz",
}
REGISTERED = ["pinned", "unclaimed", "unknown", "blocked", "denied", "alias", "pattern", "signed", "environment"]


def cases() -> list[tuple[str, str, str]]:
    """All uploaders with all tarballs of a pinned module, and with a new tarball of modules in every other state."""
    everybody = [*JOBS, *PERSONS]
    return [(who, tarball, "pinned") for who in everybody for tarball in TARBALLS] + [
        (who, "new", registered) for who in everybody for registered in REGISTERED[1:]
    ]


@dataclass(frozen=True, slots=True)
class World:
    """A service with an SSO, and who speaks to it."""

    uploads: Uploads
    sso: StandInSso

    def token(self, who: str, module: str) -> str:
        """Return a fresh token of *who*: always the same claims."""
        if who in PERSONS:
            subject, groups = PERSONS[who]
            return self.sso.token(sub=subject, preferred_username=subject, groups=groups)
        claims = dict(JOBS[who])
        project = claims.pop("project", "GNOME/{module}").format(module=module)
        return self.uploads.gitlab.token(project, claims.pop("tag", "48.1"), **claims)

    def set_up(self, module: str, registered: str) -> None:
        """Bring the registry into the state *registered* for *module*."""
        gitlab, sso = self.uploads.gitlab.issuer, self.sso.issuer
        path = f"GNOME/{module}"
        known: list[Change] = [Register(), AllowPerson(sso, MAINTAINER), Block("because", sso, BLOCKED)]
        states: dict[str, list[Change]] = {
            "pinned": [*known, AllowProject(gitlab, "1665", "8", path)],
            "unclaimed": known,
            "unknown": [],
            "blocked": [*known, Block("closed")],
            "denied": [*known, DenyProject(gitlab, "1665", "gone astray")],
            "alias": [MakeAlias(f"{module}-home")],
            "pattern": [*known, SetTagPattern("rel-{version} REL_{version_}")],
            "signed": [*known, SetSignatures("required")],
            "environment": [*known, AllowProject(gitlab, "1665", "8", path, "release")],
        }
        if registered == "alias":
            for wanted in states["pinned"]:
                change(self.uploads.parts.service, operator("tests", f"{module}-home"), wanted)
        for wanted in states[registered]:
            change(self.uploads.parts.service, operator("tests", module), wanted)


# Uploads to a real S3 server take their time: there, two of seven cases.  The worlds are small: who looks that nothing
# has changed looks at all that is there.
PARTS = [("embedded", slice(start, None, 6)) for start in range(6)]
PARTS += [("production", slice(start, None, 7)) for start in (0, 3)]


@contextlib.contextmanager
def make_world(environment: Environment, gitlab: StandInGitLab, sso: StandInSso) -> Iterator[World]:
    with make_uploads(environment, gitlab, sso_issuer=sso.issuer, max_tarball_bytes=MAX_BYTES) as uploads:
        yield World(uploads, sso)


@pytest.fixture(params=KINDS)
def world(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab, sso: StandInSso
) -> Iterator[World]:
    """A service of each kind."""
    with make_world(environment_of(request.param), gitlab, sso) as made:
        yield made


@pytest.mark.parametrize(("on", "part"), PARTS)
def test_check_agrees_with_the_upload_changes_nothing_and_is_quick(
    on: str, part: slice, environment_of: Callable[[str], Environment], gitlab: StandInGitLab, sso: StandInSso
) -> None:
    seconds: list[float] = []
    disagreed: list[object] = []
    accepted = 0
    with make_world(environment_of(on), gitlab, sso) as world:
        for number, (who, kind, registered) in enumerate(cases()[part]):
            module = f"m{number}"
            world.set_up(module, registered)
            verdict, took_s = agree(world, module, who, kind)
            seconds.append(took_s)
            accepted += verdict == "accepted"
            if verdict not in {"accepted", "refused"}:
                disagreed.append(((who, kind, registered), verdict))
    assert disagreed == []
    assert 0 < accepted < len(seconds)
    assert statistics.median(seconds) < 0.3


def agree(world: World, module: str, who: str, kind: str) -> tuple[object, float]:
    """Check, then upload; return `accepted`, `refused` or what both have said, and how long the check took (s)."""
    uploads = world.uploads
    filename = TARBALLS[kind].format(module=module, MODULE=module.upper())
    content = tarball(filename, kind)
    if kind in {"the same again", "taken"}:
        before = content if kind == "the same again" else a_tarball(filename, salt="before")
        assert put(world, filename, before, world.token("the project", module)).status_code == 201
    rows, keys = uploads.rows(), uploads.stored()
    began = time.perf_counter()
    said = check(world, filename, content, world.token(who, module))
    took_s = time.perf_counter() - began
    if (uploads.rows(), uploads.stored()) != (rows, keys):
        return "check has changed something", took_s
    answer = put(world, filename, content, world.token(who, module))
    codes = [reason["code"] for reason in said["reasons"]]
    if answer.status_code in {200, 201}:
        agreed = said["accepted"] and codes == [] and said["published"] == (answer.status_code == 200)
    else:
        agreed = not said["accepted"] and answer.json()["code"] in codes and answer.status_code < 500
    return ("accepted" if said["accepted"] else "refused") if agreed else (said, answer.text), took_s


def tarball(filename: str, kind: str) -> bytes:
    """Return what is sent under that name; what is refused by its name need not be any archive."""
    if kind == "too large":
        return b"x" * (MAX_BYTES + 1)
    return a_tarball(filename) if filename.endswith(".tar.xz") else b"no archive"


def check(world: World, filename: str, content: bytes, token: str) -> dict[str, Any]:
    asked = {"filename": filename, "size": len(content), "sha256": checksum.digest(content)}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    answer = world.uploads.http.post("/api/v1/check", json=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    assert all(reason["title"] and reason["detail"] and reason["next"] for reason in said["reasons"])
    return said


def put(world: World, filename: str, content: bytes, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return world.uploads.http.put(f"/api/v1/tarballs/{filename}", content=content, headers=headers)


def test_there_are_enough_cases() -> None:
    assert len(cases()) >= 200


def test_all_reasons_come_at_once(world: World) -> None:
    world.set_up("gtk", "pinned")
    token = world.token("all of it", "gtk")
    codes = {reason["code"] for reason in check(world, "gtk-48.2.tar.bz2", b"", token)["reasons"]}
    assert codes == {
        "compression_not_accepted",
        "tag_not_protected",
        "pipeline_source_not_accepted",
        "fork_pipeline",
        "access_level_too_low",
    }


def test_a_version_that_exists_is_told_without_the_bytes(world: World) -> None:
    name = "gtk-48.1.tar.xz"
    assert put(world, name, a_tarball(name), world.token("the project", "gtk")).status_code == 201
    headers = {"Authorization": f"Bearer {world.token('the project', 'gtk')}"}
    answer = world.uploads.http.post("/api/v1/check", json={"filename": name}, headers=headers)
    assert (answer.status_code, "(version_taken)" in answer.text) == (200, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"filename": 1}', b'{"filename": ""}', b'{"filename": "x", "sha256": "y"}',
     b"[" * 50_000, b'{"filename": "x", "size": -1}', b'{"filename": "x", "size": true}',
     b'{"filename": "' + b"x" * 70_000 + b'"}'],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_told_so(world: World, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {world.token('the project', 'gtk')}", "Accept": "application/json"}
    answer = world.uploads.http.post("/api/v1/check", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) in {(400, "bad_request"), (413, "too_large")}


def test_a_token_that_is_about_to_expire_is_a_warning(world: World) -> None:
    now = int(time.time())
    soon = world.uploads.gitlab.token("GNOME/gtk", "48.1", iat=now - 3000, nbf=now - 3000, exp=now + 40)
    name = "gtk-48.1.tar.xz"
    said = check(world, name, a_tarball(name), soon)
    assert said["accepted"]
    assert [warning["code"] for warning in said["warnings"]] == ["token_expires_soon"]
    assert check(world, name, a_tarball(name), world.token("the project", "gtk"))["warnings"] == []
