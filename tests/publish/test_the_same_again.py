"""Idempotency, races, and one token for one tarball."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from builders import a_tarball
from release_service import checksum
from release_service.db.tables import TokenUse
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)
OTHER = a_tarball(NAME, salt="other")


def test_the_same_bytes_again_get_the_same_answer_with_200(uploads: Uploads) -> None:
    first, again = uploads.post(NAME, GOOD), uploads.post(NAME, GOOD)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.text == again.text


def test_other_bytes_are_refused_naming_both_digests_and_change_nothing(uploads: Uploads) -> None:
    uploads.post(NAME, GOOD)
    keys, rows = uploads.stored(), uploads.rows()
    answer = uploads.post(NAME, OTHER)
    assert answer.status_code == 409
    assert checksum.digest(GOOD) in answer.text
    assert checksum.digest(OTHER) in answer.text
    assert (uploads.stored(), uploads.rows(), uploads.staged()) == (keys, rows, [])
    assert uploads.read("sources/gtk/4.18/gtk-4.18.1.tar.xz") == GOOD


def test_a_version_in_another_compression_is_the_same_version(uploads: Uploads) -> None:
    uploads.post(NAME, GOOD)
    assert uploads.post("gtk-4.18.1.tar.gz", a_tarball("gtk-4.18.1.tar.gz")).status_code == 409


def test_of_the_same_bytes_sent_at_once_one_is_new_and_all_are_published(uploads: Uploads) -> None:
    with ThreadPoolExecutor(6) as together:
        answers = list(together.map(lambda _: uploads.post(NAME, GOOD), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert uploads.rows()["releases"] == 1


def test_of_different_bytes_sent_at_once_one_wins_and_the_others_are_told(uploads: Uploads) -> None:
    tarballs = [a_tarball(NAME, salt=str(number)) for number in range(6)]
    with ThreadPoolExecutor(6) as together:
        answers = list(together.map(lambda content: uploads.post(NAME, content), tarballs))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [201] + [409] * 5
    winner = tarballs[statuses.index(201)]
    assert uploads.read("sources/gtk/4.18/gtk-4.18.1.tar.xz") == winner
    assert uploads.rows()["releases"] == 1


def test_releases_of_one_module_at_once_are_all_in_its_index(uploads: Uploads) -> None:
    names = [f"gtk-4.{number // 3}.{number}.tar.xz" for number in range(12)]
    with ThreadPoolExecutor(6) as together:
        answers = list(together.map(lambda name: uploads.post(name, a_tarball(name)), names))
    assert {answer.status_code for answer in answers} == {201}
    cache, html = uploads.read("sources/gtk/cache.json"), uploads.read("sources/gtk/4.3/index.html")
    assert all(name.encode() in cache for name in names)
    assert all(name.encode() in html for name in names[9:])
    latest = sorted(key.rpartition("/")[2] for key in uploads.stored() if "LATEST" in key)
    assert latest == [f"LATEST-IS-4.{series}.{series * 3 + 2}" for series in range(4)]


def test_two_projects_that_claim_one_module_at_once_do_not_both_get_it(uploads: Uploads) -> None:
    def claim(number: int) -> int:
        name = f"gtk-4.18.{number}.tar.xz"
        return uploads.post(name, a_tarball(name), project_id=str(number)).status_code

    with ThreadPoolExecutor(4) as together:
        statuses = list(together.map(claim, range(1, 5)))
    assert sorted(statuses) == [201, 403, 403, 403]
    assert uploads.rows()["publishers"] == 1


def test_one_token_publishes_one_tarball(environment_of: Callable[[str], Environment], gitlab: StandInGitLab) -> None:
    """In a sandbox a branch may say any version, so only the token's use stands in the way."""
    with make_uploads(environment_of("embedded"), gitlab, sandbox=True) as uploads:
        token = uploads.token(NAME, ref="main", ref_type="branch", ref_protected="false", ref_path="refs/heads/main")
        assert uploads.post(NAME, GOOD, token=token).status_code == 201
        assert uploads.post(NAME, GOOD, token=token).status_code == 200
        keys, rows = uploads.stored(), uploads.rows()
        answer = uploads.post("gtk-4.18.2.tar.xz", a_tarball("gtk-4.18.2.tar.xz"), token=token)
        assert (answer.status_code, "token_already_used" in answer.text) == (403, True)
        assert (uploads.stored(), uploads.rows()) == (keys, rows)


def test_another_job_may_send_the_same_bytes(uploads: Uploads) -> None:
    assert [uploads.post(NAME, GOOD).status_code for _ in range(2)] == [201, 200]
    assert uploads.rows()["token_uses"] == 2


def test_fifty_uploads_at_once_with_one_token_are_one_release(uploads: Uploads) -> None:
    token = uploads.token(NAME)
    with ThreadPoolExecutor(50) as together:
        answers = list(together.map(lambda _: uploads.post(NAME, GOOD, token=token), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert {answer.text for answer in answers} == {answers[0].text}
    rows = uploads.rows()
    assert (rows["releases"], rows["token_uses"], rows["upload_leases"]) == (1, 1, 0)
    codes = sorted(row["code"] for row in uploads.audited() if row["act"] == "upload" and row["code"] != "claimed")
    assert codes == ["published"] + ["same_again"] * 49


def test_a_used_token_is_refused_for_other_bytes_and_for_another_version_and_good_for_a_retry(uploads: Uploads) -> None:
    later = "gtk-4.18.2.tar.xz"
    with_both = uploads.gitlab.token("GNOME/gtk", "4.18.1")
    assert uploads.post(NAME, GOOD, token=with_both).status_code == 201
    keys, rows = uploads.stored(), uploads.rows()
    assert uploads.post(NAME, OTHER, token=with_both).status_code == 409
    assert uploads.post(later, a_tarball(later), token=with_both).status_code == 403
    assert (uploads.stored(), uploads.rows()) == (keys, rows)
    assert uploads.post(NAME, GOOD, token=with_both).status_code == 200
    # A token whose tag pattern would let it say two versions is still bound to the first.
    with uploads.parts.service.transactions.begin() as session:
        use = session.scalars(select(TokenUse)).one()
        assert (use.filename, use.sha256) == (NAME, checksum.digest(GOOD))
