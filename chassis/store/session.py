"""Session: an open transaction of a database, as the store needs it.

`chassis.store.postgres` is the one that services use; the simulation has one in memory. Both pass the same suite.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from chassis.choreography.envelope import Envelope
from chassis.store.outbox import Outgoing

Row = TypeVar("Row", bound=SQLModel)


class Session(Protocol):
    """What can be done in an open transaction. Each method is one statement, however many rows it concerns."""

    async def select(self, model: type[Row], column: str, keys: Collection[Any], *, lock: bool) -> list[Row]:
        """The rows whose `column` is one of `keys`, in the order of their primary key, locked if asked to."""

    async def insert(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows; raises what the database raises for one that is there already."""

    async def update(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Write the values of rows; raises RowGoneError when one is not there under its primary key."""

    async def replace(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows, each in the place of the one that has its primary key already."""

    async def accept(self, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
        """Note in the inbox that `step` handles these events; returns the ids that it had not handled before."""

    async def handled(self, step: str, event_ids: Collection[UUID]) -> set[UUID]:
        """Those of the events that `step` has handled."""

    async def put(self, messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
        """Store messages in the outbox, leased to this process, and take confirmed ones out of it."""

    async def lease(self, limit: int) -> list[Outgoing]:
        """Take over up to `limit` messages of the outbox whose lease has run out."""

    async def keep(self, event_ids: Collection[UUID]) -> None:
        """Lease messages to this process for a while longer, as far as the outbox still holds them."""

    async def repeat(self, limit: int) -> None:
        """Put up to `limit` confirmed messages that are asked for back to the outbox, free to be taken over."""

    async def forget(self, confirmed: Collection[UUID]) -> None:
        """Take confirmed messages out of the outbox."""

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """The result of a statement of SQLAlchemy Core."""

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """The records of a statement in PostgreSQL's own words, with `$1`, `$2`, … for the arguments."""

    async def hurry(self, lock_milliseconds: int) -> None:
        """From now on in this transaction, wait no longer than this for a lock."""

    async def probe(self) -> None:
        """Write what concerns nobody to inbox and outbox, and take it back."""

    async def commit(self) -> None:
        """Commit; raises CommitUnknownError or RolledBackError."""


class Source(Protocol):
    """Where sessions come from."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A new session, rolled back when its context ends without a commit."""

    async def close(self) -> None:
        """Close everything that is open."""
