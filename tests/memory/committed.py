"""What is committed in a database in memory. It never changes, so whoever keeps it has a snapshot."""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from chassis.store.mapper import mapper_of
from chassis.store.outbox import Outgoing
from chassis.store.session import Row
from tests.memory.constraints import Values

Name = type[SQLModel] | str
"""A table: its class, or `inbox`, or `outbox`"""
Key = tuple[Name, Any]
"""A row: its table and its primary key"""
Changes = Mapping[Name, Mapping[Any, Any]]
"""New rows of tables by their primary key; None where there is none any more"""

INBOX, OUTBOX = "inbox", "outbox"


@dataclass(frozen=True)
class Stored:
    """A message of the outbox, and until when nobody else may publish it."""

    message: Outgoing
    leased_until: datetime


class Rows(dict[Any, Any]):
    """The rows of a table by their primary key; nobody changes them."""

    @cached_property
    def ordered(self) -> list[Any]:
        """The primary keys in their order."""
        return sorted(self)

    @cached_property
    def objects(self) -> dict[type[SQLModel], list[Any]]:
        """The rows as objects of a class, once somebody has asked for them."""
        return {}

    def after(self, changes: Mapping[Any, Any]) -> "Rows":
        """The rows that there are after these changes."""
        if not changes:
            return self
        rows = Rows({**self, **changes})
        for key in [key for key, row in changes.items() if row is None]:
            del rows[key]
        return rows


NO_ROWS = Rows()


@dataclass(frozen=True)
class Committed:
    """What is committed: a commit makes the next one."""

    tables: Mapping[Name, Rows] = field(default_factory=dict)
    said: Mapping[UUID, int] = field(default_factory=dict)
    """How often each thing was said, so that ids can follow from what is said"""

    def after(self, changes: Changes, said: Mapping[UUID, int]) -> "Committed":
        """What is committed after a transaction has made these changes."""
        tables = {name: self.tables.get(name, NO_ROWS).after(rows) for name, rows in changes.items()}
        return Committed({**self.tables, **tables}, {**self.said, **said} if said else self.said)

    @property
    def inbox(self) -> Collection[tuple[str, UUID]]:
        """Which step has handled which event."""
        return self.tables.get(INBOX, NO_ROWS).keys()

    @property
    def outbox(self) -> Mapping[UUID, Stored]:
        """What is not known to be at the broker."""
        return self.tables.get(OUTBOX, NO_ROWS)

    def rows(self, model: type[Row]) -> list[Row]:
        """All rows of a table, to be read only."""
        rows = self.tables.get(model)
        if rows is None:
            return []
        if model not in rows.objects:
            rows.objects[model] = mapper_of(model).rows(rows.values())
        return rows.objects[model]

    @cached_property
    def fingerprint(self) -> Hashable:
        """Equal for databases that no step can tell apart."""
        tables = frozenset(
            (model, frozenset(map(_seen(model), rows.values())))
            for model, rows in self.tables.items()
            if not isinstance(model, str)
        )
        return tables, frozenset(self.inbox), frozenset(self.outbox)


@cache
def columns(model: type[SQLModel]) -> list[str]:
    """The columns of a table, in the order in which its rows hold them."""
    table: Any = sa.inspect(model, raiseerr=True).local_table
    return [str(column.key) for column in table.columns]


@cache
def _seen(model: type[SQLModel]) -> Callable[[Values], Values]:
    """Reads the columns that matter to steps: not the ones that a row fills by itself, with an id or the time."""
    fields = model.model_fields
    places = [place for place, name in enumerate(columns(model)) if fields[name].default_factory is None]
    return lambda values: tuple(values[place] for place in places)
