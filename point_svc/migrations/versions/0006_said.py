"""What the broker has confirmed is kept for a while, so that it can be said again."""

from chassis.store.migrations import create_said, drop_said

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    create_said()


def downgrade() -> None:
    """Take back."""
    drop_said()
