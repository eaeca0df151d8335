"""Payments, checkouts, deliveries."""

import sqlalchemy as sa
from alembic import op

from chassis.store.migrations import create_inbox_and_outbox, drop_inbox_and_outbox

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    create_inbox_and_outbox()
    op.create_table(
        "idempotency",
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("ix_idempotency_at", "idempotency", ["at"])
    op.create_table(
        "payment",
        sa.Column("payment_id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("total_price", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("checkout_id", sa.Uuid),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("total_price > 0", name="total_price_positive"),
        sa.CheckConstraint("status IN ('PUBLISHED', 'PROCESSING', 'PAID', 'CANCELLED')", name="paymentstatus"),
    )
    op.create_table(
        "checkout",
        sa.Column("checkout_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('PENDING', 'COMPLETED', 'FAILED')", name="checkoutstatus"),
    )
    op.create_index("ix_checkout_payment_id", "checkout", ["payment_id"])
    pending = sa.text("status = 'PENDING'")
    op.create_index("ix_checkout_pending", "checkout", ["created_at"], postgresql_where=pending)
    op.create_index("ix_checkout_finished_at", "checkout", ["finished_at"], postgresql_using="brin")
    op.create_table(
        "delivery",
        sa.Column("checkout_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('SENT', 'FAILED')", name="deliverystatus"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("delivery", "checkout", "payment", "idempotency"):
        op.drop_table(table)
    drop_inbox_and_outbox()
