"""Group commit: requests that come in while a transaction runs share the next one, as the events of a batch do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from chassis.database import Database, is_outage
from chassis.problem import Problem
from chassis.transaction import Transaction

Given = TypeVar("Given")
Result = TypeVar("Result")
Work = Callable[[Transaction, Sequence[Given]], Awaitable[Sequence[Result | Problem]]]

MOST = 50


class GroupCommit(Generic[Given, Result]):
    """Does the same work for many at once. A request that comes alone is not kept waiting."""

    def __init__(self, database: Database, work: Work[Given, Result]) -> None:
        self._database = database
        self._work = work
        self._waiting: list[tuple[Given, asyncio.Future[Result]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def run(self, given: Given) -> Result:
        """What the work makes of `given`, committed; raises the Problem that it answers with, or what it raised."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, answer))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await answer

    async def _commit_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            await self._commit(group)

    async def _commit(self, group: Sequence[tuple[Given, asyncio.Future[Result]]]) -> None:
        """Commit a group; when that raises, one by one, so that it concerns nobody but the culprit."""

        async def work(transaction: Transaction) -> Sequence[Result | Problem]:
            return await self._work(transaction, [given for given, _ in group])

        try:
            results = await self._database.run(work)
        except Exception as error:  # noqa: BLE001  # it is raised where the request is answered
            if len(group) > 1 and not is_outage(error):
                for one in group:
                    await self._commit([one])
                return
            for _, answer in group:
                _settle(answer, error)
        else:
            for (_, answer), result in zip(group, results, strict=True):
                _settle(answer, result)


def _settle(answer: "asyncio.Future[Result]", result: Result | Exception) -> None:
    if answer.done():
        # Whoever asked has gone.
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
