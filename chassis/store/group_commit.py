"""Group commit: requests that arrive while a transaction runs share the next one, as the events of a batch do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from chassis.store.database import Database
from chassis.store.failures import is_outage
from chassis.store.transaction import Transaction
from chassis.together import together

Given = TypeVar("Given")
Result = TypeVar("Result")
Work = Callable[[Transaction, Sequence[Given]], Awaitable[Sequence[Result | Exception]]]

MAX_GROUP = 50


class GroupCommit(Generic[Given, Result]):
    """Does the same work for many requests at once. One that arrives alone does not wait for company."""

    def __init__(self, database: Database, work: Work[Given, Result]) -> None:
        self._database = database
        self._work = work
        self._waiting: list[tuple[Given, asyncio.Future[Result]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def run(self, given: Given) -> Result:
        """What the work makes of `given`, committed; raises the error that it returns for it, or what it raised."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, answer))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await answer

    async def _commit_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            await self._commit(group)

    async def _commit(self, group: Sequence[tuple[Given, asyncio.Future[Result]]]) -> None:
        outcomes = await together(self._commit_together, [given for given, _ in group], is_shared=is_outage)
        for (_, answer), outcome in zip(group, outcomes, strict=True):
            _settle(answer, outcome)

    async def _commit_together(self, given: Sequence[Given]) -> Sequence[Result | Exception]:
        async def work(transaction: Transaction) -> Sequence[Result | Exception]:
            return await self._work(transaction, given)

        return await self._database.run(work)


def _settle(answer: "asyncio.Future[Result]", result: Result | Exception) -> None:
    if answer.done():
        # Whoever asked has gone.
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
