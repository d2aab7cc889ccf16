"""A signature that a maintainer adds to what CI has published."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select

from registry import ASC, DIRECTORY, GOOD, NAME, People, fingerprint, signature
from release_service.db.tables import Maintainer
from release_service.errors import StoreUnavailable
from release_service.finish import finish_signatures
from release_service.store import Document
from release_service.store.local import LocalStore
from signatures import NOW, SHA1, forged, seconds, sub

pytestmark = pytest.mark.slow

SIGNATURE = "/api/v1/releases/gtk/4.18.1/signature"
LATER = [forged("bob").names_itself, sub(2, seconds(NOW))]


@pytest.fixture
def people(signers: People) -> People:
    """CI has published gtk, which bob may sign for."""
    assert signers.uploads.post(NAME, GOOD).status_code == 201
    return signers


def sign(people: People, sent: bytes | None = None, who: str = "bob") -> httpx2.Response:
    return people.ask("PUT", SIGNATURE, who, signature() if sent is None else sent)


def test_it_is_published_beside_the_tarball_and_the_indexes_name_it(people: People) -> None:
    before = json.loads(people.uploads.read(f"{DIRECTORY}/gtk-4.18.1.release.json"))
    answer = sign(people)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["fingerprint"], answer.json()["signature_url"].endswith(ASC)) == (fingerprint("bob"), True)
    assert people.uploads.read(ASC) == signature()
    after = json.loads(people.uploads.read(f"{DIRECTORY}/gtk-4.18.1.release.json"))
    assert after.pop("signature")["fingerprint"] == fingerprint("bob")
    assert after == before
    assert f"{NAME}.asc".encode() in people.uploads.read(f"{DIRECTORY}/index.html")
    assert f"{NAME}.asc" in json.loads(people.uploads.read("sources/gtk/cache.json"))[3]["4.18"]
    row = people.uploads.audited()[-1]
    assert (row["act"], row["code"], row["subject"], row["version"]) == ("sign", "signed", "sub-bob", "4.18.1")


def test_a_new_maintainer_with_an_old_key_waits_unless_an_administrator_has_named_them(people: People) -> None:
    """Whoever has taken bob's account over would let somebody in whose key has waited long ago."""
    gtk = "/api/v1/modules/gtk/maintainers"
    assert people.ask("POST", gtk, "bob", {"subject": "sub-dora"}).is_success
    refused = sign(people, signature("dora"), "dora")
    assert (refused.status_code, refused.json()["code"]) == (403, "signing_key_waits")
    since = datetime.now(UTC) + timedelta(hours=72)
    assert f"may sign for gtk from {since:%F}" in refused.json()["detail"]
    assert "administrator" in refused.json()["next"]
    assert ASC not in people.uploads.stored()
    assert people.ask("POST", gtk, "carol", {"subject": "sub-dora"}).json()["changes"]
    assert sign(people, signature("dora"), "dora").status_code == 201


def test_a_new_maintainer_signs_when_they_have_been_one_for_as_long_as_a_key_waits(people: People) -> None:
    people.ask("POST", "/api/v1/modules/gtk/maintainers", "bob", {"subject": "sub-dora"})
    with people.uploads.parts.service.transactions.begin() as session:
        for maintainer in session.scalars(select(Maintainer).where(~Maintainer.by_administrator)):
            maintainer.created_at -= timedelta(hours=73)
    assert sign(people, signature("dora"), "dora").status_code == 201


def test_the_same_signature_again_is_good_and_another_is_refused(people: People) -> None:
    assert [sign(people).status_code for _ in range(2)] == [201, 200]
    refused = sign(people, signature(hashed=LATER))
    assert (refused.status_code, refused.json()["code"]) == (409, "already_signed")
    assert people.uploads.read(ASC) == signature()


