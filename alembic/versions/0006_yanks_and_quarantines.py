"""Yanks and quarantines of releases"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Nullable, so that replicas of the version before go on while this one is rolled out.
_MOMENTS = ("yanked_at", "unyanked_at", "quarantined_at")
_REASONS = ("yank_reason", "quarantine_reason")


def upgrade() -> None:
    for name in _MOMENTS:
        op.add_column("releases", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name in _REASONS:
        op.add_column("releases", sa.Column(name, sa.String(length=500), nullable=True))


def downgrade() -> None:
    for name in (*_REASONS, *_MOMENTS):
        op.drop_column("releases", name)
