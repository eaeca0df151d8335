"""What operators did with messages put aside, and with what was said."""

from chassis.store.migrations import create_operation, drop_operation

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    create_operation()


def downgrade() -> None:
    """Take back."""
    drop_operation()
