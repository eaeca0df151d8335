"""The answers to requests that carry an Idempotency-Key."""

from chassis.store.migrations import create_idempotency, drop_idempotency

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    create_idempotency()


def downgrade() -> None:
    """Take back."""
    drop_idempotency()
