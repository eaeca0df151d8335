"""What was said in a saga is found, to be compared with what others have heard."""

from chassis.store.migrations import index_said_by_saga, unindex_said_by_saga

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    index_said_by_saga()


def downgrade() -> None:
    """Take back."""
    unindex_said_by_saga()
