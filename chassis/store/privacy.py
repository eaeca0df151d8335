"""Privacy: what a service's database knows of one user, and how that is made anybody's.

Every table with a column `user_id` is about users. What a ledger says stays, under a pseudonym; answers to requests go.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from chassis.errors import UserBusyError
from chassis.store.revision import CONNECT_TIMEOUT
from chassis.store.servers import connect

FRAME_BODIES = (("outbox", "body"), ("said", "body"))
"""Where the chassis keeps messages that name a user"""
PSEUDONYM = "erased-"
"""What the name of a user begins with who was erased"""
FORGOTTEN = ("idempotency",)
"""Tables of which no row needs to stay"""
_TABLES = """
    SELECT table_name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'user_id' ORDER BY table_name
    """
# The names of tables and columns come from the code and from the catalogue. A body may be empty: before, what a witness
# had written was kept for a while.
_ROWS = 'SELECT row_to_json(t)::text AS row FROM "{table}" AS t WHERE user_id = $1'
_NAMING = (
    """SELECT row_to_json(t)::text AS row FROM "{table}" AS t WHERE nullif("{column}", '')::jsonb ->> 'user_id' = $1"""
)
_FORGET = 'DELETE FROM "{table}" WHERE user_id = $1'
_RENAME = 'UPDATE "{table}" SET user_id = $2 WHERE user_id = $1'
_RENAME_IN = """
    UPDATE "{table}" SET "{column}" = ("{column}"::jsonb || jsonb_build_object('user_id', $2::text))::text
    WHERE nullif("{column}", '')::jsonb ->> 'user_id' = $1
    """


@dataclass(frozen=True)
class Personal:
    """What is special about the users in a service's tables."""

    bodies: tuple[tuple[str, str], ...] = ()
    """Tables and columns of its own that hold messages as JSON"""
    frame: tuple[tuple[str, str], ...] = FRAME_BODIES
    """Those of the chassis, which whoever is no service has not"""
    busy: str = ""
    """A query that finds something as long as a saga of user $1 goes on here, whose messages still name the user"""


class Records:
    """The records of one service, over a connection whose role may change all rows."""

    def __init__(self, connection: "asyncpg.Connection[Any]", personal: Personal) -> None:
        self._connection = connection
        self._bodies = (*personal.frame, *personal.bodies)
        self._busy = personal.busy

    async def export(self, user_id: str) -> dict[str, list[Any]]:
        """All rows about a user, by table."""
        found = {table: await self._fetch(_ROWS.format(table=table), user_id) for table in await self._tables()}
        for table, column in self._bodies:
            found[table] = await self._fetch(_NAMING.format(table=table, column=column), user_id)
        return {table: [json.loads(row["row"]) for row in rows] for table, rows in found.items() if rows}

    async def refuse_busy(self, user_id: str) -> None:
        """Raise UserBusyError while a saga of the user goes on."""
        if self._busy and await self._fetch(self._busy, user_id):
            raise UserBusyError("a hold or a checkout of the user is under way: wait until it has ended, and try again")

    async def erase(self, user_id: str, pseudonym: str) -> None:
        """Put the pseudonym in the place of the user, in one transaction; raises UserBusyError."""
        async with self._connection.transaction():
            await self.refuse_busy(user_id)
            for table in await self._tables():
                if table in FORGOTTEN:
                    await self._fetch(_FORGET.format(table=table), user_id)
                else:
                    await self._fetch(_RENAME.format(table=table), user_id, pseudonym)
            for table, column in self._bodies:
                await self._fetch(_RENAME_IN.format(table=table, column=column), user_id, pseudonym)

    async def _tables(self) -> list[str]:
        return [row["table_name"] for row in await self._fetch(_TABLES)]

    async def _fetch(self, statement: str, *arguments: str) -> Sequence[Any]:
        return await self._connection.fetch(statement, *arguments)


@asynccontextmanager
async def records(url: str, personal: Personal) -> AsyncIterator[Records]:
    """The records in a database while the context lasts; raises what the driver raises."""
    connection = await connect(url, CONNECT_TIMEOUT)
    try:
        yield Records(connection, personal)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)
