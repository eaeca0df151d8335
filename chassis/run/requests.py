"""Requests: what the REST interface of a service asks of its database."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from chassis.errors import BusyError
from chassis.store.database import Database
from chassis.store.database import Result as Read
from chassis.store.database import Work as Reading
from chassis.store.group_commit import PATIENCE, Given, GroupCommit, Result, Work

MAX_AT_ONCE = 200


class Requests:
    """Runs the work of requests, a bounded number at once, none for longer than its client is kept waiting.

    Its database has connections of its own: however many requests come, they take none of those that steps need.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups: dict[Any, GroupCommit[Any, Any]] = {}
        self._at_once = 0

    @property
    def full(self) -> bool:
        """Whether as many are worked on as may be at once."""
        return self._at_once >= MAX_AT_ONCE

    async def run(self, work: Reading[Read]) -> Read:
        """The result of work that only looks, or that may be repeated; raises BusyError, or TimeoutError."""
        with self._one():
            async with asyncio.timeout(PATIENCE):
                return await self._database.run(work)

    async def together(self, work: Work[Given, Result], given: Given) -> Result:
        """The result of `work` for `given`, in one transaction with others who ask for the same work at this moment.

        Raises OutcomeUnknownError, BusyError, or what the work makes of `given`.
        """
        group: GroupCommit[Given, Result] = self._groups.setdefault(work, GroupCommit(self._database, work))
        with self._one():
            return await group.run(given)

    async def alone(self, work: Work[Given, Result], given: Given) -> Result:
        """As `together`, in a transaction of its own: for work that may wait for a lock, and must hold up no other."""
        with self._one():
            return await GroupCommit(self._database, work).run(given)

    async def drain(self, seconds: float) -> None:
        """Wait for the transactions under way, and close the connections."""
        await self._database.drain(seconds)

    @contextlib.contextmanager
    def _one(self) -> Iterator[None]:
        """Count a request while it is worked on."""
        if self.full:
            raise BusyError("too many requests are being worked on")
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1
