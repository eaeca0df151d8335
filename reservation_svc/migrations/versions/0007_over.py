"""An index of the holds that are over, so that they can go."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OVER = "status IN ('REJECTED', 'EXPIRED', 'CANCELLED') AND ask_at IS NULL"


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_reservation_over", "reservation", ["created_at"], postgresql_where=sa.text(OVER))


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_reservation_over", "reservation")
