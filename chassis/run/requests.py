"""Requests: what the REST interface of a service asks of its database."""

from typing import Any

from chassis.store.database import Database
from chassis.store.database import Result as Read
from chassis.store.database import Work as Reading
from chassis.store.group_commit import Given, GroupCommit, Result, Work


class Requests:
    """Runs the work of requests: what is only looked at or may be repeated, and what is done once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups: dict[Any, GroupCommit[Any, Any]] = {}

    async def run(self, work: Reading[Read]) -> Read:
        """The result of work that only looks, or that may be repeated."""
        return await self._database.run(work)

    async def together(self, work: Work[Given, Result], given: Given) -> Result:
        """The result of `work` for `given`, in one transaction with others who ask for the same work at this moment.

        Raises OutcomeUnknownError, BusyError, or what the work makes of `given`.
        """
        group: GroupCommit[Given, Result] = self._groups.setdefault(work, GroupCommit(self._database, work))
        return await group.run(given)

    async def alone(self, work: Work[Given, Result], given: Given) -> Result:
        """As `together`, in a transaction of its own: for work that may wait for a lock, and must hold up no other."""
        return await GroupCommit(self._database, work).run(given)
