"""What every table of a service has in common."""

from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

frame = sa.MetaData()
"""The tables of the chassis itself; every service's database has them."""

Timestamp = sa.DateTime(timezone=True)


def state_field(states: type[StrEnum], **options: Any) -> Any:
    """A column that holds one of `states` as readable text and refuses anything else."""
    column = sa.Enum(states, native_enum=False, create_constraint=True, length=16, name=states.__name__.lower())
    return Field(sa_type=column, **options)


def timestamp_field(**options: Any) -> Any:
    """A column with a moment that knows its zone."""
    return Field(sa_type=Timestamp, **options)


def message_columns() -> tuple["sa.Column[Any]", ...]:
    """The columns that hold what a message says, beside its id."""
    return (
        sa.Column("saga_id", sa.Uuid, nullable=False),
        sa.Column("routing_key", sa.String(64), nullable=False),
        sa.Column("mandatory", sa.Boolean, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
