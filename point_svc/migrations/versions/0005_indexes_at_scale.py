"""Indexes that every statement needs beside many rows."""

from alembic import op

from chassis.store.migrations import index_inbox_by_age, index_inbox_by_block

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    index_inbox_by_age()
    op.create_index("ix_point_history_user_id_entry_id", "point_history", ["user_id", "entry_id"])
    op.drop_index("ix_point_history_user_id", "point_history")


def downgrade() -> None:
    """Take back."""
    op.create_index("ix_point_history_user_id", "point_history", ["user_id"])
    op.drop_index("ix_point_history_user_id_entry_id", "point_history")
    index_inbox_by_block()
