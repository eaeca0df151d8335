"""The service's own database: any number of transactions at once, each in a task of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from chassis.crash import Point, crash_point
from chassis.errors import describe
from chassis.store.departures import Departures
from chassis.store.failures import is_transient
from chassis.store.outbox import Outgoing
from chassis.store.session import Source
from chassis.store.transaction import IDENTITY, Identity, Transaction

Result = TypeVar("Result")
Work = Callable[[Transaction], Awaitable[Result]]
Subscriber = Callable[[Sequence[Outgoing]], None]

log = structlog.get_logger(__name__)

ATTEMPTS = 4


class Database:
    """Runs work in transactions. What they said departs, and subscribers hear of it, once it is committed."""

    _sleep = staticmethod(asyncio.sleep)

    def __init__(self, source: Source, departures: Departures, identity: Identity = IDENTITY) -> None:
        self._source = source
        self._departures = departures
        self._identity = identity
        self._subscribers: list[Subscriber] = [departures.send]
        self._running: set[asyncio.Task[object]] = set()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with the messages of each transaction, after its commit."""
        self._subscribers.append(subscriber)

    async def run(self, work: Work[Result]) -> Result:
        """The result of `work`, committed; tried again at once where the failure is transient.

        A caller that is cancelled leaves the transaction to its end: cancelling a driver in the middle of a
        statement would leak or poison its connection. Raises CommitUnknownError, or whatever `work` raises.
        """
        task = asyncio.create_task(self.attempts(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def drain(self, seconds: float) -> None:
        """Wait for the transactions under way, and close the pool."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        await self._source.close()

    async def attempts(self, work: Work[Result]) -> Result:
        """As `run`, in the task of the caller, which must not be cancelled."""
        try:
            return await self._attempt(work)
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("transaction tried again", error=describe(error))
        return await self._further_attempts(work)

    async def _further_attempts(self, work: Work[Result]) -> Result:
        retrying = AsyncRetrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(ATTEMPTS - 1),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._attempt, work)

    async def _attempt(self, work: Work[Result]) -> Result:
        confirmed = self._departures.take_confirmed()
        try:
            async with self._source.session() as session:
                transaction = Transaction(session, self._identity)
                result = await work(transaction)
                messages = await transaction.flush(confirmed)
                crash_point(Point.BEFORE_COMMIT, (message.routing_key for message in messages))
                await session.commit()
        except BaseException:
            self._departures.confirm(confirmed)
            raise
        crash_point(Point.AFTER_COMMIT, (message.routing_key for message in messages))
        for subscriber in self._subscribers:
            subscriber(messages)
        return result

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("transaction rolled back", error=repr(error))
