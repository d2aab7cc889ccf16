"""A digest never gets a second name: not at once, not later, not that of a release from the old archive."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from builders import a_tarball
from release_service import checksum
from release_service.db import modules, releases
from release_service.db.tables import Release
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import DigestKnown
from release_service.tarball import TarballName
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow

NAME, OTHER_MODULE, OTHER_VERSION = "gtk-4.18.1.tar.xz", "glib-4.18.1.tar.xz", "gtk-4.18.2.tar.xz"
GOOD = a_tarball(NAME)
SHA256 = checksum.digest(GOOD)
ALL = ("xz", "gz")


def claim(uploads: Uploads, filename: str, sha256: str = SHA256) -> bool:
    """Claim *filename* in a transaction of its own; return whether these bytes may have that name."""
    name, now = TarballName.parse(filename, ALL), datetime.now(UTC)
    nothing: dict[str, Any] = {"archive": {"warnings": []}, "proof": {"kind": "tests"}, "files": {}, "texts": {}}
    try:
        with uploads.parts.service.transactions.begin() as session:
            module = modules.ensure(session, name.module, now)
            releases.claim(session, module, name, size=1, sha256=sha256, now=now, **nothing)
    except DigestKnown:
        return False
    return True


def left(uploads: Uploads) -> object:
    """Return all that an upload may leave behind."""
    return uploads.stored(), uploads.rows(), uploads.staged()


def refused(uploads: Uploads, answer: httpx2.Response, before: object) -> None:
    assert (answer.status_code, "(digest_known)" in answer.text) == (409, True), answer.text
    assert SHA256 in answer.text
    assert NAME in answer.text
    assert left(uploads) == before


def check(uploads: Uploads, filename: str) -> list[str]:
    headers = {"Authorization": f"Bearer {uploads.token(filename)}", "Accept": "application/json"}
    offer = {"filename": filename, "sha256": SHA256}
    return [
        reason["code"] for reason in uploads.http.post("/api/v1/check", headers=headers, json=offer).json()["reasons"]
    ]


def test_published_bytes_get_no_second_name_and_the_refusal_says_the_first(uploads: Uploads) -> None:
    assert uploads.post(NAME, GOOD).status_code == 201
    before = left(uploads)
    for other in (OTHER_MODULE, OTHER_VERSION):
        assert check(uploads, other) == ["digest_known"]
        refused(uploads, uploads.post(other, GOOD), before)
    assert check(uploads, NAME) == []
    assert uploads.post(NAME, GOOD).status_code == 200


def test_claimed_bytes_get_no_second_name_and_can_still_be_finished(uploads: Uploads) -> None:
    uploads.post(OTHER_VERSION, a_tarball(OTHER_VERSION))  # pins the module
    assert claim(uploads, NAME)
    before = left(uploads)
    refused(uploads, uploads.post("gtk-4.18.3.tar.xz", GOOD), before)
    assert uploads.post(NAME, GOOD).status_code == 201


def test_a_name_that_is_taken_is_told_before_the_bytes_other_name(uploads: Uploads) -> None:
    uploads.post(NAME, GOOD)
    uploads.post(OTHER_VERSION, a_tarball(OTHER_VERSION))
    for other in (OTHER_VERSION, "gtk-4.18.1.tar.gz"):
        assert check(uploads, other) == ["version_taken"]
        assert "(version_taken)" in uploads.post(other, GOOD).text


def test_of_two_names_for_the_same_bytes_claimed_at_once_one_is_taken(uploads: Uploads) -> None:
    names = [f"m{number}-1.{number}.tar.xz" for number in range(12)]
    with ThreadPoolExecutor(12) as together:
        won = list(together.map(lambda name: claim(uploads, name), names))
    assert sum(won) == 1
    rows = uploads.rows()
    assert (rows["releases"], rows["claimed_digests"]) == (1, 1)


def test_bytes_that_no_release_has_any_more_may_have_a_name_again(uploads: Uploads) -> None:
    claim(uploads, NAME)
    assert not claim(uploads, OTHER_MODULE)
    with uploads.parts.service.transactions.begin() as session:
        session.execute(update(Release).values(sha256="0" * 64))
    assert claim(uploads, OTHER_MODULE)


def test_twins_of_the_old_archive_stay_what_they_are(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    """Two imported releases of the same bytes: either is answered as before, and a third name is refused."""
    with make_uploads(environment_of("embedded"), gitlab) as uploads:
        for name in (NAME, OTHER_VERSION):
            uploads.post(name, a_tarball(name))
        with uploads.parts.service.transactions.begin() as session:
            session.execute(update(Release).values(sha256=SHA256))
        assert [uploads.post(name, GOOD).status_code for name in (NAME, OTHER_VERSION)] == [200, 200]
        assert check(uploads, OTHER_MODULE) == ["digest_known"]
