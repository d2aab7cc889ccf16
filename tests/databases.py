"""Databases of the tests' own: empty ones, and copies of one that was migrated once."""

import uuid

import psycopg
from sqlalchemy import Engine, inspect

from release_service.db import connect, migrate


def new_database(server: str, template: str = "template1") -> str:
    """Make a database like *template* at *server*, the URL of a PostgreSQL's maintenance database; return its URL."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return f"{server.rpartition('/')[0]}/{name}"


def migrated(url: str) -> None:
    """Migrate the database at *url*, and close it."""
    engine = connect(url)
    migrate.upgrade(engine)
    engine.dispose()


def migrate_if_empty(engine: Engine) -> None:
    """Migrate a database that was not copied from a migrated one."""
    if not inspect(engine).has_table("alembic_version"):
        migrate.upgrade(engine)
