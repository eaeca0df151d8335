"""When the clock asks what has become of a checkout, and which checkout may not pay any more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("checkout", sa.Column("ask_at", sa.DateTime(timezone=True)))
    op.add_column("payment", sa.Column("undone_id", sa.Uuid))
    pending = sa.text("status = 'PENDING'")
    op.create_index("ix_checkout_deadline", "checkout", ["deadline"], postgresql_where=pending)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_checkout_deadline")
    op.drop_column("payment", "undone_id")
    op.drop_column("checkout", "ask_at")
