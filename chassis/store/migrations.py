"""Migrations: Alembic, as the services use it.

`python -m chassis.store.migrations SCRIPTS` brings the database that DATABASE_URL names up to date.
"""

import asyncio
import os
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config

from chassis.errors import MigrationError, describe
from chassis.store import inbox, operations, outbox, said, suspects
from chassis.store.models import frame
from chassis.store.postgres import engine
from chassis.store.revision import LOCK, current, head, serves

FRAME = (inbox.inbox, outbox.outbox, suspects.suspect, said.said, said.asked, said.own_queue, operations.operation)
"""The tables of the chassis, which every service's migrations create."""


_ALEMBIC = asyncio.Lock()
"""Alembic is told by variables of its module what it works on"""


async def ensure(url: str, scripts: Path) -> None:
    """As `chassis.store.revision.ensure`, in this process.

    Raises MigrationError, or what the driver raises when the database is out of reach.
    """
    if serves(await current(url), head(scripts)):
        return
    try:
        async with _ALEMBIC:
            await upgrade(url, scripts)
    except Exception as error:
        raise MigrationError(f"the migrations in {scripts} could not be applied: {describe(error)}") from error


async def upgrade(url: str, scripts: Path) -> None:
    """Apply what is missing; replicas that start together wait for each other."""
    opened = engine(url, poolclass=sa.NullPool)
    async with opened.begin() as connection:
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        await connection.run_sync(_apply, scripts)
    await opened.dispose()


def run(*tables: sa.MetaData) -> None:
    """The body of every service's `env.py`: run Alembic over the connection that it is given."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=[*tables, frame])
    with context.begin_transaction():
        context.run_migrations()


def _apply(connection: sa.Connection, scripts: Path) -> None:
    config = _config(scripts)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def create_inbox_and_outbox() -> None:
    """The chassis' tables in their first version, for a service's first revision.

    A revision must never change, so neither must this: a later version of the tables is another function.
    """
    op.create_table(
        "inbox",
        sa.Column("step", sa.String(64), primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("saga_id", sa.Uuid, nullable=False),
        sa.Column("heard", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    )
    op.create_index("ix_inbox_saga_id", "inbox", ["saga_id"])
    op.create_index("ix_inbox_at", "inbox", ["at"], postgresql_using="brin")
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("saga_id", sa.Uuid, nullable=False),
        sa.Column("routing_key", sa.String(64), nullable=False),
        sa.Column("mandatory", sa.Boolean, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_outbox_leased_until", "outbox", ["leased_until"])


def drop_inbox_and_outbox() -> None:
    """Take `create_inbox_and_outbox` back."""
    op.drop_table("outbox")
    op.drop_table("inbox")


def create_suspect() -> None:
    """The table of suspects in its first version; it must never change either."""
    op.create_table(
        "suspect",
        sa.Column("step", sa.String(64), primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("process", sa.Uuid, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    )
    op.create_index("ix_suspect_at", "suspect", ["at"])


def drop_suspect() -> None:
    """Take `create_suspect` back."""
    op.drop_table("suspect")


def create_idempotency() -> None:
    """The table of answers to requests with a key, in its first version; it must never change either."""
    op.create_table(
        "idempotency",
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("ix_idempotency_at", "idempotency", ["at"])


def drop_idempotency() -> None:
    """Take `create_idempotency` back."""
    op.drop_table("idempotency")


def index_inbox_by_age() -> None:
    """Give retention an index of the inbox that finds old rows also where many have been deleted."""
    op.drop_index("ix_inbox_at", "inbox")
    op.create_index("ix_inbox_at", "inbox", ["at"])


def index_inbox_by_block() -> None:
    """Take `index_inbox_by_age` back."""
    op.drop_index("ix_inbox_at", "inbox")
    op.create_index("ix_inbox_at", "inbox", ["at"], postgresql_using="brin")


def create_said() -> None:
    """The tables with which what was said can be said again, in their first version; it must never change either."""
    op.create_table(
        "said",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("saga_id", sa.Uuid, nullable=False),
        sa.Column("routing_key", sa.String(64), nullable=False),
        sa.Column("mandatory", sa.Boolean, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_said_at", "said", ["at"])
    op.create_table(
        "asked",
        sa.Column("event", sa.String(64), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "own_queue",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("lost_at", sa.DateTime(timezone=True)),
    )


def pace_asks() -> None:
    """Have it remembered when each event was last said again, so that nobody can have it said without end."""
    op.add_column("asked", sa.Column("begun", sa.DateTime(timezone=True), nullable=False, server_default="-infinity"))
    op.add_column("asked", sa.Column("pause", sa.Interval, nullable=False, server_default="0"))


def unpace_asks() -> None:
    """Take `pace_asks` back."""
    op.execute("DELETE FROM asked WHERE reached IS NULL AND at <= begun")
    op.drop_column("asked", "pause")
    op.drop_column("asked", "begun")


def drop_said() -> None:
    """Take `create_said` back."""
    for table in ("own_queue", "asked", "said"):
        op.drop_table(table)


def index_said_by_saga() -> None:
    """Let what was said in a saga be found: whoever compares it with what was heard asks saga by saga."""
    op.create_index("ix_said_saga_id", "said", ["saga_id"])


def unindex_said_by_saga() -> None:
    """Take `index_said_by_saga` back."""
    op.drop_index("ix_said_saga_id", "said")


def create_operation() -> None:
    """The table of what operators did, in its first version; it must never change either."""
    op.create_table(
        "operation",
        sa.Column("operation_id", sa.Uuid, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("message_id", sa.String(255)),
        sa.Column("reason", sa.Text),
        sa.Column("subject", sa.JSON, nullable=False),
    )
    op.create_index("ix_operation_at", "operation", ["at"])


def drop_operation() -> None:
    """Take `create_operation` back."""
    op.drop_table("operation")


if __name__ == "__main__":
    asyncio.run(upgrade(os.environ["DATABASE_URL"], Path(sys.argv[1])))
