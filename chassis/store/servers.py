"""Servers: the PostgreSQL servers that an address names, tried in turn until one is found that can be written to.

The driver would try them too, but one that does not answer at all would take the time of all.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from chassis.addresses import each_of
from chassis.errors import NoPrimaryError

SERVER_TIMEOUT = 2.5
"""Seconds for one of several servers to let us in"""
WANTED = "target_session_attrs"
"""What a server has to be like: a parameter of the address, as `psql` knows it"""
FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
TELLING = (asyncpg.PostgresError, asyncpg.InterfaceError, NoPrimaryError)
"""What says more about an address than that a server of it is out of reach"""


class Servers:
    """The servers of one address; the one that let us in last is asked first."""

    def __init__(self, url: str) -> None:
        each = each_of(url)
        self._servers = each if len(each) == 1 else [_of_primary(one) for one in each]

    async def connect(self, *, timeout: float, **options: Any) -> "asyncpg.Connection[Any]":  # noqa: ASYNC109  # as the driver calls it
        """A connection; `timeout` is for the only server, or all together.

        Raises NoPrimaryError, or what the driver raises.
        """
        errors = list[Exception]()
        patience = timeout if len(self._servers) == 1 else min(timeout, SERVER_TIMEOUT)
        for server in tuple(self._servers):
            try:
                connection = await _connect(server, patience, options)
            except FAILURES as error:
                errors.append(error)
            else:
                self._servers.sort(key=lambda one: one != server)
                return connection
        raise most_telling(errors)


async def connect(url: str, seconds: float) -> "asyncpg.Connection[Any]":
    """A connection to the primary of an address; raises as `Servers.connect`."""
    return await Servers(url).connect(timeout=seconds)


async def _connect(server: str, seconds: float, options: dict[str, Any]) -> "asyncpg.Connection[Any]":
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(server, timeout=seconds, **options)
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise NoPrimaryError("no server of the address is as wanted: is there a primary?") from error
    return connection


def _of_primary(server: str) -> str:
    """The address of one server among several, which may be a standby, unless it says what is wanted."""
    if WANTED in server:
        return server
    return f"{server}{'&' if '?' in server else '?'}{WANTED}=primary"


def most_telling(errors: Sequence[Exception]) -> Exception:
    """The error that says most about why no server let us in."""
    return next((error for error in errors if isinstance(error, TELLING)), errors[-1])
