"""Which seats a payment is for."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("payment", sa.Column("seats", sa.Text))


def downgrade() -> None:
    """Take back."""
    op.drop_column("payment", "seats")
