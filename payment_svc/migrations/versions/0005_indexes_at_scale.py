"""Indexes that every statement needs beside many rows."""

from alembic import op

from chassis.store.migrations import index_inbox_by_age, index_inbox_by_block

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    index_inbox_by_age()
    op.drop_index("ix_checkout_payment_id", "checkout")
    op.drop_index("ix_checkout_finished_at", "checkout")
    op.create_index("ix_checkout_finished_at", "checkout", ["finished_at"])
    op.create_index("ix_delivery_delivered_at", "delivery", ["delivered_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_delivery_delivered_at", "delivery")
    op.drop_index("ix_checkout_finished_at", "checkout")
    op.create_index("ix_checkout_finished_at", "checkout", ["finished_at"], postgresql_using="brin")
    op.create_index("ix_checkout_payment_id", "checkout", ["payment_id"])
    index_inbox_by_block()
