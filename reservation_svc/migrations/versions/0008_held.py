"""An index of what users hold and have not paid, so that it can be counted."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    is_held = sa.text("status IN ('REQUESTED', 'TEMP')")
    op.create_index("ix_reservation_held", "reservation", ["user_id"], postgresql_where=is_held)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_reservation_held", "reservation")
