"""Checkouts that were undone before they had spent."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tombstone",
        sa.Column("checkout_id", sa.Uuid, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_tombstone_at", "tombstone", ["at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("tombstone")
