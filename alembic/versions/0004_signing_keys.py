"""Signing keys; who gave maintainers their right"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("fingerprint", sa.String(length=40), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("signing_fingerprints", sa.JSON(), nullable=False),
        sa.Column("revoked_fingerprints", sa.JSON(), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("may_sign_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consented_by_id", ID, nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_signing_keys_person_id_persons")),
        sa.ForeignKeyConstraint(
            ["consented_by_id"], ["persons.id"], name=op.f("fk_signing_keys_consented_by_id_persons")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("person_id", "fingerprint", name=op.f("uq_signing_keys_person_id_fingerprint")),
    )
    op.create_index(op.f("ix_signing_keys_fingerprint"), "signing_keys", ["fingerprint"], unique=False)
    op.add_column("maintainers", sa.Column("by_administrator", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("maintainers") as batch_op:
        batch_op.drop_column("by_administrator")
    op.drop_index(op.f("ix_signing_keys_fingerprint"), table_name="signing_keys")
    op.drop_table("signing_keys")
