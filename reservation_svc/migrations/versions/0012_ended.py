"""An index of the holds that are over and were not bought, so that they can go, and what was refunded stays."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OVER = "status IN ('REJECTED', 'EXPIRED', 'CANCELLED') AND ask_at IS NULL AND checkout_id IS NULL"


def upgrade() -> None:
    """Apply. The index of the release before stays, as long as that runs."""
    op.create_index("ix_reservation_ended", "reservation", ["created_at"], postgresql_where=sa.text(OVER))


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_reservation_ended", "reservation")
