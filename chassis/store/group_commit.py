"""Group commit: requests that arrive while a transaction runs share the next one, as the events of a batch do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from chassis.errors import BusyError, CommitUnknownError, OutcomeUnknownError
from chassis.pace import Pace
from chassis.store.database import Database
from chassis.store.failures import is_contention, is_outage
from chassis.store.transaction import Transaction
from chassis.telemetry.tracing import untraced
from chassis.together import together

Given = TypeVar("Given")
Result = TypeVar("Result")
Work = Callable[[Transaction, Sequence[Given]], Awaitable[Sequence[Result | Exception]]]

MAX_GROUP = 50
MAX_WAITING = 200
PATIENCE = 10.0
"""Seconds after which a request is answered, whatever has become of its work"""


class _Asked(Generic[Given, Result]):
    """A request, whether its work has begun, and its answer; whoever has left has cancelled that."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.begun = False
        self.answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    @property
    def left(self) -> bool:
        return self.answer.done()

    def settle(self, outcome: Result | Exception) -> None:
        if self.left:
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class GroupCommit(Generic[Given, Result]):
    """Does the same work for many requests at once. One that arrives alone does not wait for company."""

    def __init__(self, database: Database, work: Work[Given, Result]) -> None:
        self._database = database
        self._work = work
        self._waiting: list[_Asked[Given, Result]] = []
        self._committing: asyncio.Task[None] | None = None

    async def run(self, given: Given, patience: float = PATIENCE) -> Result:
        """What the work makes of `given`, committed; raises the error that it returns for it, or what it raised.

        Raises BusyError when nothing was done and nothing will be: too many wait, or its turn did not come in time.
        Raises OutcomeUnknownError when the COMMIT, or the work that had begun, was not answered.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise BusyError("too many requests wait for the database")
        asked = _Asked[Given, Result](given)
        self._waiting.append(asked)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        try:
            async with asyncio.timeout(patience) as limit:
                return await asked.answer
        except TimeoutError as error:
            if not limit.expired():
                raise  # the work's own
            raise OutcomeUnknownError if asked.begun else BusyError("its turn did not come in time") from error

    async def _commit_all(self) -> None:
        with untraced():  # else all would belong to the trace of the request that came first
            pace = Pace(MAX_GROUP)
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                with pace.piece():
                    await self._commit([asked for asked in group if not asked.left])
                await pace.rest(len(self._waiting))

    async def _commit(self, group: Sequence[_Asked[Given, Result]]) -> None:
        outcomes = await together(self._commit_together, group, is_shared=_is_shared)
        for asked, outcome in zip(group, outcomes, strict=True):
            asked.settle(outcome)

    async def _commit_together(self, group: Sequence[_Asked[Given, Result]]) -> Sequence[Result | Exception]:
        """The outcomes for a group; those who have left by the time the transaction has begun are left out."""
        outcomes: Sequence[Result | Exception] = []

        async def work(transaction: Transaction) -> Sequence[Result | Exception]:
            nonlocal outcomes
            left = [asked.left for asked in group]
            present = [asked for asked in group if not asked.left]
            for asked in present:
                asked.begun = True
            made = iter(await self._work(transaction, [asked.given for asked in present]) if present else ())
            outcomes = [BusyError("it has left") if gone else next(made) for gone in left]
            return outcomes

        try:
            return await self._database.run(work)
        except CommitUnknownError:
            return [_unknown(outcome) for outcome in outcomes]


def _is_shared(error: Exception) -> bool:
    """Whether each of a group would meet this error alone too; a lock that somebody keeps is met by its own request."""
    return is_outage(error) and not is_contention(error)


def _unknown(outcome: Result | Exception) -> Exception:
    """What is known of a request whose COMMIT was not answered: a refusal stands, because it has changed nothing."""
    return outcome if isinstance(outcome, Exception) else OutcomeUnknownError(outcome)
