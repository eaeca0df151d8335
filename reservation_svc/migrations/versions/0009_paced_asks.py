"""What is asked for again and again is said again in ever longer pauses."""

from chassis.store.migrations import pace_asks, unpace_asks

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    pace_asks()


def downgrade() -> None:
    """Take back."""
    unpace_asks()
