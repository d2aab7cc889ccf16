"""The digests of claims: the same bytes get no second name"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # It stays empty: what is claimed already is found in releases.sha256, which the imported history may hold twice.
    op.create_table(
        "claimed_digests",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_claimed_digests")),
    )


def downgrade() -> None:
    op.drop_table("claimed_digests")
