"""A session of each driver, that makes the transaction which a batch of events is: asyncpg beside psycopg 3."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

import asyncpg
import psycopg

from chassis.store.mapper import Connection

Statement: TypeAlias = "tuple[str, Sequence[Any]]"


class Batch(NamedTuple):
    """The statements of one transaction, without `BEGIN` and `COMMIT`, and how many events it is about."""

    events: int
    accept: Statement
    lock: Statement
    update: Statement
    put: Statement


class Session(Protocol):
    """A connection of one of the drivers."""

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction; returns the ids that were new to the inbox, and the locked rows."""


class Asyncpg:
    """asyncpg, as the chassis uses it: six round trips."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def opened(cls, url: str, closing: AsyncExitStack) -> Session:
        """A session that ends with the context."""
        connection = await asyncpg.connect(url)
        closing.push_async_callback(connection.close)
        return cls(connection)

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""
        return self._connection.get_server_pid()

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction, statement by statement."""
        await self._connection.execute("BEGIN")
        fresh = await self._connection.fetch(batch.accept[0], *batch.accept[1])
        rows = await self._connection.fetch(batch.lock[0], *batch.lock[1])
        await self._connection.execute(batch.update[0], *batch.update[1])
        await self._connection.execute(batch.put[0], *batch.put[1])
        await self._connection.execute("COMMIT")
        return {record[0] for record in fresh}, rows


class Merged(Asyncpg):
    """asyncpg with the two writes made one statement: five round trips."""

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction; nobody is told how many rows were updated."""
        await self._connection.execute("BEGIN")
        fresh = await self._connection.fetch(batch.accept[0], *batch.accept[1])
        rows = await self._connection.fetch(batch.lock[0], *batch.lock[1])
        sql = _merged(batch.update[0], batch.put[0], len(batch.update[1]))
        await self._connection.execute(sql, *batch.update[1], *batch.put[1])
        await self._connection.execute("COMMIT")
        return {record[0] for record in fresh}, rows


class Psycopg:
    """psycopg 3 at its best without a pipeline: compiled, prepared, binary, its cursors kept."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection
        self._begin, self._accept, self._lock, self._write = (connection.cursor(binary=True) for _ in range(4))

    @classmethod
    async def opened(cls, url: str, closing: AsyncExitStack) -> Session:
        """A session that ends with the context."""
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
        closing.push_async_callback(connection.close)
        return cls(connection)

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""
        return self._connection.info.backend_pid

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction, statement by statement."""
        await self._begin.execute("BEGIN", prepare=False)
        await self._accept.execute(*_in_psycopg(batch.accept))
        fresh = await self._accept.fetchall()
        await self._lock.execute(*_in_psycopg(batch.lock))
        rows = await self._lock.fetchall()
        await self._write.execute(*_in_psycopg(batch.update))
        await self._write.execute(*_in_psycopg(batch.put))
        await self._begin.execute("COMMIT", prepare=False)
        return {record[0] for record in fresh}, rows


class Pipelined(Psycopg):
    """psycopg 3 in pipeline mode: two round trips, one up to the locked rows and one from there on."""

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction; what depends on no answer is sent together."""
        async with self._connection.pipeline():
            await self._begin.execute("BEGIN", prepare=False)
            await self._accept.execute(*_in_psycopg(batch.accept))
            await self._lock.execute(*_in_psycopg(batch.lock))
            rows = await self._lock.fetchall()
            fresh = await self._accept.fetchall()
            await self._write.execute(*_in_psycopg(batch.update))
            await self._write.execute(*_in_psycopg(batch.put))
            await self._begin.execute("COMMIT", prepare=False)
        return {record[0] for record in fresh}, rows


DRIVERS: dict[str, Callable[[str, AsyncExitStack], Awaitable[Session]]] = {
    "asyncpg": Asyncpg.opened,
    "asyncpg, merged": Merged.opened,
    "psycopg": Psycopg.opened,
    "psycopg, pipeline": Pipelined.opened,
}
"""The first one is what the others are compared with."""

_NUMBERED = re.compile(r"\$(\d+)")


def _in_psycopg(statement: Statement) -> Statement:
    return _translated(statement[0]), statement[1]


@cache
def _translated(sql: str) -> str:
    """With psycopg's marks for binary arguments; ours stand in the order of their numbers, once each."""
    return _NUMBERED.sub("%b", sql)


@cache
def _merged(first: str, then: str, offset: int) -> str:
    """The second statement, which begins with WITH, after the first; its arguments are counted on from `offset`."""
    renumbered = _NUMBERED.sub(lambda found: f"${int(found[1]) + offset}", then)
    return renumbered.replace("WITH", f"WITH changed AS ({first}),", 1)
