"""`release-service reconcile`: whatever is wrong is named; what the database holds is mended, and nothing else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

import components
from archived import OFF, Archived
from conftest import KINDS
from filled import fill
from persons import StandInSso
from registry import People
from release_service.db.tables import ClaimedDigest, FollowUp, Release, ReleaseFile
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, make_uploads

pytestmark = pytest.mark.slow

MODULES, EACH = 4, 30
ONE = "sources/module1/1.0"


@pytest.fixture(params=KINDS)
def archived(
    request: pytest.FixtureRequest,
    environment_of: Callable[[str], Environment],
    gitlab: StandInGitLab,
    sso: StandInSso,
    tmp_path: Path,
) -> Iterator[Archived]:
    """Many small releases that nobody has looked into, of each kind."""
    environment = environment_of(request.param)
    with make_uploads(environment, gitlab) as uploads:
        fill(uploads.parts.service.transactions, uploads.parts.service.store, MODULES, EACH)
        yield Archived(People(uploads, sso), environment, tmp_path)


Planted = dict[str, str]


def flip(archived: Archived, key: str) -> None:
    content = archived.uploads.read(key)
    archived.put(key, content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def directory(module: int, number: int) -> str:
    return f"sources/module{module}/1.{number // 10}"


def plant(archived: Archived) -> tuple[Planted, Planted]:
    """Break the archive in every way that there is; return what can be mended, and what cannot, with their kinds."""
    mendable: Planted = {}
    lasting: Planted = {}
    claim_without_end(archived, lasting)
    for module in (1, 2):
        for number in range(EACH):
            begin = f"{directory(module, number)}/module{module}-1.{number // 10}.{number % 10}"
            break_one(archived, number % 10, begin, mendable, lasting)
        for name in ("cache.json", "index.html", "1.0/index.html", "1.1/LATEST-IS-1.1.9", "1.2/index.html"):
            key = f"sources/module{module}/{name}"
            if name == "1.0/index.html":
                archived.store.remove(key)
            else:
                flip(archived, key)
            mendable[key] = "missing" if name == "1.0/index.html" else "wrong_index"
    for number in range(30):
        key = f"{('', 'sources/', 'pub/')[number % 3]}ghost{number}"
        archived.store.add(key, b"ghost")
        lasting[key] = "foreign"
    flip(archived, "sources/index.html")
    archived.store.remove("robots.txt")
    mendable |= {"sources/index.html": "wrong_index", "robots.txt": "missing"}
    return mendable, lasting


def break_one(archived: Archived, how: int, begin: str, mendable: Planted, lasting: Planted) -> None:
    if how == 0:
        archived.store.remove(f"{begin}.tar.xz")
        lasting[f"{begin}.tar.xz"] = "missing"
    elif how == 1:
        archived.put(f"{begin}.tar.xz", b"cut off")
        lasting[f"{begin}.tar.xz"] = "wrong_bytes"
    elif how in {2, 3}:
        ext = ("news", "sha256sum")[how - 2]
        archived.store.remove(f"{begin}.{ext}")
        mendable[f"{begin}.{ext}"] = "missing"
    elif how in {4, 5}:
        ext = ("news", "sha256sum")[how - 4]
        flip(archived, f"{begin}.{ext}")
        lasting[f"{begin}.{ext}"] = "wrong_content"
    elif how == 6:
        archived.store.remove(f"{begin}.release.json")
        mendable[f"{begin}.release.json"] = "missing"
    elif how == 7:
        flip(archived, f"{begin}.release.json")
        mendable[f"{begin}.release.json"] = "wrong_content"
    else:
        key = f"{begin}.tar.xz.asc" if how == 8 else f"{begin}.bak"
        archived.store.add(key, b"ghost")
        lasting[key] = "foreign"


def claim_without_end(archived: Archived, lasting: Planted) -> None:
    """Let module3 have a release that was claimed and stored, and never published; and one that was only claimed."""
    for version in ("1.2.8", "1.2.9"):
        archived.execute(
            update(Release).where(Release.module_id == 3, Release.version == version).values(published_at=None)
        )
    lasting["sources/module3/1.2/module3-1.2.8.tar.xz"] = "unfinished"
    for ext in ("tar.xz", "news", "sha256sum", "release.json"):
        archived.store.remove(f"sources/module3/1.2/module3-1.2.9.{ext}")
    # Its indexes are as the rows say: nobody reads these two.
    archived.store.remove("sources/module3/cache.json")
    assert archived.type("reindex", "module3").returncode == 0
    lasting["sources/module3/1.2/LATEST-IS-1.2.9"] = "foreign"


def reconcile(archived: Archived, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = archived.type("reconcile", "--all", "--json", *words)
    said = json.loads(done.stdout)
    assert said["left"] == len([found for found in said["findings"] if not found["mended"]])
    return done.returncode, said["findings"]


def kinds(findings: list[dict[str, Any]]) -> Planted:
    assert len({found["key"] for found in findings}) == len(findings)
    return {found["key"]: found["kind"] for found in findings}


def test_every_corruption_is_named_and_what_the_database_holds_is_mended(archived: Archived) -> None:
    assert reconcile(archived) == (0, [])
    before = archived.objects()
    mendable, lasting = plant(archived)
    assert len(mendable) + len(lasting) >= 100
    broken = archived.objects()
    status, findings = reconcile(archived)
    assert (status, kinds(findings)) == (1, mendable | lasting)
    assert archived.objects() == broken
    status, findings = reconcile(archived, "--fix")
    assert (status, kinds(findings)) == (1, mendable | lasting)
    assert {found["key"] for found in findings if found["mended"]} == mendable.keys()
    after = archived.objects()
    assert {key: after[key] for key in mendable} == {key: before[key] for key in mendable}
    assert {key: after.get(key) for key in lasting} == {key: broken.get(key) for key in lasting}
    rows = [row["detail"] for row in archived.uploads.audited() if row["act"] == "reconcile"]
    assert {key for row in rows for key in row.get("keys", [row.get("key")])} == mendable.keys()
    assert kinds(reconcile(archived, "--fix")[1]) == lasting
    assert archived.objects() == after


@pytest.mark.parametrize("archived", ["embedded"], indirect=True)
def test_a_release_that_only_the_bucket_knows_is_named_and_adopted_while_nobody_uploads(archived: Archived) -> None:
    lost = select(Release.id).where(Release.module_id == 1, Release.version == "1.0.4").scalar_subquery()
    (digest,) = {row["sha256"] for name, row in archived.facts().items() if name == "module1 1.0.4"}
    before, facts = archived.objects(), archived.facts()
    for table in (ReleaseFile, FollowUp):
        archived.execute(delete(table).where(table.release_id == lost))
    archived.execute(delete(Release).where(Release.id == lost))
    archived.execute(delete(ClaimedDigest).where(ClaimedDigest.sha256 == digest))
    expected = {f"{ONE}/module1-1.0.4.release.json": "unrecorded", f"{ONE}/index.html": "wrong_index"}
    expected["sources/module1/cache.json"] = "wrong_index"
    for words in ((), ("--fix",)):
        assert kinds(reconcile(archived, *words)[1]) == expected
    assert archived.objects() == before
    assert archived.type("reindex", "module1").returncode == 1
    assert archived.objects() == before
    assert archived.type(*OFF).returncode == 0
    status, findings = reconcile(archived, "--fix")
    assert (status, [found["kind"] for found in findings]) == (0, ["unrecorded"])
    assert (archived.objects(), archived.facts() | {"digests": []}) == (before, facts | {"digests": []})


@pytest.mark.parametrize("archived", ["embedded"], indirect=True)
def test_of_a_name_that_nobody_knows_is_not_said_that_all_is_well(archived: Archived) -> None:
    done = archived.type("reconcile", "gkt")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Neither database nor store knows gkt." in done.stderr


@pytest.mark.parametrize("archived", ["embedded"], indirect=True)
def test_what_cannot_be_looked_at_is_said(archived: Archived) -> None:
    assert archived.type("reconcile").returncode == 2
    assert archived.type("reindex", "module1", "--all").returncode == 2
    assert archived.type("reindex", "nothing").returncode == 3
    url = f"postgresql+psycopg://tests@127.0.0.1:{components.free_port()}/x"
    archived.environment["RELEASE_SERVICE_DATABASE_URL"] = url
    for words in (("reconcile", "--all"), ("reindex", "--all"), ("rebuild",)):
        assert archived.type(*words).returncode == 4
