"""Runs the migrations for `release-service migrate` (release_service/db/migrate.py)."""

from alembic import context
from release_service.db.tables import Base

connection = context.config.attributes["connection"]
# SQLite cannot alter most things: batch mode makes the table anew.
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
