"""Indexes that every statement needs beside many rows."""

from chassis.store.migrations import index_inbox_by_age, index_inbox_by_block

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    index_inbox_by_age()


def downgrade() -> None:
    """Take back."""
    index_inbox_by_block()
