"""The tree as readers reach it: the service itself, or Varnish in front of the bucket; and what is published there."""

import contextlib
import hashlib
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import boto3
import httpx2

import components
from release_service.demo.gitlab import StandInGitLab

_VCL = Path(__file__).parent.parent / "fastly" / "twin.vcl.in"
_XKEY = "/usr/lib/*/varnish/vmods/libvmod_xkey.so"
# 256 surrogate keys are one header.
_HEADER_BYTES = 16 * 1024
_LONGEST_RUN_S = 300
_OPTIONS = ["-j", "none", "-s", "malloc,64m"]
_PARAMETERS = {
    "default_ttl": "60",
    "http_gzip_support": "off",
    "http_req_hdr_len": str(_HEADER_BYTES + 64),
    "http_req_size": str(3 * _HEADER_BYTES),
    "workspace_client": str(16 * _HEADER_BYTES),
}

FASTLY_SERVICE_ID = "twin"
FASTLY_TOKEN = "purges-the-twin-0123456789"  # noqa: S105 - the twin's; `tests/run` looks for it in the logs


class Twin(NamedTuple):
    """Where readers ask, and where Fastly's purge API is."""

    cdn_url: str
    api_url: str


@dataclass(frozen=True, slots=True)
class Front:
    """Where readers ask, and how the front is made to forget what it keeps (a purge of all)."""

    url: str
    forget: Callable[[], None]


@contextlib.contextmanager
def twin(home: Path, s3_url: str, bucket: str) -> Iterator[Twin]:
    """Run Varnish on loopback, in *home*, as the Fastly service of *bucket* (FASTLY_SERVICE_ID, FASTLY_TOKEN)."""
    varnishd = components.needs("varnishd", "varnish")
    components.needs_file(_XKEY, "varnish-modules")
    s3 = urlsplit(s3_url)
    places = {"HOST": s3.hostname, "PORT": s3.port, "BUCKET": bucket, "HOME": home}
    text = _VCL.read_text()
    for name, value in (places | {"SERVICE": FASTLY_SERVICE_ID, "TOKEN": FASTLY_TOKEN}).items():
        text = text.replace(f"@{name}@", str(value))
    vcl = home / "front.vcl"
    vcl.write_text(text)
    made = Twin(*(f"http://127.0.0.1:{components.free_port()}" for _ in range(2)))
    sockets = ["-a", f"http={urlsplit(made.cdn_url).netloc}", "-a", f"api={urlsplit(made.api_url).netloc}"]
    parameters = [word for name, value in _PARAMETERS.items() for word in ("-p", f"{name}={value}")]
    command: list[str | Path] = [varnishd, "-F", "-n", home / "work", "-f", vcl, *sockets, *_OPTIONS, *parameters]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
    try:
        components.wait_until(lambda: httpx2.get(f"{made.cdn_url}/").status_code == 404, process)
        yield made
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def purges(home: Path, answer: Literal["down", "limited"]) -> Iterator[None]:
    """Let the twin in *home* answer every purge with 503, or with 429 and Retry-After: 7; readers notice nothing."""
    switch = home / f"purges-{answer}"
    switch.touch()
    try:
        yield
    finally:
        switch.unlink()


@contextlib.contextmanager
def varnish(home: Path, s3_url: str, bucket: str) -> Iterator[Front]:
    """Run the twin for readers alone."""
    with twin(home, s3_url, bucket) as (cdn_url, api_url):

        def forget() -> None:
            answer = httpx2.post(
                f"{api_url}/service/{FASTLY_SERVICE_ID}/purge_all", headers={"Fastly-Key": FASTLY_TOKEN}
            )
            assert answer.json()["status"] == "ok"

        yield Front(cdn_url, forget)


def public_bucket(s3_url: str, *keys: str) -> str:
    """Make a bucket whose *keys* (all, if none are given) anyone may read, for the twin signs nothing."""
    bucket = f"tree-{uuid.uuid4().hex}"
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{key}" for key in keys or ("*",)],
    }
    with closing(boto3.client("s3", endpoint_url=s3_url)) as s3:
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return bucket


@dataclass(frozen=True, slots=True)
class Project:
    """Who publishes a module."""

    path: str
    id: str
    namespace_id: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A published tree over HTTP: `url` is where readers ask, `service` where maintainers upload.

    `tarballs`: what was published, by file name.
    """

    kind: str
    url: str
    service: str
    forget: Callable[[], None]
    gitlab: StandInGitLab
    projects: dict[str, Project]
    tarballs: dict[str, bytes] = field(default_factory=dict)

    def upload(self, filename: str, content: bytes) -> int:
        """Publish as GNOME's CI component does; the front keeps what it has.  Returns the status."""
        module, _, version = filename.partition(".tar.")[0].rpartition("-")
        project = self.projects[module]
        token = self.gitlab.token(
            project.path, version, project_id=project.id, job_project_id=project.id, namespace_id=project.namespace_id
        )
        answer = httpx2.post(
            f"{self.service}/install-module-release",
            headers={"Authorization": f"Bearer {token}"},
            files={"tarball": (filename, content)},
            timeout=60,
        )
        assert answer.is_success, answer.text
        self.tarballs[filename] = content
        return answer.status_code

    def url_of(self, filename: str) -> str:
        """Return where a published tarball is."""
        return f"{self.url}/{self.path_of(filename)}"

    def path_of(self, filename: str) -> str:
        """Return the path of a published tarball, without the first slash."""
        module, _, version = filename.partition(".tar.")[0].rpartition("-")
        numbers = version.split(".")
        series = numbers[0] if int(numbers[0]) >= 40 else ".".join(numbers[:2])
        return f"sources/{module}/{series}/{filename}"

    def sha256(self, filename: str) -> str:
        """Return the SHA-256 of what was uploaded."""
        return hashlib.sha256(self.tarballs[filename]).hexdigest()


def client_environment(home: Path) -> dict[str, str]:
    """Return the environment of a reader's program: no proxy, no settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return kept | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def run(command: Sequence[str | Path], home: Path, *, exits: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a reader's program in *home*; a failure says what it printed."""
    done = subprocess.run(
        command,
        cwd=home,
        env=client_environment(home),
        capture_output=True,
        text=True,
        timeout=_LONGEST_RUN_S,
        check=False,
    )
    assert done.returncode == exits, f"{command[0]} exits {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
