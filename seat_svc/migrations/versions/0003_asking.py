"""Seats are found by their holder, and remember which checkout was too late."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("seat", sa.Column("refused_id", sa.Uuid))
    op.create_index("ix_seat_holder", "seat", ["holder"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_seat_holder")
    op.drop_column("seat", "refused_id")
