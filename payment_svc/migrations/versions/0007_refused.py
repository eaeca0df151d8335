"""What the platform has refused, so that it can be sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("delivery", sa.Column("refused", sa.Text))
    failed = sa.text("status = 'FAILED'")
    op.create_index("ix_delivery_refused", "delivery", ["delivered_at"], postgresql_where=failed)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_delivery_refused", "delivery")
    op.drop_column("delivery", "refused")
