"""Wallet and history."""

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
        "wallet",
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.CheckConstraint("balance >= 0", name="balance_not_negative"),
    )
    op.create_table(
        "point_history",
        sa.Column("entry_id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("balance_after", sa.BigInteger, nullable=False),
        sa.Column("checkout_id", sa.Uuid),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("checkout_id", "type"),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
        sa.CheckConstraint("type IN ('CHARGE', 'USE', 'REFUND')", name="entrytype"),
    )
    op.create_index("ix_point_history_user_id", "point_history", ["user_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("point_history")
    op.drop_table("wallet")
    drop_inbox_and_outbox()
