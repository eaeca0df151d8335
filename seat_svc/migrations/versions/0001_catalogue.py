"""Concerts, dates, seats."""

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
        "concert",
        sa.Column("concert_id", sa.Integer, primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
    )
    op.create_table(
        "concert_date",
        sa.Column("date_id", sa.Integer, primary_key=True),
        sa.Column("concert_id", sa.Integer, sa.ForeignKey("concert.concert_id"), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("open_seats", sa.Integer, nullable=False),
        sa.CheckConstraint("open_seats >= 0", name="open_seats_not_negative"),
        sa.CheckConstraint("status IN ('AVAILABLE', 'SOLD_OUT')", name="datestatus"),
    )
    op.create_index("ix_concert_date_concert_id", "concert_date", ["concert_id"])
    op.create_table(
        "seat",
        sa.Column("seat_id", sa.Integer, primary_key=True),
        sa.Column("date_id", sa.Integer, sa.ForeignKey("concert_date.date_id"), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("holder", sa.Uuid),
        sa.CheckConstraint("price > 0", name="price_positive"),
        sa.CheckConstraint("status IN ('AVAILABLE', 'OCCUPIED', 'RESERVED', 'WITHDRAWN')", name="seatstatus"),
    )
    op.create_index("ix_seat_date_id", "seat", ["date_id"])


def downgrade() -> None:
    """Take back."""
    for table in ("seat", "concert_date", "concert"):
        op.drop_table(table)
    drop_inbox_and_outbox()
