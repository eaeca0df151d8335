"""Messages, the sagas that they tell of, and what is searched by."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NUMBER = (sa.BigInteger, sa.Identity(always=True))


def upgrade() -> None:
    """Apply."""
    _messages()
    _sagas()
    _mentions()
    _numbers()


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("key", sa.Uuid, primary_key=True),
        sa.Column("number", *NUMBER, nullable=False),
        sa.Column("place", sa.String(8), nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("saga_id", sa.Uuid),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("cause", sa.Uuid),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("step", sa.String(128)),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("delay", sa.String(16)),
        sa.Column("error", sa.Text),
        sa.Column("traceparent", sa.String(64), nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("user_id", sa.String(64)),
    )
    op.create_index("ix_message_number", "message", ["number"], unique=True)
    op.create_index("ix_message_saga_id", "message", ["saga_id", "number"])
    op.create_index("ix_message_seen_at", "message", ["seen_at"])
    op.create_index("ix_message_user_id", "message", ["user_id"], postgresql_where=sa.text("user_id IS NOT NULL"))
    op.create_table(
        "aside",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("step", sa.String(128), primary_key=True),
        sa.Column("key", sa.Uuid, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("is_parked", sa.Boolean, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("seen_at", MOMENT, nullable=False),
    )
    op.create_index("ix_aside_number", "aside", ["number"])
    op.create_index("ix_aside_until", "aside", ["until"])
    op.create_index("ix_aside_seen_at", "aside", ["seen_at"])


def _sagas() -> None:
    op.create_table(
        "saga",
        sa.Column("saga_id", sa.Uuid, primary_key=True),
        sa.Column("key", *NUMBER, nullable=False),
        sa.Column("saga", sa.String(64), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("way", sa.String(8), nullable=False),
        sa.Column("outcome", sa.String(64)),
        sa.Column("reason", sa.String(200)),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("last_event", sa.String(64), nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("parked", sa.Integer, nullable=False),
        sa.Column("retrying", sa.Integer, nullable=False),
        sa.Column("is_late", sa.Boolean, nullable=False),
        sa.Column("oddities", sa.Integer, nullable=False),
        sa.Column("told", sa.BigInteger, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
    )
    op.create_index("ix_saga_key", "saga", ["key"], unique=True)
    op.create_index("ix_saga_state", "saga", ["saga", "state", "key"])
    op.create_index("ix_saga_seen_at", "saga", ["seen_at"])
    op.create_index("ix_saga_due_at", "saga", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    for name, condition in (("late", "is_late"), ("odd", "oddities > 0"), ("parked", "parked > 0")):
        op.create_index(f"ix_saga_{name}", "saga", ["key"], postgresql_where=sa.text(condition))
    op.create_index("ix_saga_retrying", "saga", ["key"], postgresql_where=sa.text("retrying > 0"))
    op.create_table(
        "kind",
        sa.Column("saga", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(64), primary_key=True),
    )


def _mentions() -> None:
    op.create_table(
        "mention",
        sa.Column("value", sa.String(64), primary_key=True),
        sa.Column("key", sa.BigInteger, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("seen_at", MOMENT, nullable=False),
    )
    op.create_index("ix_mention_seen_at", "mention", ["seen_at"])
    op.create_table(
        "person",
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.BigInteger, primary_key=True),
        sa.Column("seen_at", MOMENT, nullable=False),
    )
    op.create_index("ix_person_seen_at", "person", ["seen_at"])


def _numbers() -> None:
    op.create_table(
        "tally",
        sa.Column("what", sa.String(160), primary_key=True),
        sa.Column("at", MOMENT, primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_tally_at", "tally", ["at"])
    op.create_table(
        "reached",
        sa.Column("by", sa.String(16), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "gap",
        sa.Column("number", *NUMBER, primary_key=True),
        sa.Column("why", sa.String(64), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("lost", sa.BigInteger),
        sa.Column("filled_at", MOMENT),
        sa.Column("filled_by", sa.String(64)),
    )
    op.create_table(
        "balance",
        sa.Column("queue", sa.String(64), primary_key=True),
        sa.Column("published", sa.BigInteger, nullable=False),
        sa.Column("acknowledged", sa.BigInteger, nullable=False),
        sa.Column("lost", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("ix_gap_since", "gap", ["since"])


def downgrade() -> None:
    """Take back."""
    for table in ("balance", "gap", "reached", "tally", "person", "mention", "kind", "saga", "aside", "message"):
        op.drop_table(table)
