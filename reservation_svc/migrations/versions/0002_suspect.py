"""Messages that may have ended the process that handled them."""

from chassis.store.migrations import create_suspect, drop_suspect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    create_suspect()


def downgrade() -> None:
    """Take back."""
    drop_suspect()
