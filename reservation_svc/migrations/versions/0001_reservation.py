"""Reservations."""

import sqlalchemy as sa
from alembic import op

from chassis.store.migrations import create_inbox_and_outbox, drop_inbox_and_outbox

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATES = "'REQUESTED', 'TEMP', 'CONFIRMED', 'REJECTED', 'EXPIRED', 'CANCELLED'"


def upgrade() -> None:
    """Apply."""
    create_inbox_and_outbox()
    op.create_table(
        "reservation",
        sa.Column("reservation_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("seat_id", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("price", sa.BigInteger),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("checkout_id", sa.Uuid),
        sa.Column("reason", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("payment_id", "seat_id"),
        sa.CheckConstraint(f"status IN ({STATES})", name="status"),
    )
    op.create_index("ix_reservation_due", "reservation", ["expires_at"], postgresql_where=sa.text("status = 'TEMP'"))
    requested = sa.text("status = 'REQUESTED'")
    op.create_index("ix_reservation_requested", "reservation", ["created_at"], postgresql_where=requested)


def downgrade() -> None:
    """Take back."""
    op.drop_table("reservation")
    drop_inbox_and_outbox()
