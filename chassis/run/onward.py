"""Onward: sends what has failed at a step to its next attempt, or to the parked messages."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

import structlog
from aiormq.abc import DeliveredMessage
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from chassis.broker.origin import Origins, headers_of
from chassis.broker.retry import LONGEST_DELAY, LONGEST_DELAY_SECONDS, MAX_TEXT, Delivers, Retry
from chassis.choreography.step import Step
from chassis.choreography.topology import PARKED
from chassis.errors import (
    ContradictedError,
    ForgedMessageError,
    NewerVersionError,
    NotPublishedError,
    NotYetError,
    describe,
)
from chassis.run.delivery import number_of, put_aside
from chassis.telemetry import metrics

log = structlog.get_logger(__name__)

Failed = tuple[DeliveredMessage, Exception]
Declare = Callable[[], Awaitable[None]]
Progress = Callable[[], None]


class Onward:
    """The way on for messages of one step; `progress` is called for each that has gone it."""

    def __init__(self, step: Step, publisher: Delivers, origins: Origins, progress: Progress) -> None:
        self._step = step
        self._retry = Retry(step, publisher, origins)
        self._progress = progress
        self._declare: Declare | None = None
        self._struggling: dict[UUID, float] = {}
        self._aside: set[int] = set()
        """The numbers of the deliveries that were rejected, and so must not be acknowledged"""

    @property
    def struggling(self) -> int:
        """How many events the step must handle in the end and keeps failing to.

        One that another replica meets next is no longer counted here once it would have come back.
        """
        now = _now()
        self._struggling = {event_id: until for event_id, until in self._struggling.items() if until > now}
        return len(self._struggling)

    def begin(self, declare: Declare) -> None:
        """Begin a session, whose deliveries are numbered anew; `declare` is called when a queue turns out missing."""
        self._declare = declare
        self._aside.clear()

    def met(self, events: Iterable[UUID]) -> None:
        """Note that the step has met these events again."""
        for event_id in events:
            self._struggling.pop(event_id, None)

    async def send(self, failed: Sequence[Failed]) -> None:
        """Send messages to their next attempt, or park them, however long the broker does not take them.

        It comes after the commit, right before the acknowledgement; so a batch that is run again leaves no copies.
        They go together: one by one, each would wait for the confirm of the one before.
        """
        sending = (self._send(message, error) for message, error in failed)
        # All have ended before this does: none notes anything in the next session, whose deliveries are numbered anew.
        for outcome in await asyncio.gather(*sending, return_exceptions=True):
            if outcome is not None:
                raise outcome

    def ours(self, messages: Iterable[DeliveredMessage]) -> list[DeliveredMessage]:
        """The messages that are not put aside, and so are to be acknowledged."""
        return [message for message in messages if number_of(message) not in self._aside]

    async def _send(self, message: DeliveredMessage, error: Exception) -> None:
        """Send one on; what cannot be sent at all, whatever is in it, is left to the broker to park."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(NotPublishedError),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            before_sleep=self._not_yet,
        )
        try:
            destination: str = await retrying(self._retry.again, message, error)
        except Exception as defect:  # noqa: BLE001  # which ones there are is not known, else they would be mended
            log.error("message cannot be sent on", step=self._step.queue, error=describe(defect))
            await put_aside(message)
            self._aside.add(number_of(message))
            destination = PARKED
        self._progress()
        self._report(message, error, destination)

    async def _not_yet(self, state: RetryCallState) -> None:
        """The broker did not take a message; what it should rest or be parked in may be missing, so declare it anew."""
        reason = state.outcome.exception() if state.outcome else None
        log.warning("message not sent on yet", step=self._step.queue, error=describe(reason) if reason else "")
        if self._declare is not None and isinstance(reason, NotPublishedError) and reason.returned:
            with contextlib.suppress(Exception):  # the next attempt shows whether it helped
                await self._declare()

    def _report(self, message: DeliveredMessage, error: Exception, destination: str) -> None:
        headers, saga_id = headers_of(message), message.header.properties.correlation_id
        event_id = str(headers.get("ce-id", ""))[:MAX_TEXT]
        if isinstance(error, NotYetError) and destination != PARKED:
            log.info("waits for its turn", step=self._step.queue, event_id=event_id, saga_id=saga_id, next=destination)
            return
        if isinstance(error, (ForgedMessageError, ContradictedError)):
            metrics.disbelieved.labels(self._step.queue, type(error).__name__.removesuffix("Error").lower()).inc()
        if destination == PARKED:
            metrics.parkings.labels(self._step.queue).inc()
        else:
            metrics.retries.labels(self._step.queue, destination).inc()
        is_lasting = not self._step.can_refuse or isinstance(error, NewerVersionError)
        is_struggling = destination == LONGEST_DELAY and is_lasting
        if is_struggling:
            self._struggling[UUID(event_id)] = _now() + 2 * LONGEST_DELAY_SECONDS
        report = log.error if destination == PARKED or is_struggling else log.warning
        facts = {"next": destination, "event_id": event_id, "saga_id": saga_id, "error": describe(error)[:MAX_TEXT]}
        report("step failed", step=self._step.queue, **facts)


def _now() -> float:
    return asyncio.get_running_loop().time()
