"""The service's own database: any number of transactions at once, each in a task of its own."""

import asyncio
import time
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
from chassis.telemetry import metrics

Result = TypeVar("Result")
Work = Callable[[Transaction], Awaitable[Result]]
Sleep = Callable[[float], Awaitable[None]]
Subscriber = Callable[[Sequence[Outgoing]], None]

log = structlog.get_logger(__name__)

ATTEMPTS = 4
PROBE_LOCK_MILLISECONDS = 500


class Database:
    """Runs work in transactions. What they said departs, and subscribers hear of it, once it is committed."""

    _sleep = staticmethod(asyncio.sleep)

    def __init__(self, source: Source, departures: Departures, identity: Identity = IDENTITY) -> None:
        self._source = source
        self._departures = departures
        self._identity = identity
        self._subscribers: list[Subscriber] = [departures.send]
        self._running: set[asyncio.Task[object]] = set()
        self.written_at: float | None = None
        """When a transaction that has surely written something was last committed, by `time.monotonic`"""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with the messages of each transaction, after its commit."""
        self._subscribers.append(subscriber)

    async def run(self, work: Work[Result], lock_milliseconds: int | None = None) -> Result:
        """The result of `work`, committed; tried again at once where the failure is transient.

        `lock_milliseconds` is how long it may wait for a lock, when that is to be less than usual.

        A caller that is cancelled leaves the transaction to its end: cancelling a driver in the middle of a
        statement would leak or poison its connection. Raises CommitUnknownError, or whatever `work` raises.
        """
        task = asyncio.create_task(self.attempts(work, lock_milliseconds))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def drain(self, seconds: float) -> None:
        """Wait for the transactions under way, and close the pool."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        await self._source.close()

    async def trouble(self) -> Exception | None:
        """Why a transaction that concerns nobody cannot be committed now, if so.

        It writes where every step writes, and takes that back.
        """
        try:
            await self.run(_probe, PROBE_LOCK_MILLISECONDS)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
            return error
        self._has_written()
        return None

    async def attempts(self, work: Work[Result], lock_milliseconds: int | None = None) -> Result:
        """As `run`, in the task of the caller, which must not be cancelled."""
        try:
            return await self._attempt(work, lock_milliseconds)
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("transaction tried again", error=describe(error))
        return await _further(self._sleep, self._attempt, work, lock_milliseconds)

    async def _attempt(self, work: Work[Result], lock_milliseconds: int | None) -> Result:
        confirmed = self._departures.take_confirmed()
        try:
            async with self._source.session() as session:
                if lock_milliseconds is not None:
                    await session.hurry(lock_milliseconds)
                transaction = Transaction(session, self._identity)
                result = await work(transaction)
                messages = await transaction.flush(confirmed)
                crash_point(Point.BEFORE_COMMIT, (message.routing_key for message in messages))
                await session.commit()
        except BaseException:
            self._departures.confirm(confirmed)
            raise
        if messages or confirmed:
            self._has_written()
        self._departures.forgotten(confirmed)
        crash_point(Point.AFTER_COMMIT, (message.routing_key for message in messages))
        for message in messages:
            metrics.said.labels(message.routing_key).inc()
        for subscriber in self._subscribers:
            subscriber(messages)
        return result

    def _has_written(self) -> None:
        self.written_at = time.monotonic()

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("transaction rolled back", error=repr(error))


async def _further(sleep: Sleep, attempt: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
    """The result of another attempt, or of the last one."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(ATTEMPTS - 1),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        sleep=sleep,
        reraise=True,
    )
    return await retrying(attempt, *arguments)


async def _probe(transaction: Transaction) -> None:
    await transaction.session.probe()
