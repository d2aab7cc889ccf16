"""A service with an SSO: carol is an administrator, rita of the release team, others are nobody in particular."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from builders import a_tarball
from persons import StandInSso
from release_service import verify
from release_service.demo.gitlab import StandInGitLab
from release_service.demo.issuer import Claims
from release_service.errors import StoreUnavailable
from release_service.openpgp import armour
from release_service.store import Document, ReleaseStore
from signatures import forged, framed
from uploads import Environment, Uploads, make_uploads

GROUPS = {"carol": ["/sysadmin"], "rita": ["release-team"]}


@dataclass(frozen=True, slots=True)
class People:
    """Who speaks to `uploads`, by name; each has an address at gnome.example."""

    uploads: Uploads
    sso: StandInSso

    def token(self, who: str, **claims: Any) -> str:
        groups = GROUPS.get(who, [])
        said: Claims = {"sub": f"sub-{who}", "preferred_username": who, "email": f"{who}@gnome.example"}
        return self.sso.token(groups=groups, **said | claims)

    def ask(self, method: str, path: str, who: str = "", body: object = None) -> httpx2.Response:
        """Ask as *who*; *body* is sent as it is if it is bytes, else as JSON."""
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self.token(who)}"} if who else {})
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        return self.uploads.http.request(method, path, headers=headers, content=content)

    def maintain(self, module: str, *names: str) -> None:
        """Let *names* maintain *module*, by carol's word."""
        self.ask("PUT", f"/api/v1/modules/{module}", "carol", {})
        for name in names:
            added = self.ask("POST", f"/api/v1/modules/{module}/maintainers", "carol", {"subject": f"sub-{name}"})
            assert added.is_success, added.text
            assert self.ask("GET", "/api/v1/whoami", name).is_success  # now the address is known


@contextmanager
def make_people(environment: Environment, gitlab: StandInGitLab, **changes: Any) -> Iterator[People]:
    """Build a service over *environment* with an SSO; *changes* are further settings."""
    sso = StandInSso()
    with make_uploads(environment, gitlab, sso_issuer=sso.issuer, **changes) as uploads:
        yield People(uploads, sso)
    sso.stop()


NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME, NEWS="1\n2\n3\n4\n")
DIRECTORY = "sources/gtk/4.18"
ASC = f"{DIRECTORY}/{NAME}.asc"


def fingerprint(name: str) -> str:
    """Return the fingerprint of the forged key of that name."""
    return forged(name).fingerprint.hex().upper()


def signature(name: str = "bob", data: bytes = GOOD, **how: Any) -> bytes:
    """Return a signature over *data* by the forged key of that name, in armour."""
    return armour.write(framed(forged(name).sign(data, **how)), armour.SIGNATURE).encode()


@contextmanager
def make_signers(environment: Environment, gitlab: StandInGitLab, **changes: Any) -> Iterator[People]:
    """Make people: bob, whose key may sign, and alice, whose key is new, maintain gtk; dora and eric maintain glib."""
    with make_people(environment, gitlab, **changes) as made:
        made.maintain("gtk", "bob", "alice")
        made.maintain("glib", "dora", "eric")
        for name in ("bob", "alice", "dora"):
            assert made.ask("POST", "/api/v1/keys", name, forged(name).certificate()).status_code == 201
        for name, other in (("bob", "alice"), ("dora", "eric")):
            assert made.ask("POST", f"/api/v1/keys/{fingerprint(name)}/consent", other).is_success
        yield made


class Interrupted:
    """A store in which something happens, once: when a key that ends in *ending* is written to, before or after."""

    def __init__(self, store: ReleaseStore, ending: str, happens: Callable[[], object], *, after: bool) -> None:
        self._store, self._ending, self._happens, self._after = store, ending, happens, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def add(self, key: str, content: bytes) -> None:
        self._interrupt(key, lambda: self._store.add(key, content))

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        self._interrupt(key, lambda: self._store.replace(key, content, expected=expected))

    def _interrupt(self, key: str, write: Callable[[], None]) -> None:
        is_now, self._ending = key.endswith(self._ending), self._ending if not key.endswith(self._ending) else "\n"
        if is_now and not self._after:
            self._happens()
        write()
        if is_now and self._after:
            self._happens()


def goes_down() -> None:
    """Be a store that does not answer."""
    raise StoreUnavailable("down")


@contextmanager
def interrupted(
    people: People, ending: str, happens: Callable[[], object] = goes_down, *, after: bool = False
) -> Iterator[None]:
    """Let *happens* happen once, at the write to what ends in *ending*."""
    parts, app = people.uploads.parts, people.uploads.http.app
    store: Any = Interrupted(parts.service.store, ending, happens, after=after)
    app.state.parts = replace(parts, service=replace(parts.service, store=store))  # type: ignore[attr-defined]
    yield
    app.state.parts = parts  # type: ignore[attr-defined]


def put(people: People, who: str, sent: bytes | None = None) -> httpx2.Response:
    """Send the tarball as *who*, with the signature *sent*, if any."""
    headers = {"Authorization": f"Bearer {people.token(who)}", "Accept": "application/json"}
    if sent is not None:
        headers["Signature-OpenPGP"] = f":{base64.b64encode(sent).decode()}:"
    return people.uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers)


def assert_consistent(people: People) -> None:
    """Hold that the tree is what the database says, and that the indexes name the signature if and only if it is."""
    service = people.uploads.parts.service
    verified = verify.published(service.transactions, service.store, verify.Scope(), verify.BEGINNING, 1)
    assert [finding for release in verified for finding in release.findings] == []
    assert list(verify.foreign(service.transactions, service.store, verify.Scope())) == []
    is_signed = ASC in people.uploads.stored()
    assert (f"{NAME}.asc".encode() in people.uploads.read(f"{DIRECTORY}/index.html")) == is_signed
    assert (f"{NAME}.asc" in json.loads(people.uploads.read("sources/gtk/cache.json"))[3]["4.18"]) == is_signed
