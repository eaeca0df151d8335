"""What a client of a system that is being broken has to reckon with."""

import asyncpg
import httpx2

TROUBLE = (
    httpx2.HTTPError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    KeyError,
    ValueError,
)
"""Errors of connections, of databases, and answers that are not what was expected."""