REFUSED: dict[str, tuple[bytes, str, int, str]] = {
    "of other bytes": (signature(data=b"other"), "bob", 422, "signature_does_not_match"),
    "by a key that is too new": (signature("alice"), "alice", 403, "signing_key_waits"),
    "by another module's maintainer": (signature("dora"), "bob", 403, "signature_not_trusted"),
    "sent by another module's maintainer": (signature(), "dora", 403, "not_a_maintainer"),
    "sent by nobody": (signature(), "", 401, "not_authenticated"),
    "too long": (b"x" * 17_000, "bob", 422, "bad_signature"),
    "endless": (b"x" * 70_000, "bob", 413, "too_large"),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_any_other_is_refused_and_leaves_nothing(people: People, refused: str) -> None:
    content, who, status, code = REFUSED[refused]
    rows, stored = people.uploads.rows(), people.uploads.stored()
    index = people.uploads.read(f"{DIRECTORY}/index.html")
    answer = sign(people, content, who)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (people.uploads.rows(), people.uploads.stored(), people.uploads.staged()) == (rows, stored, [])
    assert people.uploads.read(f"{DIRECTORY}/index.html") == index


@pytest.mark.parametrize("path", ["gtk/4.18.2", "gtk/..", "glib/4.18.1", "GTK/4.18.1", "gtk/%00"])
def test_what_is_not_published_is_not_signed(people: People, path: str) -> None:
    for method, end in (("PUT", "/signature"), ("GET", "")):
        answer = people.ask(method, f"/api/v1/releases/{path}{end}", "bob", signature() if method == "PUT" else None)
        assert answer.status_code == 404


def test_everybody_may_read_what_is_known_of_a_release(people: People) -> None:
    sign(people)
    known = people.ask("GET", "/api/v1/releases/gtk/4.18.1").json()
    assert (known["tarball"]["name"], known["signature"]["fingerprint"]) == (NAME, fingerprint("bob"))
    assert known["url"].endswith(f"/{DIRECTORY}/{NAME}")


def test_bytes_that_are_not_those_that_were_published_are_not_signed(people: People) -> None:
    store = people.uploads.parts.service.store
    key = f"{DIRECTORY}/{NAME}"
    if isinstance(store, LocalStore):
        (store.root / key).write_bytes(b"other")
    else:
        store.replace(key, b"other", expected=store.read(key))
    assert sign(people, signature(data=b"other")).status_code == 503
    assert ASC not in people.uploads.stored()


class _Counting(LocalStore):
    """A directory that counts how often a large file is read."""

    reads = 0

    def pieces(self, key: str) -> Iterator[bytes]:
        self.reads += 1
        return super().pieces(key)


@pytest.mark.parametrize("signers", ["embedded"], indirect=True)
def test_the_tarball_is_fetched_for_a_signature_by_a_key_that_may_sign_alone(people: People) -> None:
    parts = people.uploads.parts
    assert isinstance(parts.service.store, LocalStore)
    counting = _Counting(parts.service.store.root)
    people.uploads.http.app.state.parts = replace(parts, service=replace(parts.service, store=counting))  # type: ignore[attr-defined]
    for sent in (b"garbage", signature("alice"), signature("dora"), signature(digest=SHA1)):
        assert sign(people, sent).status_code in {403, 422}
    assert counting.reads == 0
    assert sign(people).status_code == 201
    assert (counting.reads, people.uploads.staged()) == (1, [])


@pytest.mark.parametrize("signers", ["embedded"], indirect=True)
def test_the_copy_of_the_tarball_is_in_the_staging_directory(people: People) -> None:
    staging = people.uploads.parts.settings.staging
    shutil.rmtree(staging)
    staging.write_text("no directory")
    assert sign(people).status_code == 503
    staging.unlink()
    assert sign(people).status_code == 201


class _Failing(LocalStore):
    """A directory that cannot be written to once, at the nth attempt."""

    left = 0

    def add(self, key: str, content: bytes) -> None:
        self._count()
        super().add(key, content)

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        self._count()
        super().replace(key, content, expected=expected)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise StoreUnavailable("down")


@pytest.mark.parametrize("signers", ["embedded"], indirect=True)
@pytest.mark.parametrize("nth", range(1, 5))
def test_what_a_failure_interrupts_is_finished_although_another_signature_comes(people: People, nth: int) -> None:
    parts = people.uploads.parts
    assert isinstance(parts.service.store, LocalStore)
    failing = _Failing(parts.service.store.root)
    failing.left = nth
    people.uploads.http.app.state.parts = replace(parts, service=replace(parts.service, store=failing))  # type: ignore[attr-defined]
    assert sign(people).status_code == 503
    people.uploads.http.app.state.parts = parts  # type: ignore[attr-defined]
    assert sign(people, signature(hashed=LATER)).status_code == 409
    finish_signatures(replace(parts.service, now=lambda: datetime.now(UTC) + timedelta(minutes=2)))
    assert people.uploads.read(ASC) == signature()
    assert f"{NAME}.asc".encode() in people.uploads.read(f"{DIRECTORY}/index.html")
    assert f"{NAME}.asc" in json.loads(people.uploads.read("sources/gtk/cache.json"))[3]["4.18"]
