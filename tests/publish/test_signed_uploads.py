"""A signature that comes with the tarball: good ones are published beside it, others refuse the whole upload."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from registry import ASC, DIRECTORY, GOOD, NAME, People, fingerprint, signature
from release_service.openpgp import armour
from signatures import NOW, SHA1, SIGNED, forged, framed, seconds, sub

pytestmark = pytest.mark.slow

BAD_POLICY = "signature_required"


@pytest.fixture
def people(signers: People) -> People:
    """Bob signs for gtk."""
    return signers


def post(people: People, *fields: tuple[str, Any]) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {people.uploads.token(NAME)}", "Accept": "application/json"}
    files: Any = list(fields)
    return people.uploads.http.post("/install-module-release", headers=headers, files=files)


def put(people: People, sent: bytes | None = None, *, header: str | None = None) -> httpx2.Response:
    said = {"Authorization": f"Bearer {people.token('bob')}", "Accept": "application/json"}
    if sent is not None:
        said["Signature-OpenPGP"] = f":{base64.b64encode(sent).decode()}:"
    if header is not None:
        said["Signature-OpenPGP"] = header
    return people.uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=said)


TARBALL = ("tarball", (NAME, GOOD))
SIGNATURES: dict[str, Callable[[People], httpx2.Response]] = {
    "in the form, after the tarball": lambda people: post(people, TARBALL, ("signature", (f"{NAME}.asc", signature()))),
    "in the form, before it, as text": lambda people: post(people, ("signature", (None, signature())), TARBALL),
    "in the header": lambda people: put(people, signature()),
    "in the header, binary": lambda people: put(people, framed(forged("bob").sign(GOOD))),
}


@pytest.mark.parametrize("policy", ["optional", "required"])
@pytest.mark.parametrize("way", SIGNATURES)
def test_a_good_signature_is_published_beside_the_tarball(people: People, way: str, policy: str) -> None:
    people.ask("PATCH", "/api/v1/modules/gtk", "carol", {"signatures": policy})
    answer = SIGNATURES[way](people)
    assert answer.status_code == 201, answer.text
    assert answer.json()["signature_url"].endswith(f"/{ASC}")
    assert people.uploads.read(ASC).decode() == armour.write(framed(forged("bob").sign(GOOD)), armour.SIGNATURE)
    told = json.loads(people.uploads.read(f"{DIRECTORY}/gtk-4.18.1.release.json"))["signature"]
    assert (told["name"], told["fingerprint"], told["signing_fingerprint"]) == (
        f"{NAME}.asc",
        fingerprint("bob"),
        fingerprint("bob"),
    )
    assert told["signed"] == f"{SIGNED:%Y-%m-%dT%H:%M:%SZ}"
    assert "@" not in people.uploads.read(f"{DIRECTORY}/gtk-4.18.1.release.json").decode()
    assert f"{NAME}.asc".encode() in people.uploads.read(f"{DIRECTORY}/index.html")
    assert f"{NAME}.asc" in json.loads(people.uploads.read("sources/gtk/cache.json"))[3]["4.18"]
    assert b".asc" not in people.uploads.read(f"{DIRECTORY}/gtk-4.18.1.sha256sum")


def test_what_is_published_is_written_anew_and_not_what_was_sent(people: People) -> None:
    sent = signature().replace(b"\n\n", b"\nComment: buy here\n\n", 1)
    assert put(people, sent).status_code == 201
    assert b"buy" not in people.uploads.read(ASC)


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no signature at all": (b"hello", 422, "bad_signature"),
    "of other bytes": (signature(data=b"other"), 422, "signature_does_not_match"),
    "weak": (signature(digest=SHA1), 422, "weak_signature"),
    "by nobody": (signature("eve"), 403, "signature_not_trusted"),
    "by the maintainer of another module": (signature("dora"), 403, "signature_not_trusted"),
    "by a key that is too new": (signature("alice"), 403, "signing_key_waits"),
}


@pytest.mark.parametrize("sent", REFUSED)
@pytest.mark.parametrize("way", ["form", "header"])
def test_any_other_signature_refuses_the_upload_and_nothing_is_left(people: People, sent: str, way: str) -> None:
    content, status, code = REFUSED[sent]
    rows, stored = people.uploads.rows(), people.uploads.stored()
    answer = post(people, TARBALL, ("signature", ("x", content))) if way == "form" else put(people, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    after = people.uploads.rows() | {"upload_leases": rows["upload_leases"]}
    assert (after, people.uploads.stored(), people.uploads.staged()) == (rows, stored, [])
    assert people.uploads.audited()[-1]["code"] == code


def removed(people: People) -> None:
    people.ask("DELETE", f"/api/v1/keys/{fingerprint('bob')}", "bob")


def revoked(people: People) -> None:
    people.ask("POST", "/api/v1/keys", "bob", forged("bob").certificate(direct=forged("bob").revoke()))


def no_maintainer(people: People) -> None:
    people.ask("DELETE", "/api/v1/modules/gtk/maintainers/sub-bob", "carol")


def blocked(people: People) -> None:
    body = {"issuer": people.sso.issuer, "subject": "sub-bob", "reason": "lost the laptop"}
    assert people.ask("PUT", "/api/v1/modules/*/block", "carol", body).is_success


LOST: dict[str, tuple[Callable[[People], None], str]] = {
    "removed": (removed, "signature_not_trusted"),
    "revoked": (revoked, "signing_key_not_usable"),
    "of no maintainer any more": (no_maintainer, "signature_not_trusted"),
    "of somebody blocked": (blocked, "signature_not_trusted"),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_key_that_may_sign_no_more_does_not(people: People, lost: str) -> None:
    do, code = LOST[lost]
    do(people)
    answer = post(people, TARBALL, ("signature", ("x", signature())))
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert people.uploads.stored() == []


def test_where_a_signature_is_required_nothing_comes_without_one(people: People) -> None:
    people.ask("PATCH", "/api/v1/modules/gtk", "carol", {"signatures": "required"})
    for answer in (post(people, TARBALL), put(people)):
        assert (answer.status_code, answer.json()["code"]) == (422, BAD_POLICY)
    assert people.uploads.stored() == []
    asked = {"filename": NAME}
    for signed, accepted in ((False, False), (True, True)):
        verdict = people.ask("POST", "/api/v1/check", "bob", asked | {"signed": signed}).json()
        assert verdict["accepted"] == accepted


@pytest.mark.parametrize("header", ["x", ":x:", ":====:", "::", ":" + 44_000 * "A" + ":"])
def test_a_header_that_holds_no_base64_or_a_novel_is_refused(people: People, header: str) -> None:
    answer = put(people, header=header)
    assert answer.status_code in {400, 413}
    assert people.uploads.stored() == []


def test_the_same_bytes_again_with_their_signature_are_as_they_were(people: People) -> None:
    assert [put(people, signature()).status_code for _ in range(2)] == [201, 200]
    published = next(row for row in people.uploads.audited() if row["code"] == "published")
    assert published["detail"]["fingerprint"] == fingerprint("bob")
    other = put(people, signature(hashed=[forged("bob").names_itself, sub(2, seconds(NOW))]))
    assert (other.status_code, other.json()["code"]) == (409, "already_signed")
    assert people.uploads.read(ASC) == signature()
    assert put(people, signature(data=b"other")).status_code == 422


def test_the_same_bytes_again_bring_a_signature_that_was_forgotten(people: People) -> None:
    assert [put(people).status_code, put(people, signature()).status_code] == [201, 200]
    assert people.uploads.read(ASC) == signature()
    assert f"{NAME}.asc".encode() in people.uploads.read(f"{DIRECTORY}/index.html")


def test_any_maintainer_asks_for_signatures_and_only_an_administrator_does_without(people: People) -> None:
    """Else whoever has taken one account over needs no key."""

    def set_to(policy: str, who: str) -> int:
        answer = people.ask("PATCH", "/api/v1/modules/gtk", who, {"signatures": policy})
        if not answer.is_success:
            assert (answer.json()["code"], "administrator" in answer.json()["next"]) == ("may_not_manage", True)
        return answer.status_code

    assert set_to("optional", "bob") == 403
    assert set_to("required", "bob") == 200
    assert [set_to(policy, who) for who in ("bob", "rita") for policy in ("optional", "")] == [403] * 4
    assert set_to("required", "bob") == 200
    assert [set_to(policy, "carol") for policy in ("optional", "")] == [200, 200]
