"""Leases, tries and troubles of follow-ups; when a release was seen by readers; mail that waits for that"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("follow_ups") as table:
        table.add_column(sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
        table.add_column(sa.Column("fence", sa.Integer(), server_default="0", nullable=False))
        table.add_column(sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("gave_up_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("trouble", sa.String(length=500), server_default="", nullable=False))
        table.create_index(op.f("ix_follow_ups_kept_at"), ["kept_at", "due_at"])
    with op.batch_alter_table("releases") as table:
        table.add_column(sa.Column("visible_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE releases SET visible_at = published_at")
    with op.batch_alter_table("mails") as table:
        table.add_column(sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        table.create_foreign_key(op.f("fk_mails_release_id_releases"), "releases", ["release_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("mails") as table:
        table.drop_constraint(op.f("fk_mails_release_id_releases"), type_="foreignkey")
        table.drop_column("release_id")
    with op.batch_alter_table("releases") as table:
        table.drop_column("visible_at")
    with op.batch_alter_table("follow_ups") as table:
        table.drop_index(op.f("ix_follow_ups_kept_at"))
        for column in ("trouble", "gave_up_at", "leased_until", "fence", "tries", "due_at"):
            table.drop_column(column)
