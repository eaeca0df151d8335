"""Under way: how many sagas that requests have begun are not over, so that there may be a bound to them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from chassis.choreography.declaration import Service
from chassis.choreography.step import Kind
from chassis.errors import describe
from chassis.store.database import Database
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.25
STUCK_AFTER = timedelta(minutes=1)
"""What has been under way for longer makes no work for the steps"""


@dataclass(frozen=True)
class Bound:
    """At most `limit` sagas may be under way; `count` counts, in the database, those that have begun not long ago.

    What has been under way for long is stuck: it makes no work, and a door that waited for it might never open again.
    """

    limit: int
    count: Callable[[Transaction], Awaitable[int]]


class UnderWay:
    """The sagas that requests to any process of the service have begun: those seen last, and those begun here since.

    The database is asked only while some are under way.
    """

    def __init__(self, bound: Bound | None, starts: Collection[str]) -> None:
        self.bound = bound
        self._starts = starts
        self._seen = 0
        self._since = 0
        self._some = asyncio.Event()
        self._some.set()  # what an earlier process has begun

    @classmethod
    def of(cls, service: Service, bound: Bound | None) -> "UnderWay":
        """Those of a service, told by the events with which its requests begin a saga.

        What may also begin because of a call is left out: whoever calls it out sets the pace.
        """
        starts = [step for step in service.steps if step.kind is Kind.START]
        called = {event.name for step in starts if step.hears for event in step.says}
        return cls(bound, {event.name for step in starts for event in step.says} - called)

    @property
    def full(self) -> bool:
        """Whether no more may begin now."""
        return self.bound is not None and self._seen + self._since >= self.bound.limit

    def hear(self, said: Sequence[Outgoing]) -> None:
        """Note what a transaction of this process has said."""
        begun = sum(message.routing_key in self._starts for message in said)
        if begun:
            self._since += begun
            self._some.set()

    async def watch(self, bound: Bound, database: Database) -> None:
        """For ever: count again, as long as some are under way."""
        while True:
            await self._some.wait()
            try:
                await self._look(bound, database)
            except Exception as error:  # noqa: BLE001  # what was seen last holds until the database answers again
                log.debug("not counted what is under way", error=describe(error))
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, bound: Bound, database: Database) -> None:
        before = self._since
        self._seen = await database.run(bound.count)
        self._since -= before
        if not self._seen and not self._since:
            self._some.clear()
