"""A world in memory: the services with their real steps, the bindings that they declare, and a clock.

Nothing in it happens by itself. Its methods are what can happen; `happenings` lists what can happen next, and
`scheduler` decides what does.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import SQLModel

from chassis.broker.retry import attempts_of
from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.choreography.topology import PARKED, RETRY_DELAYS
from chassis.run.delivery import Delivery
from chassis.store.database import Work
from chassis.store.outbox import LEASE, Outgoing
from chassis.store.transaction import Transaction
from payment_svc.platform import Platform
from tests.memory.broker import Message
from tests.memory.committed import INBOX, Committed
from tests.memory.isolation import MemoryServer
from tests.memory.store import MemorySource
from tests.simulation.furniture import MIDNIGHT, furniture
from tests.simulation.node import Failure, Node, raising
from tests.simulation.outside import (
    BROKER,
    BY_NAME,
    EVENTS,
    POLICIES,
    SERVICES,
    STEPS,
    MemoryPlatform,
    christen,
    id_of,
    read,
)
from tests.simulation.process import Ending, Process, crash_at
from tests.simulation.scenario import PASSES, Safeguard, Scenario, Trouble
from tests.simulation.unguarded import UnguardedSource

Row = TypeVar("Row", bound=SQLModel)
Waiting = tuple[str, UUID]
"""A queue and the event that waits in it"""

NO_TIME = timedelta()


class World:
    """Everything that there is at one moment."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now = MIDNIGHT
        self.platform = MemoryPlatform()
        self.servers = {service.name: MemoryServer() for service in SERVICES}
        self.running: list[Process] = []
        """What has begun and has not ended, in the order in which it began"""
        self.happening = "the beginning"
        """What is beginning now"""
        self._leases_ended = 0
        """How often all leases have run out"""
        self.asked: set[UUID] = set()
        """The checkouts and refunds that are being asked for"""
        self.is_slow = False
        """Whether it stops at its first turn"""
        self.pending: Counter[Waiting] = Counter()
        """How often which message waits in which queue"""
        self.received: dict[Waiting, Message] = {}
        """What came to which queue, the latest of each event: as it was said, or as a retry has sent it on"""
        self.altered: frozenset[Waiting] = frozenset()
        """What came to a queue as something else than what was said"""
        self.parked: dict[Waiting, str] = {}
        self.envelopes: dict[UUID, Envelope] = {}
        """What was said"""
        self.names: dict[UUID, str] = {}
        self.trouble = 0
        self.errors: dict[Waiting, Exception] = {}
        self._furnish()

    def copy(self) -> "World":
        """The same moment once more, for another future."""
        other = World.__new__(World)
        assert not self.running, "what has begun cannot be copied"
        other.scenario, other.now, other.trouble = self.scenario, self.now, self.trouble
        other.running, other.asked, other.happening, other.is_slow = [], set(), self.happening, False
        other.platform = self.platform.copy()
        other._leases_ended = self._leases_ended
        other.servers = {name: server.copy() for name, server in self.servers.items()}
        other.pending = self.pending.copy()
        other.received, other.parked = dict(self.received), dict(self.parked)
        other.envelopes, other.names = dict(self.envelopes), dict(self.names)
        other.errors, other.altered = dict(self.errors), self.altered
        return other

    def fingerprint(self) -> Hashable:
        """Equal for worlds that have the same futures, if their adversaries have as much left to do."""
        waiting = frozenset((queue, self.envelopes[key].event, n) for (queue, key), n in self.pending.items())
        databases = tuple(database.fingerprint for database in self.databases.values())
        odd = self.altered, frozenset(self.parked)
        return databases, waiting, odd, self.platform.fingerprint, self.now

    @property
    def databases(self) -> dict[str, Committed]:
        """What is committed in the database of each service."""
        return {name: server.committed for name, server in self.servers.items()}

    def clock(self, service: str) -> datetime:
        """What time it is for a service."""
        return self.now + self.scenario.skew.get(service, NO_TIME)

    @property
    def is_quiet(self) -> bool:
        """Whether every message has been handled and every outbox is empty."""
        return (
            not self.pending and not self.running and not any(database.outbox for database in self.databases.values())
        )

    def rows(self, model: type[Row]) -> list[Row]:
        """All rows of a table, whichever service has it."""
        return [row for server in self.servers.values() for row in server.committed.rows(model)]

    def discard(self, queue: str, event_id: UUID) -> None:
        """A message is parked, and a person throws it away."""
        self.count(Trouble.DISCARD)
        self.pending -= Counter([(queue, event_id)])

    def wait(self, trouble: Trouble) -> None:
        """Time passes, and nobody does anything."""
        self.count(trouble)
        self.now += PASSES[trouble] + timedelta(seconds=1)

    def deliver(self, queue: str, event_ids: Sequence[UUID], trouble: Trouble | None = None) -> None:
        """The consumer of a step gets messages; what fails goes to another attempt, and then all are acknowledged."""
        step = STEPS[queue]
        deliveries = [self._delivery(step, event_id) for event_id in event_ids]
        if trouble in (Trouble.RAISE, Trouble.RAISE_FIRST):
            culprit = deliveries[0 if trouble is Trouble.RAISE_FIRST else -1]
            step = raising(step, culprit.envelope.event)
        waiting = Counter((queue, event_id) for event_id in event_ids)
        self.pending -= waiting
        self._begin(
            BY_NAME[step.service], lambda node: node.handle(step, deliveries), trouble, partial(self._settle, waiting)
        )

    def duplicate(self, queue: str, event_id: UUID) -> None:
        """The broker will deliver a message twice."""
        self.count(Trouble.DUPLICATE)
        self.pending[queue, event_id] += 1

    def may_fail(self, queue: str, event_id: UUID) -> bool:
        """Whether the step of a message can fail once more, and the message is tried again."""
        return not STEPS[queue].can_refuse or attempts_of(self.received[queue, event_id].delivered) < len(RETRY_DELAYS)

    def replay(self, queue: str, event_id: UUID) -> None:
        """A message comes back after its inbox row has been purged."""
        self.count(Trouble.REPLAY)
        name = STEPS[queue].service
        database = self.databases[name]
        self.servers[name].committed = database.after({INBOX: {(queue, event_id): None}}, {})
        self.pending[queue, event_id] += 1

    def sweep(self, service: str, trouble: Trouble | None = None) -> None:
        """The sweeper of a service goes through its outbox.

        What a process has left that is gone has been there for longer than its lease; what one has that is slow has
        not, unless that is the trouble.
        """
        is_late = trouble is not None or not any(one.node.service.name == service for one in self.running)
        self._leases_ended += is_late
        later = 2 * LEASE * self._leases_ended if is_late else NO_TIME
        self._begin(BY_NAME[service], Node.sweep, trouble, later=later)

    def die(self, process: Process) -> None:
        """A process is killed in the middle of what it does."""
        self.count(Trouble.KILL)
        process.die()
        self.receive()

    def go_on(self, process: Process) -> None:
        """A process goes on to its next turn."""
        process.go_on()
        if BROKER.arrived:
            self.receive()

    def finish(self, process: Process) -> None:
        """A process goes on until its end, or until it has to wait for another one."""
        while not (process.is_over or process.is_waiting):
            process.go_on()
        self.receive()

    def _settle(self, waiting: Counter[Waiting], failures: list[Failure] | None) -> None:
        """What is not acknowledged comes again."""
        if failures is None and Safeguard.ACKNOWLEDGE_AFTER_COMMIT not in self.scenario.without:
            self.pending += waiting
        for failure in failures or ():
            for queue, event_id in waiting:
                if event_id == failure.envelope.event_id:
                    self.errors[queue, event_id] = failure.error

    def request(
        self, service: Service, work: Work[None], trouble: Trouble | None, ending: Ending | None = None
    ) -> None:
        """Somebody asks a service for something, or its clock does."""
        self._begin(service, lambda node: node.run(work), trouble, ending)

    def _begin(
        self,
        service: Service,
        what: Callable[[Node], Coroutine[Any, Any, Any]],
        trouble: Trouble | None,
        ending: Ending | None = None,
        later: timedelta = NO_TIME,
    ) -> None:
        """Begin something in a replica of a service, and see it to its end unless it is slow or has to wait."""
        self.count(trouble)
        node = self._node(service, trouble, later)

        def end(result: Any) -> None:
            self.running.remove(process)
            self.know(stored.message for stored in node.source.committed.outbox.values())
            if ending is not None:
                ending(result)

        process = Process(self._unused(self.happening), node, what(node), crash_at(trouble), end)
        self.running.append(process)
        if self.is_slow:
            self.go_on(process)
        else:
            self.finish(process)

    def _unused(self, name: str) -> str:
        names = {process.name for process in self.running}
        while name in names:
            name += " again"
        return name

    def know(self, said: Iterable[Outgoing]) -> None:
        """These messages were said."""
        for message in said:
            if message.event_id not in self.envelopes:
                envelope = read(EVENTS, message.headers, message.body.encode())
                self.envelopes[message.event_id] = envelope
                christen(envelope.event, self.names)

    def receive(self) -> None:
        """What has come to the queues of the broker."""
        for queue, message in BROKER.take():
            event_id = UUID(message.headers["ce-id"])
            if queue.endswith(f".{PARKED}"):
                self.parked[message.headers["x-step"], event_id] = message.headers["x-last-error"]
            else:
                self.pending[queue, event_id] += 1
                self.received[queue, event_id] = message
                if read(STEPS[queue].hears, message.headers, message.body) != self.envelopes[event_id]:
                    self.altered |= {(queue, event_id)}

    def _delivery(self, step: Step, event_id: UUID) -> Delivery:
        message = self.received[step.queue, event_id]
        return Delivery(read(step.hears, message.headers, message.body), message.delivered)

    def _node(self, service: Service, trouble: Trouble | None, later: timedelta) -> Node:
        server, without = self.servers[service.name], self.scenario.without
        source = UnguardedSource(server, without) if without else MemorySource(server)
        source.now = lambda: self.clock(service.name) + later
        is_heard = trouble is not Trouble.UNCONFIRMED
        node = Node(service, source, BROKER, {**POLICIES, Platform: self.platform}, is_heard=is_heard)
        node.subscribe(self.know)
        return node

    def count(self, trouble: Trouble | None) -> None:
        """One more piece of trouble, if there is any."""
        self.trouble += trouble is not None

    def name(self, name: str) -> UUID:
        """The id of what is called so, from now on."""
        self.names[id_of(name)] = name
        return id_of(name)

    def _furnish(self) -> None:
        for owner, rows in furniture(self.scenario):
            self.request(owner, partial(_insert, rows), None)


async def _insert(rows: Sequence[SQLModel], transaction: Transaction) -> None:
    transaction.add(*rows)
