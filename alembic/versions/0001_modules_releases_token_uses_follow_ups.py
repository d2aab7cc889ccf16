"""Modules, releases, token uses, follow-ups"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "modules",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("folded", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_modules")),
        sa.UniqueConstraint("folded", name=op.f("uq_modules_folded")),
    )
    op.create_table(
        "token_uses",
        sa.Column("id", ID, nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("token_id", sa.String(length=1024), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_uses")),
        sa.UniqueConstraint("issuer", "token_id", name=op.f("uq_token_uses_issuer_token_id")),
    )
    op.create_table(
        "publishers",
        sa.Column("id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("namespace_id", sa.String(length=32), nullable=False),
        sa.Column("project_path", sa.String(length=512), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_publishers_module_id_modules")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publishers")),
        sa.UniqueConstraint("module_id", "project_id", name=op.f("uq_publishers_module_id_project_id")),
    )
    op.create_table(
        "releases",
        sa.Column("id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("compression", sa.String(length=8), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("archive", sa.JSON(), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_releases_module_id_modules")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        sa.UniqueConstraint("module_id", "version", name=op.f("uq_releases_module_id_version")),
    )
    with op.batch_alter_table("releases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_releases_sha256"), ["sha256"], unique=False)

    op.create_table(
        "follow_ups",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("release_id", ID, nullable=False),
        sa.Column("promised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_follow_ups_module_id_modules")),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_follow_ups_release_id_releases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
    )
    with op.batch_alter_table("follow_ups", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_follow_ups_module_id"), ["module_id", "kept_at"], unique=False)

    op.create_table(
        "release_files",
        sa.Column("id", ID, nullable=False),
        sa.Column("release_id", ID, nullable=False),
        sa.Column("ext", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("deflated", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_release_files_release_id_releases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_files")),
        sa.UniqueConstraint("release_id", "ext", name=op.f("uq_release_files_release_id_ext")),
    )
    op.create_table(
        "release_texts",
        sa.Column("id", ID, nullable=False),
        sa.Column("release_id", ID, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("deflated", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_release_texts_release_id_releases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_texts")),
        sa.UniqueConstraint("release_id", "name", name=op.f("uq_release_texts_release_id_name")),
    )


def downgrade() -> None:
    op.drop_table("release_texts")
    op.drop_table("release_files")
    with op.batch_alter_table("follow_ups", schema=None) as batch_op:
        (batch_op.drop_index(batch_op.f("ix_follow_ups_module_id")),)

    op.drop_table("follow_ups")
    with op.batch_alter_table("releases", schema=None) as batch_op:
        (batch_op.drop_index(batch_op.f("ix_releases_sha256")),)

    op.drop_table("releases")
    op.drop_table("publishers")
    op.drop_table("token_uses")
    op.drop_table("modules")
