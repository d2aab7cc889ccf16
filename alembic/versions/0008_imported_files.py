"""Files of an old tree"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("releases", sa.Column("directory", sa.String(length=255), nullable=True))
    op.create_table(
        "imported_files",
        sa.Column("id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("release_id", ID, nullable=True),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("ext", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_imported_files_module_id_modules")),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_imported_files_release_id_releases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_files")),
        sa.UniqueConstraint("module_id", "path", name=op.f("uq_imported_files_module_id_path")),
    )
    op.create_index(op.f("ix_imported_files_release_id"), "imported_files", ["release_id"])
    op.create_table(
        "module_imports",
        sa.Column("module_id", ID, autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_module_imports_module_id_modules")),
        sa.PrimaryKeyConstraint("module_id", name=op.f("pk_module_imports")),
    )


def downgrade() -> None:
    op.drop_table("module_imports")
    op.drop_table("imported_files")
    op.drop_column("releases", "directory")
