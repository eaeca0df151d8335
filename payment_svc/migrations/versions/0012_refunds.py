"""Refunds, and what the platform is told beside payments."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BEFORE = "status IN ('PUBLISHED', 'PROCESSING', 'PAID', 'CANCELLED')"
SINCE = "status IN ('PUBLISHED', 'PROCESSING', 'PAID', 'CANCELLED', 'REFUNDING', 'REFUNDED')"


def upgrade() -> None:
    """Apply."""
    op.add_column("payment", sa.Column("refund_id", sa.Uuid))
    op.add_column("payment", sa.Column("last_outcome_id", sa.Uuid))
    op.add_column("checkout", sa.Column("follows", sa.Uuid))
    op.drop_constraint("paymentstatus", "payment", type_="check")
    op.create_check_constraint("paymentstatus", "payment", SINCE)
    op.create_table(
        "refund",
        sa.Column("refund_id", sa.Uuid, primary_key=True),
        sa.Column("checkout_id", sa.Uuid, nullable=False),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("asked_by", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(64), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("asked_by IN ('BUYER', 'OPERATOR')", name="asker"),
        sa.CheckConstraint("status IN ('PENDING', 'COMPLETED', 'FAILED')", name="refundstatus"),
    )
    op.create_index("ix_refund_pending", "refund", ["created_at"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_index("ix_refund_ask_at", "refund", ["ask_at"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_index("ix_refund_finished_at", "refund", ["finished_at"])
    op.create_table(
        "notice",
        sa.Column("notice_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("refused", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('SENT', 'FAILED')", name="deliverystatus"),
    )
    op.create_index("ix_notice_at", "notice", ["at"])
    op.create_index("ix_notice_refused", "notice", ["at"], postgresql_where=sa.text("status = 'FAILED'"))


def downgrade() -> None:
    """Take back; a payment that is being refunded or was cannot be told any more."""
    op.drop_table("notice")
    op.drop_table("refund")
    op.drop_constraint("paymentstatus", "payment", type_="check")
    op.create_check_constraint("paymentstatus", "payment", BEFORE)
    op.drop_column("checkout", "follows")
    op.drop_column("payment", "last_outcome_id")
    op.drop_column("payment", "refund_id")
