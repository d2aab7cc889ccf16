"""Fixtures: real components once a session, fresh databases, buckets and directories for each test."""

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
import structlog
from structlog import PrintLoggerFactory

import components
from databases import migrated, new_database
from persons import StandInSso
from registry import People, make_signers
from release_service.demo.gitlab import StandInGitLab
from signatures import Gpg, gpg_home
from uploads import Environment, Uploads, make_uploads

KINDS = ("embedded", pytest.param("production", marks=pytest.mark.real))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-trees", action="store_true", help="run every reader's program on imported trees, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what repeats on other kinds, or in other orders, what is covered; read imported trees with a few programs.

    With --all-trees, with all of them: their fronts are the same.
    """
    for item in items:
        if _repeats(item):
            item.add_marker("uncovered")
        if item.path.parent.name == "repair" and item.get_closest_marker("real") is not None:
            item.add_marker("deep")
    if config.getoption("--all-trees"):
        return
    skipped = [item for item in items if not _is_worth_it(item)]
    config.hook.pytest_deselected(items=skipped)
    items[:] = [item for item in items if item not in set(skipped)]


def _repeats(item: pytest.Item) -> bool:
    directory = item.path.parent.name
    is_real = item.get_closest_marker("real") is not None
    return directory in {"clients", "crash"} or (directory in {"publish", "repair", "web"} and is_real)


class _NoParameters:
    params: ClassVar[dict[str, object]] = {}


def _is_worth_it(item: pytest.Item) -> bool:
    tree = str(getattr(item, "callspec", _NoParameters).params.get("tree", ""))
    return not tree.startswith("old-") or (tree == "old-directory" and item.get_closest_marker("old_tree") is not None)


@pytest.fixture(scope="session", autouse=True)
def _kept_log() -> Iterator[None]:
    """Keep all that is logged in this process, before the filter for secrets, where `tests/run` looks for tokens."""
    directory = os.environ.get("TESTS_LOG_DIR")
    if directory is None:
        yield
        return
    with (Path(directory) / f"{os.getpid()}.log").open("a") as kept:
        chain: list[structlog.typing.Processor] = [
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
        structlog.configure(chain, logger_factory=PrintLoggerFactory(kept))
        handler = logging.StreamHandler(kept)
        handler.setLevel(logging.INFO)  # below that a client tells every header of its own requests
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # the tests' own requests: some put tokens in URLs
        yield
        logging.getLogger().removeHandler(handler)
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def gpg() -> Iterator[Gpg]:
    """A real gpg with a home of its own, for the keys of all tests."""
    with gpg_home() as made:
        yield made


@pytest.fixture(scope="session")
def gitlab() -> Iterator[StandInGitLab]:
    """A signing stand-in for GitLab's issuer."""
    stand_in = StandInGitLab()
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="session")
def sso() -> Iterator[StandInSso]:
    """An SSO that signs what the test says."""
    stand_in = StandInSso()
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server.  It runs as another user, so its files are not below pytest's private directory."""
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    home.chmod(0o755)
    try:
        with components.postgresql(home) as url:
            yield url
    finally:
        shutil.rmtree(home)


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """An empty PostgreSQL database of the test's own."""
    return new_database(postgresql)


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> str:
    """The name of a migrated database that others are copied from: that takes a tenth of a migration's time."""
    url = new_database(postgresql)
    migrated(url)
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database that others are copied from."""
    path = tmp_path_factory.mktemp("migrated") / "db"
    migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A SeaweedFS S3 server; the credentials are in the environment, as boto3 reads them."""
    with pytest.MonkeyPatch.context() as patch, components.seaweedfs(tmp_path_factory.mktemp("s3")) as endpoint:
        patch.setenv("AWS_ACCESS_KEY_ID", "K")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "S")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield endpoint


@pytest.fixture
def bucket(seaweedfs: str) -> str:
    """An empty bucket of the test's own."""
    name = f"b-{uuid.uuid4().hex}"
    with closing(boto3.client("s3", endpoint_url=seaweedfs)) as s3:
        s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def environment_of(
    request: pytest.FixtureRequest, tmp_path: Path, gitlab: StandInGitLab
) -> Callable[[str], Environment]:
    """Return the settings of a kind: ``embedded`` (SQLite, a directory) or ``production`` (PostgreSQL, S3).

    The database is migrated and empty.
    """

    def environment(kind: str) -> Environment:
        settings = {"GITLAB_ISSUER": gitlab.issuer, "STAGING_DIR": str(tmp_path / "staging")}
        if kind == "embedded":
            shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "db")
            settings |= {"DATABASE_URL": f"sqlite:///{tmp_path}/db", "STORE_URL": f"file:{tmp_path}/tree"}
        else:
            template = request.getfixturevalue("migrated_postgresql")
            settings["DATABASE_URL"] = new_database(request.getfixturevalue("postgresql"), template)
            settings["S3_ENDPOINT_URL"] = request.getfixturevalue("seaweedfs")
            settings["STORE_URL"] = f"s3://{request.getfixturevalue('bucket')}"
        return {f"RELEASE_SERVICE_{name}": value for name, value in settings.items()}

    return environment


@pytest.fixture(params=KINDS)
def uploads(request: pytest.FixtureRequest, environment_of: Callable[[str], Environment]) -> Iterator[Uploads]:
    """A migrated, empty service of each kind."""
    with make_uploads(environment_of(request.param), request.getfixturevalue("gitlab")) as made:
        yield made


@pytest.fixture(params=KINDS)
def signers(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> Iterator[People]:
    """A service of each kind with people who sign: registry.make_signers says who."""
    with make_signers(environment_of(request.param), gitlab) as made:
        yield made
