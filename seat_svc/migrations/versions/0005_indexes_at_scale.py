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
    op.create_index("ix_concert_date_concert_id_date_id", "concert_date", ["concert_id", "date_id"])
    op.drop_index("ix_concert_date_concert_id", "concert_date")
    op.create_index("ix_seat_date_id_seat_id", "seat", ["date_id", "seat_id"])
    op.drop_index("ix_seat_date_id", "seat")


def downgrade() -> None:
    """Take back."""
    op.create_index("ix_seat_date_id", "seat", ["date_id"])
    op.drop_index("ix_seat_date_id_seat_id", "seat")
    op.create_index("ix_concert_date_concert_id", "concert_date", ["concert_id"])
    op.drop_index("ix_concert_date_concert_id_date_id", "concert_date")
    index_inbox_by_block()
