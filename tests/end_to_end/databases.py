"""The databases, each read with the role of its own service, and changed with that of its owner."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import asyncpg

from stack.services import SERVICES

Row = dict[str, Any]

_TABLES = """
    SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('outbox', 'said', 'asked') ORDER BY tablename
"""


def owner_url(environment: Mapping[str, str], service: str) -> str:
    """The address of a service's database for whoever may do everything there."""
    return environment.get(f"{service.upper()}_OWNER_DATABASE_URL") or database_url(environment, service)


def database_url(environment: Mapping[str, str], service: str) -> str:
    """The address of a service's database, with the role and the password of the service."""
    return environment[f"{service.upper()}_DATABASE_URL"]


class Databases:
    """The databases by the name of their service."""

    def __init__(self, pools: Mapping[str, "asyncpg.Pool[asyncpg.Record]"]) -> None:
        self._pools = pools

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, environment: Mapping[str, str]) -> AsyncIterator[Self]:
        """The databases of a stack, while the context lasts."""
        async with contextlib.AsyncExitStack() as pools:
            opened = {
                service: await pools.enter_async_context(
                    asyncpg.create_pool(owner_url(environment, service), min_size=0, max_size=4)
                )
                for service in SERVICES
            }
            yield cls(opened)

    async def rows(self, service: str, query: str, *values: object) -> list[Row]:
        """What a query finds."""
        return [dict(row) for row in await self._pools[service].fetch(query, *values)]

    async def row(self, service: str, query: str, *values: object) -> Row | None:
        """The one row that a query finds, if there is one."""
        found = await self.rows(service, query, *values)
        assert len(found) <= 1, f"one row was expected: {found}"
        return found[0] if found else None

    async def value(self, service: str, query: str, *values: object) -> Any:
        """The first column of the first row that a query finds."""
        return await self._pools[service].fetchval(query, *values)

    async def change(self, service: str, statement: str, *values: object) -> None:
        """Change rows behind the back of their service; raises AssertionError when there were none."""
        done = await self._pools[service].execute(statement, *values)
        assert not done.endswith(" 0"), f"{done}: {statement}"

    async def dump(self, *services: str) -> dict[str, list[str]]:
        """Every row of every table, of all databases unless some are named; what is to be sent or sent is not in."""
        dumps = await asyncio.gather(*(self._dump(service) for service in services or SERVICES))
        return {table: rows for dump in dumps for table, rows in dump.items()}

    async def unsent(self) -> int:
        """How many messages the outboxes hold."""
        counts = await asyncio.gather(*(self.value(service, "SELECT count(*) FROM outbox") for service in SERVICES))
        return sum(counts)

    async def _dump(self, service: str) -> dict[str, list[str]]:
        tables = [row["tablename"] for row in await self.rows(service, _TABLES)]
        return {f"{service}.{table}": await self._contents(service, table) for table in tables}

    async def _contents(self, service: str, table: str) -> list[str]:
        found = await self.rows(service, f'SELECT row_to_json(t)::text AS row FROM "{table}" t')  # noqa: S608
        return sorted(row["row"] for row in found)
