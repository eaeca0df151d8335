"""Evenings that are called off, seats that nobody can keep, and what was decided about refunds."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("concert_date", sa.Column("called_off_at", sa.DateTime(timezone=True)))
    op.drop_constraint("datestatus", "concert_date", type_="check")
    op.create_check_constraint("datestatus", "concert_date", "status IN ('AVAILABLE', 'SOLD_OUT', 'CALLED_OFF')")
    op.add_column("seat", sa.Column("revoked", sa.String(64)))
    op.add_column("seat", sa.Column("revoke_at", sa.DateTime(timezone=True)))
    op.create_index("ix_seat_revoke_at", "seat", ["revoke_at"], postgresql_where=sa.text("revoke_at IS NOT NULL"))
    op.create_table(
        "vacancy",
        sa.Column("refund_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("seats", sa.Text, nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_vacancy_at", "vacancy", ["at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("vacancy")
    op.drop_index("ix_seat_revoke_at", "seat")
    op.drop_column("seat", "revoke_at")
    op.drop_column("seat", "revoked")
    op.drop_constraint("datestatus", "concert_date", type_="check")
    op.create_check_constraint("datestatus", "concert_date", "status IN ('AVAILABLE', 'SOLD_OUT')")
    op.drop_column("concert_date", "called_off_at")
