"""Where the service is measured: on SQLite and a directory, and on PostgreSQL and SeaweedFS."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import boto3
import httpx2
import psycopg

import builders
import components
from benchmarks.tarballs import CACHE
from release_service.db import connect, migrate
from release_service.demo.gitlab import StandInGitLab
from release_service.index import cache_json
from release_service.store import ReleaseStore
from release_service.store.local import LocalStore
from release_service.store.s3 import S3Store

_FORM_ROUTE = "install-module-release"


class Place(Protocol):
    """A kind of database and a kind of store, both empty each time they are asked for."""

    name: str

    def database_url(self) -> str:
        """Return the URL of a new database, already migrated."""
        ...

    def store(self) -> contextlib.AbstractContextManager[tuple[ReleaseStore, dict[str, str]]]:
        """Yield a new store, and the settings of a service that uses it; removes what is in it."""
        ...

    def put(self, tarball: Path) -> tuple[float, float]:
        """Return the seconds that curl takes to put *tarball* straight there: as it ends, and once it is durable.

        Both are the same where the store answers for its durability itself.
        """
        ...


class Embedded:
    """SQLite, and a directory."""

    name = "SQLite + file:"

    def __init__(self, home: Path) -> None:
        """Keep everything below *home*."""
        self._home = home

    def database_url(self) -> str:
        """Return a new file's URL.  (See Place.database_url.)"""
        return _migrated(f"sqlite:///{self._home}/{uuid.uuid4().hex}.db")

    @contextlib.contextmanager
    def store(self) -> Iterator[tuple[ReleaseStore, dict[str, str]]]:
        """Yield a directory.  (See Place.store.)"""
        directory = self._home / uuid.uuid4().hex
        tree = directory / "tree"
        tree.mkdir(parents=True)
        yield LocalStore(tree), {"STORE_URL": f"file:{tree}"}
        shutil.rmtree(directory)

    def put(self, tarball: Path) -> tuple[float, float]:
        """Upload to a file: URL, then sync that file.  (See Place.put.)"""
        target = self._home / "put"
        os.sync()
        began = time.perf_counter()
        _run("curl", "-sS", "-T", tarball, f"file://{target.absolute()}")
        copied = time.perf_counter() - began
        _run("sync", "-d", target)
        durable = time.perf_counter() - began
        target.unlink()
        return copied, durable


class Production:
    """PostgreSQL, and a bucket."""

    name = "PostgreSQL + s3:"

    def __init__(self, postgresql: str, endpoint: str) -> None:
        """Use the server with the SQLAlchemy URL *postgresql*, and the S3 server at *endpoint*."""
        self._postgresql, self._endpoint = postgresql, endpoint
        self._s3 = boto3.client("s3", endpoint_url=endpoint)

    def database_url(self) -> str:
        """Return a new database of the server.  (See Place.database_url.)"""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self._postgresql.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return _migrated(self._postgresql.rpartition("/")[0] + f"/{name}")

    @contextlib.contextmanager
    def store(self) -> Iterator[tuple[ReleaseStore, dict[str, str]]]:
        """Yield a bucket.  (See Place.store.)"""
        with self._bucket() as bucket, contextlib.closing(S3Store(bucket, self._endpoint)) as store:
            yield store, {"STORE_URL": f"s3://{bucket}", "S3_ENDPOINT_URL": self._endpoint}
            for key in list(store.keys("")):
                store.remove(key)

    def put(self, tarball: Path) -> tuple[float, float]:
        """Upload to a presigned URL.  (See Place.put.)"""
        with self._bucket() as bucket:
            target = {"Bucket": bucket, "Key": "put"}
            url = self._s3.generate_presigned_url("put_object", Params=target)
            os.sync()
            began = time.perf_counter()
            _run("curl", "-sS", "--fail", "-T", tarball, url)
            took = time.perf_counter() - began
            self._s3.delete_object(**target)
        return took, took

    @contextlib.contextmanager
    def _bucket(self) -> Iterator[str]:
        name = f"b-{uuid.uuid4().hex}"
        self._s3.create_bucket(Bucket=name)
        yield name
        self._s3.delete_bucket(Bucket=name)


@dataclass(frozen=True)
class Running:
    """A service that runs on a store of its own."""

    base: str
    pid: int
    gitlab: StandInGitLab
    store: ReleaseStore

    def curl(self, module: str, tarball: Path, version: str = "1.0") -> list[str]:
        """Return the command line of CONTRACT.md 1 that uploads *tarball*."""
        token = self.gitlab.token(f"GNOME/{module}", version)
        form = ["-H", f"Authorization: Bearer {token}", "-F", f"tarball=@{tarball}"]
        return ["curl", "-sS", "--fail-with-body", "-X", "POST", f"{self.base}/{_FORM_ROUTE}", *form]

    def publish(self, client: httpx2.Client, module: str, version: str) -> float:
        """Publish a small tarball; return the seconds of the whole request."""
        filename = f"{module}-{version}.tar.xz"
        files = {"tarball": (filename, builders.a_tarball(filename, NEWS=f"{version}: news\n"))}
        headers = {"Authorization": f"Bearer {self.gitlab.token(f'GNOME/{module}', version)}"}
        began = time.perf_counter()
        answer = client.post(f"{self.base}/{_FORM_ROUTE}", headers=headers, files=files)
        took = time.perf_counter() - began
        answer.raise_for_status()
        return took

    def lists(self, module: str, version: str) -> bool:
        """Say whether cache.json in the store lists the version."""
        document = self.store.read(f"sources/{module}/cache.json")
        return document is not None and version in cache_json.versions(module, document.content)


@contextlib.contextmanager
def running(place: Place, database_url: str | None = None) -> Iterator[Running]:
    """Run a new service at *place*, on a new database unless one is named; it has published once."""
    gitlab = StandInGitLab()
    with place.store() as (store, settings), tempfile.TemporaryDirectory(dir=CACHE) as home:
        url = database_url or place.database_url()
        settings |= {"DATABASE_URL": url, "GITLAB_ISSUER": gitlab.issuer}
        if "S3_ENDPOINT_URL" in settings:
            settings["STAGING_DIR"] = f"{Path(home).absolute()}/staging"
        environment = {f"RELEASE_SERVICE_{name}": value for name, value in settings.items()}
        with components.service(environment, Path(home) / "log") as (base, process), httpx2.Client() as client:
            service = Running(base, process.pid, gitlab, store)
            service.publish(client, "warm-up", "1.0")
            yield service
    gitlab.stop()


@contextlib.contextmanager
def places() -> Iterator[tuple[Place, ...]]:
    """Start the real components; yield both places."""
    CACHE.mkdir(parents=True, exist_ok=True)
    os.environ |= {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", "AWS_DEFAULT_REGION": "us-east-1"}
    with contextlib.ExitStack() as ending:
        # PostgreSQL runs as another user, who may not be able to look into this directory.
        postgresql_home = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        postgresql_home.chmod(0o755)
        home = Path(ending.enter_context(tempfile.TemporaryDirectory(dir=CACHE))).absolute()
        (home / "seaweedfs").mkdir()
        postgresql = ending.enter_context(components.postgresql(postgresql_home))
        endpoint = ending.enter_context(components.seaweedfs(home / "seaweedfs"))
        yield Embedded(home), Production(postgresql, endpoint)


def _migrated(url: str) -> str:
    database = connect(url)
    migrate.upgrade(database)
    database.dispose()
    return url


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
