"""What clients send: a tarball by a job or a person, with a signature or not, or a signature alone."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from release_service import authorize, publish
from release_service.archive import Inspection
from release_service.authorize import Proven
from release_service.identity.gitlab import job_of
from release_service.identity.sso import Person
from release_service.openpgp import armour
from release_service.publish import Published, Service
from release_service.receive import ReceivedTarball, private_file
from release_service.store import Source
from release_service.tarball import TarballName
from release_service.version import Version
from signatures import forged, framed

GITLAB, SSO = "https://gitlab.example", "https://sso.example"
PROJECTS = {"gtk": "1665", "glib": "658"}


def named(release: str) -> TarballName:
    """Return the name of *release*'s tarball: ``gtk-4.18.1``."""
    module, _, version = release.rpartition("-")
    return TarballName(module, Version(version), "xz")


def job_of_project(name: TarballName, token_id: str) -> Proven:
    """Return the job of *name*'s project that runs for *name*'s tag."""
    tag, project = name.version.text, PROJECTS[name.module]
    claims = {
        "project_id": project,
        "project_path": f"GNOME/{name.module}",
        "namespace_id": "8",
        "job_id": "1",
        "pipeline_id": "1",
        "pipeline_source": "push",
        "ref": tag,
        "ref_type": "tag",
        "ref_protected": "true",
        "ref_path": f"refs/tags/{tag}",
        "user_login": "ada",
    }
    return job_of("gitlab-id-token", GITLAB, token_id, claims)


def person(login: str) -> Person:
    return Person(
        kind="sso",
        issuer=SSO,
        subject=f"sub-{login}",
        login=login,
        token_id="",
        provenance={"login": login},
        groups=frozenset(),
        email=f"{login}@gnome.example",
    )


def bytes_of(name: TarballName, salt: str = "") -> bytes:
    """Return what stands for a tarball: it was inspected before, and is moved about here only."""
    return f"the tarball of {name} {salt}".encode()


def signature(name: TarballName, by: str, salt: str = "") -> bytes:
    """Return the signature over `bytes_of` by the forged key of *by*."""
    return armour.write(framed(forged(by).sign(bytes_of(name, salt))), armour.SIGNATURE).encode()


class _Inspected:
    """An inspection that is over."""

    def __init__(self, name: TarballName) -> None:
        news = "".join(f"{line} of {name.release}\n" for line in range(5)).encode()
        self._found = Inspection(3, 100, (), {"NEWS": news}, f"100644 {'0' * 64}  {name.release}/NEWS\n".encode())

    def result(self, _size: int) -> Inspection:
        return self._found


@dataclass(frozen=True, slots=True)
class Upload:
    """Sends the bytes of `release` (another *salt*: other bytes), as `by`, or as a job with the token of `job_id`."""

    release: str
    salt: str = ""
    by: str = ""
    signed_by: str = ""
    job_id: str = "t1"

    @property
    def name(self) -> TarballName:
        return named(self.release)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(bytes_of(self.name, self.salt)).hexdigest()

    @property
    def names_signature(self) -> bool:
        return bool(self.signed_by)

    def send(self, service: Service) -> Published:
        with _received(service, self) as tarball:
            grant = _granted(service, self.name, self.by, self.job_id, is_signed=bool(self.signed_by))
            return publish.publish_release(service, tarball, grant)


@dataclass(frozen=True, slots=True)
class Sign:
    """Sends a signature alone."""

    release: str
    by: str
    salt: str = ""

    @property
    def name(self) -> TarballName:
        return named(self.release)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(bytes_of(self.name, self.salt)).hexdigest()

    @property
    def names_signature(self) -> bool:
        return True

    def send(self, service: Service) -> Published:
        grant = _granted(service, self.name, self.by, "", is_signed=True)
        return publish.add_signature(service, self.name, signature(self.name, self.by, self.salt), grant)


Request = Upload | Sign


def _granted(service: Service, name: TarballName, by: str, token_id: str, *, is_signed: bool) -> authorize.Grant:
    uploader = person(by) if by else job_of_project(name, f"{name.release} {token_id}")
    with service.transactions.read() as session:
        return authorize.authorize(session, uploader, name, service.policy, "request", is_signed=is_signed)


@contextmanager
def _received(service: Service, upload: Upload) -> Iterator[ReceivedTarball]:
    content = bytes_of(upload.name, upload.salt)
    sent = signature(upload.name, upload.signed_by, upload.salt) if upload.signed_by else None
    with private_file(service.staging) as file:
        file.write(content)
        inspected: Any = _Inspected(upload.name)
        source = Source(file, len(content), upload.sha256)
        yield ReceivedTarball(upload.name, source.file, source.size, source.sha256, inspected, sent)
