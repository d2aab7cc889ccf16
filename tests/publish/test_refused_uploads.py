"""What is refused, with which code, and that nothing is left behind."""

import gzip
import hashlib
import lzma
import os
from typing import Any

import pytest

from builders import a_tarball, compress, tar
from release_service import errors
from uploads import Uploads

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)


def nothing_is_left(uploads: Uploads) -> None:
    assert uploads.stored() == []
    assert set(uploads.rows().values()) == {0}
    assert uploads.staged() == []


@pytest.fixture(autouse=True)
def _left_behind(uploads: Uploads) -> Any:
    yield
    nothing_is_left(uploads)


CLAIMS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unprotected tag": ({"ref_protected": "false"}, 403, "tag_not_protected"),
    "protected as a boolean": ({"ref_protected": True}, 403, "tag_not_protected"),
    "branch": ({"ref_type": "branch", "ref_path": "refs/heads/4.18.1"}, 403, "tag_not_protected"),
    "other tag": ({"tag": "4.18.2"}, 403, "tag_says_other_version"),
    "merge request": ({"pipeline_source": "merge_request_event"}, 403, "pipeline_source_not_accepted"),
    "fork": ({"job_project_id": "9"}, 403, "fork_pipeline"),
    "developer": ({"user_access_level": "developer"}, 403, "access_level_too_low"),
    "other project": ({"project": "GNOME/glib"}, 403, "not_authorized"),
    "other namespace": ({"project": "gnome/gtk"}, 403, "not_authorized"),
    "other audience": ({"aud": "somebody-else"}, 401, "not_authenticated"),
    "list of audiences": ({"aud": ["gnome-release-service"]}, 401, "not_authenticated"),
    "other issuer": ({"iss": "https://gitlab.com"}, 401, "not_authenticated"),
    "expired": ({"exp": 1_700_000_000, "iat": 1_699_999_000}, 401, "token_expired"),
    "no job": ({"job_id": None}, 401, "not_authenticated"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_a_job_that_may_not_is_refused(uploads: Uploads, case: str) -> None:
    claims, status, code = CLAIMS[case]
    answer = uploads.post(NAME, GOOD, **claims)
    assert (answer.status_code, f"({code})" in answer.text) == (status, True), answer.text


NAMES = {
    "no-tarball.zip": (400, "bad_tarball_name"),
    "gtk-04.18.1.tar.xz": (400, "bad_tarball_name"),
    "gtk-4.18.1.tar.bz2": (415, "compression_not_accepted"),
    "con-1.0.tar.xz": (400, "bad_tarball_name"),
    "../gtk-4.18.1.tar.xz": (400, "bad_tarball_name"),
    "gtk-4.18.1.tar.xz ": (400, "bad_tarball_name"),
}


@pytest.mark.parametrize("filename", NAMES)
def test_a_file_that_is_not_named_as_a_release_is_refused(uploads: Uploads, filename: str) -> None:
    status, code = NAMES[filename]
    answer = uploads.post(filename, GOOD, token=uploads.token(NAME))
    assert (answer.status_code, f"({code})" in answer.text) == (status, True), answer.text


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "no compression at all": (tar({"a": b""}, "gtk-4.18.1"), "FORMAT"),
    "another compression": (gzip.compress(tar({"a": b""}, "gtk-4.18.1")), "FORMAT"),
    "cut off": (GOOD[:-40], "CORRUPT"),
    "other top directory": (compress("xz", tar({"a": b""}, "gtk-4.18.2")), "TOPDIR"),
    "leading dot": (compress("xz", tar({"a": b""}, "./gtk-4.18.1")), "TOPDIR"),
    "absolute": (compress("xz", tar({"a": b""}, "/gtk-4.18.1")), "PATH_ABS"),
    "upwards": (compress("xz", tar({"../../etc/passwd": b""}, "gtk-4.18.1")), "PATH_DOTDOT"),
    "junk after it": (GOOD + b"junk", "TRAILING"),
    "no archive inside": (lzma.compress(os.urandom(2048)), "CORRUPT"),
    "empty": (b"", "FORMAT"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_is_not_sound_is_refused(uploads: Uploads, case: str) -> None:
    content, rule = ARCHIVES[case]
    answer = uploads.post(NAME, content)
    assert (answer.status_code, f"[{rule}]" in answer.text) == (400, True), answer.text


def test_a_bomb_is_refused(uploads: Uploads) -> None:
    zeros = tar({"zeros": bytes(140 * 1024 * 1024)}, "gtk-4.18.1")
    answer = uploads.post(NAME, lzma.compress(zeros, preset=0))
    assert (answer.status_code, "[BOMB_RATIO]" in answer.text) == (400, True)


def test_bytes_that_are_not_those_the_sender_meant_are_refused(uploads: Uploads) -> None:
    headers = {"Authorization": f"Bearer {uploads.token(NAME)}", "Repr-Digest": f"sha-256=:{'A' * 43}=:"}
    answer = uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers)
    assert (answer.status_code, "(digest_mismatch)" in answer.text) == (422, True)
    assert hashlib.sha256(GOOD).hexdigest() in answer.text


def test_the_sha256_part_is_checked_also_when_it_comes_last(uploads: Uploads) -> None:
    headers = {"Authorization": f"Bearer {uploads.token(NAME)}"}
    files: Any = [("tarball", (NAME, GOOD)), ("sha256", (None, "0" * 64))]
    answer = uploads.http.post("/install-module-release", headers=headers, files=files)
    assert (answer.status_code, "(digest_mismatch)" in answer.text) == (422, True)


def test_a_bad_signature_is_refused_rather_than_ignored(uploads: Uploads) -> None:
    headers = {"Authorization": f"Bearer {uploads.token(NAME)}"}
    files: Any = [("tarball", (NAME, GOOD)), ("signature", ("x.asc", "-----BEGIN PGP"))]
    answer = uploads.http.post("/install-module-release", headers=headers, files=files)
    assert (answer.status_code, "(bad_signature)" in answer.text) == (422, True)


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c"])
def test_without_a_good_token_nothing_is_taken(uploads: Uploads, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = uploads.http.post("/install-module-release", headers=headers, files={"tarball": (NAME, GOOD)})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_what_asks_for_json_gets_problem_details(uploads: Uploads) -> None:
    headers = {"Authorization": f"Bearer {uploads.token(NAME, ref_protected='false')}", "Accept": "application/json"}
    answer = uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"].endswith("/errors/tag_not_protected")
    assert (problem["status"], problem["code"]) == (403, "tag_not_protected")
    assert {"title", "detail", "next"} <= set(problem)


def test_every_refusal_has_a_status_a_code_of_its_own_and_a_next_step() -> None:
    def kinds(kind: type[errors.Refused]) -> list[type[errors.Refused]]:
        return [kind, *(below for child in kind.__subclasses__() for below in kinds(child))]

    found = kinds(errors.Refused)
    codes = [kind.code for kind in found]
    assert len(set(codes)) == len(codes)
    assert all(kind.title and kind.remedy for kind in found)
