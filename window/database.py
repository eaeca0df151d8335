"""Database: a pool of connections to the window's own PostgreSQL, which its modules share."""

from typing import Any, TypeAlias

import asyncpg

from chassis.store.servers import Servers

COMMAND_TIMEOUT = 20
CONNECT_TIMEOUT = 5
SERVER_SETTINGS = {
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "application_name": "window",
    "jit": "off",
}

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = Any
"""A connection of the pool"""
Row: TypeAlias = Any
"""A row that a query found"""
WRITING, TELLING = 0x77_01, 0x77_02
"""Locks of whoever stores and whoever tells: numbers have to be committed in their order, by all processes together"""


async def connect(url: str, size: int) -> Pool:
    """A pool; nothing is opened before it is needed."""
    pool: Pool = await asyncpg.create_pool(
        url,
        connect=_connecting(url),
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        server_settings=SERVER_SETTINGS,
    )
    return pool


def _connecting(url: str) -> Any:
    """To whichever server of the address can be written to; the pool names the address again."""
    servers = Servers(url)

    async def connect(_: str, **options: Any) -> "asyncpg.Connection[Any]":
        return await servers.connect(**options)

    return connect


async def lock(connection: Connection, number: int) -> None:
    """Be the only one who stores, or tells, until the transaction ends."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({number})")
