"""When the clock asks what has become of a hold, and which checkout may not confirm any more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply.

    The default is for rows of a version of the service that does not know the column and runs at the same time. Rows
    that are there get it too, and those that need no asking lose it again.
    """
    late_enough = sa.text("now() + interval '10 minutes'")
    op.add_column("reservation", sa.Column("ask_at", sa.DateTime(timezone=True), server_default=late_enough))
    op.add_column("reservation", sa.Column("undone_id", sa.Uuid))
    op.execute("UPDATE reservation SET ask_at = NULL WHERE status <> 'REQUESTED'")
    unanswered = sa.text("ask_at IS NOT NULL")
    op.create_index("ix_reservation_ask_at", "reservation", ["ask_at"], postgresql_where=unanswered)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_reservation_ask_at")
    op.drop_column("reservation", "undone_id")
    op.drop_column("reservation", "ask_at")
