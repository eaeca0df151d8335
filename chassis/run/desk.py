"""Desk: what operators have a service do with its messages that are put aside, and with what it has said.

The service looks with its own broker user, over a connection that lasts as long as the look. The broker holds what is
looked at for whoever looks, so a process looks for one operator at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog

from chassis.broker import parked
from chassis.broker.parked import MAX_LOOKED_AT, Bounds, Look, Parked, QueuesOf, looking
from chassis.broker.record import recorded
from chassis.broker.resay import said_by
from chassis.choreography.declaration import Service
from chassis.errors import BusyError, UnreachableBrokerError, describe
from chassis.settings import ServiceSettings
from chassis.store import operations, said
from chassis.store.database import Database
from chassis.store.operations import Operation
from chassis.store.said import Fetches
from chassis.visible import visible

log = structlog.get_logger(__name__)

LOOK_SECONDS, PATIENCE_SECONDS, ACT_SECONDS = 3.0, 3.0, 8.0
"""For a look, for the broker to answer, and for all that is done at once: a request is answered within ten seconds"""
MAX_ID = 255
QUEUES: dict[str, QueuesOf] = {"parked": parked.parked_queues, "resting": parked.resting_queues}
"""Where messages are put aside: the queues of a service"""

Looking = Callable[[str, Sequence[str], QueuesOf, Bounds], AbstractAsyncContextManager[Look]]


@dataclass
class Moved:
    """What became of the messages that were to be put back, by their ids."""

    redriven: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What was not reached in time"""


class TableRecord:
    """The table of a service in which stands who did what to which message; it names no user but the operator."""

    def __init__(self, database: Database, service: Service, who: str) -> None:
        self._database = database
        self._events = {event for step in service.listening for event in step.hears}
        self._who = who

    async def append(self, action: str, one: Parked, reason: str | None) -> None:
        """Note what is about to be done; it is committed when this returns."""
        subject = recorded(self._events, one)
        noted = Operation(self._who, action, subject, id_of(one), reason and visible(reason))
        await self._database.run(partial(_note, noted))


class Desk:
    """Where operators act on what a service has put aside, one at a time."""

    def __init__(
        self, service: Service, settings: ServiceSettings, database: Database, look: Looking = looking
    ) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._looking = look
        self._is_busy = False

    @property
    def says(self) -> set[str]:
        """The names of the events that the service may be asked to say again."""
        return said_by(self._service)

    @asynccontextmanager
    async def look(self, where: str, count: int = MAX_LOOKED_AT) -> AsyncIterator[Look]:
        """Up to `count` messages of each queue there; what is not moved stays, in order, when the context ends.

        Raises BusyError while somebody else looks, or UnreachableBrokerError.
        """
        if self._is_busy:
            raise BusyError("somebody else is looking at what is put aside")
        self._is_busy = True
        try:
            seconds = LOOK_SECONDS / len(QUEUES[where](""))
            bounds = Bounds(count, seconds, PATIENCE_SECONDS)
            async with self._looking(self._url(), [self._service.name], QUEUES[where], bounds) as found:
                yield found
        finally:
            self._is_busy = False

    async def redrive(self, who: str, ids: Collection[str], rate: float) -> Moved:
        """Put the messages with these ids back to their queues, as many as can be reached in time.

        Raises BusyError or UnreachableBrokerError when none was put back.
        """
        end = asyncio.get_running_loop().time() + ACT_SECONDS
        record, done = TableRecord(self._database, self._service, who), list[Parked]()
        async with self.look("parked") as found:
            wanted = [one for one in found.messages if id_of(one) in ids]
            for one in wanted:
                if asyncio.get_running_loop().time() > end:
                    break
                try:
                    await parked.redrive([one], rate, record, done.append)
                except UnreachableBrokerError as error:
                    if not done:
                        raise
                    log.warning("not everything was put back", error=describe(error))
                    break
        return _moved(ids, wanted, done, is_cut=bool(found.cut))

    async def discard(self, who: str, where: str, message_id: str, queue: str | None, reason: str) -> int:
        """Remove the messages with this id, those that came from `queue` if it is given; returns how many.

        Raises BusyError, also when not all could be looked at and it is not among the others, or
        UnreachableBrokerError.
        """
        record = TableRecord(self._database, self._service, who)
        async with self.look(where) as found:
            chosen = chosen_of(found, message_id, queue)
            for one in chosen:
                await parked.discard(one, reason, record)
        return len(chosen)

    async def resay(self, transaction: Fetches, who: str, events: Collection[str], hours: float | None) -> float:
        """Note that these events are to be said again, as far back as is remembered; returns how many hours that is."""
        remembered = self._settings.said_hours
        back = min(hours or remembered, remembered)
        await operations.note(transaction, Operation(who, "resay", {"events": sorted(events), "hours": back}))
        await said.ask(transaction, events, back)
        return back

    def _url(self) -> str:
        try:
            return self._settings.broker_url()
        except OSError as error:
            raise UnreachableBrokerError(describe(error)) from error


def id_of(one: Parked) -> str:
    """The id of a message as operators see it and name it."""
    return visible(one.id)[:MAX_ID]


def chosen_of(found: Look, message_id: str, queue: str | None) -> list[Parked]:
    """The messages with this id, from this queue if one is given; raises BusyError where it may be among the rest."""
    chosen = [one for one in found.messages if id_of(one) == message_id and queue in (None, one.queue)]
    if found.cut and not chosen:
        raise BusyError("more is put aside than could be looked at, and the message is not among the first")
    return chosen


def _moved(ids: Collection[str], wanted: Sequence[Parked], done: Sequence[Parked], *, is_cut: bool) -> Moved:
    """What became of each id; several messages may have the same, when several steps heard the event."""
    there, left = {id_of(one) for one in wanted}, {id_of(one) for one in wanted[len(done) :]}
    moved = Moved()
    for one in dict.fromkeys(ids):
        if one in left or (is_cut and one not in there):
            moved.left.append(one)
        elif one in there:
            moved.redriven.append(one)
        else:
            moved.missing.append(one)
    return moved


async def _note(noted: Operation, transaction: Fetches) -> None:
    await operations.note(transaction, noted)
