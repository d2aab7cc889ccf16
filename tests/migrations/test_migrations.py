"""From empty to what the tables say, on both databases, also from an installed wheel."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from conftest import KINDS
from release_service.db import connect, migrate
from release_service.db.tables import Base

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of each kind."""
    is_sqlite = request.param == "embedded"
    made = connect(f"sqlite:///{tmp_path}/db" if is_sqlite else request.getfixturevalue("postgresql_url"))
    yield made
    made.dispose()


def test_the_migrations_end_at_what_the_tables_say(engine: Engine) -> None:
    migrate.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []


def test_every_constraint_has_a_name(engine: Engine) -> None:
    migrate.upgrade(engine)
    found = inspect(engine)
    for table in Base.metadata.tables:
        constraints = [
            *found.get_foreign_keys(table),
            *found.get_unique_constraints(table),
            found.get_pk_constraint(table),
        ]
        assert all(constraint["name"] for constraint in constraints), table


def test_each_migration_can_be_taken_back_and_made_again(engine: Engine) -> None:
    migrate.upgrade(engine)
    migrate.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    assert not migrate.is_current(engine)
    migrate.upgrade(engine)
    assert migrate.is_current(engine)


def test_migrating_twice_does_nothing(engine: Engine) -> None:
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    assert migrate.is_current(engine)


def test_several_replicas_may_migrate_at_once(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    environment = os.environ | {"RELEASE_SERVICE_DATABASE_URL": url}
    tool = Path(sys.executable).with_name("release-service")
    running = [subprocess.Popen([tool, "migrate"], env=environment, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert migrate.is_current(engine)


@pytest.mark.real
def test_an_installed_wheel_migrates_without_the_repository(tmp_path: Path) -> None:
    """The wheel carries the migrations; only its dependencies are those of this environment."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [sys.executable, "-c", f"from hatchling.build import build_wheel; build_wheel({str(tmp_path)!r})"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, system_site_packages=False)
    python = home / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, "--no-deps", "--offline", wheel], check=True)
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in ours if "editable" not in path))
    database = tmp_path / "db"
    done = subprocess.run(
        [python, "-c", "from release_service import cli; print(cli.__file__); cli.main()", "migrate"],
        env={"RELEASE_SERVICE_DATABASE_URL": f"sqlite:///{database}", "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(home) in done.stdout
    engine = connect(f"sqlite:///{database}")
    assert migrate.is_current(engine)
    engine.dispose()


def test_what_is_published_outlives_each_migration(engine: Engine) -> None:
    """A module with a publisher, through the first revision, the newest, and back again."""
    migrate.upgrade(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO modules VALUES (1, 'gtk', 'gtk', '2026-01-01 00:00:00')"))
        connection.execute(text("INSERT INTO publishers VALUES (1, 1, '665', '8', 'GNOME/gtk', '2026-01-01 00:00:00')"))
    migrate.upgrade(engine)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT name, alias_of_id FROM modules")).all() == [("gtk", None)]
    migrate.downgrade(engine, "0001")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT project_path FROM publishers")).all() == [("GNOME/gtk",)]
