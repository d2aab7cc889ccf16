"""Persons and rights, the audit and its chain, limits and switches, sessions and mail"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("proof", sa.String(length=32), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("login", sa.String(length=255), nullable=False),
        sa.Column("module", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_issuer"), ["issuer", "subject"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_module"), ["module", "version"], unique=False)

    op.create_table(
        "audit_chain",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_chain_audit_id")),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "persons",
        sa.Column("id", ID, nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("login", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_persons_issuer_subject")),
    )
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_persons_login"), ["login"], unique=False)

    op.create_table(
        "rate_counts",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "began", name=op.f("pk_rate_counts")),
    )
    with op.batch_alter_table("rate_counts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_counts_began"), ["began"], unique=False)

    op.create_table(
        "switches",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("switched_off_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "upload_leases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("uploader", sa.String(length=600), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_leases")),
    )
    with op.batch_alter_table("upload_leases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_upload_leases_address"), ["address"], unique=False)
        batch_op.create_index(batch_op.f("ix_upload_leases_uploader"), ["uploader"], unique=False)

    op.create_table(
        "web_sessions",
        sa.Column("id_sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id_sha256", name=op.f("pk_web_sessions")),
    )
    with op.batch_alter_table("web_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_sessions_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "audit_pending",
        sa.Column("audit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_audit_pending_audit_id_audit")),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_pending")),
    )
    op.create_table(
        "blocks",
        sa.Column("id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=True),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("by_administrator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_blocks_module_id_modules")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
    )
    with op.batch_alter_table("blocks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_blocks_issuer"), ["issuer", "subject"], unique=False)
        batch_op.create_index(batch_op.f("ix_blocks_module_id"), ["module_id"], unique=False)

    op.create_table(
        "mails",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("promised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_mails_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("message_id", name=op.f("uq_mails_message_id")),
    )
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mails_sent_at"), ["sent_at", "due_at"], unique=False)

    op.create_table(
        "maintainers",
        sa.Column("id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_maintainers_module_id_modules")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_maintainers_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintainers")),
        sa.UniqueConstraint("module_id", "person_id", name=op.f("uq_maintainers_module_id_person_id")),
    )
    with op.batch_alter_table("modules") as batch_op:
        batch_op.add_column(sa.Column("alias_of_id", ID, nullable=True))
        batch_op.add_column(sa.Column("tag_pattern", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("signatures", sa.String(length=16), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_modules_alias_of_id_modules"), "modules", ["alias_of_id"], ["id"])
    op.add_column("publishers", sa.Column("environment", sa.String(length=255), server_default="", nullable=False))
    head = sa.table("audit_head", sa.column("id"), sa.column("seq"), sa.column("sha256"), sa.column("since"))
    op.execute(head.insert().values(id=1, seq=0, sha256=64 * "0", since=sa.func.current_timestamp()))


def downgrade() -> None:
    with op.batch_alter_table("publishers", schema=None) as batch_op:
        batch_op.drop_column("environment")

    with op.batch_alter_table("modules", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_modules_alias_of_id_modules"), type_="foreignkey")
        batch_op.drop_column("signatures")
        batch_op.drop_column("tag_pattern")
        batch_op.drop_column("alias_of_id")

    op.drop_table("maintainers")
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_mails_sent_at"))

    op.drop_table("mails")
    with op.batch_alter_table("blocks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blocks_module_id"))
        batch_op.drop_index(batch_op.f("ix_blocks_issuer"))

    op.drop_table("blocks")
    op.drop_table("audit_pending")
    with op.batch_alter_table("web_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_sessions_expires_at"))

    op.drop_table("web_sessions")
    with op.batch_alter_table("upload_leases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_upload_leases_uploader"))
        batch_op.drop_index(batch_op.f("ix_upload_leases_address"))

    op.drop_table("upload_leases")
    op.drop_table("switches")
    with op.batch_alter_table("rate_counts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_counts_began"))

    op.drop_table("rate_counts")
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_persons_login"))

    op.drop_table("persons")
    op.drop_table("audit_head")
    op.drop_table("audit_chain")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_module"))
        batch_op.drop_index(batch_op.f("ix_audit_issuer"))

    op.drop_table("audit")
