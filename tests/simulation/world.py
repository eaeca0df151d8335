"""A world in memory: the services with their real steps, the bindings that they declare, and a clock.

Nothing in it happens by itself. Its methods are what can happen; `happenings` lists what can happen next, and
`scheduler` decides what does.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlmodel import SQLModel

from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.choreography.topology import PARKED
from chassis.crash import crashing
from chassis.errors import NotPublishedError
from chassis.run.delivery import Delivery
from chassis.store.database import Work
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction
from payment_svc.models import Checkout, Payment
from payment_svc.platform import Platform
from payment_svc.steps import service as payment
from point_svc.models import Wallet
from point_svc.steps import service as point
from reservation_svc.models import Reservation
from reservation_svc.steps import service as reservation
from seat_svc.models import Concert, ConcertDate, Seat
from seat_svc.steps import service as seat
from tests.memory.broker import Message
from tests.memory.store import Committed
from tests.simulation.node import CrashedError, Node, crash_at, raising
from tests.simulation.outside import BROKER, BY_NAME, EVENTS, POLICIES, SERVICES, STEPS, MemoryPlatform, id_of, read
from tests.simulation.scenario import CHECKOUT_TIME, HOLD_TIME, Safeguard, Scenario, Trouble, Wish

Row = TypeVar("Row", bound=SQLModel)
Result = TypeVar("Result")
Waiting = tuple[str, UUID]
"""A queue and the event that waits in it"""

MIDNIGHT = datetime(2027, 1, 1, tzinfo=UTC)


class World:
    """Everything that there is at one moment."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now = MIDNIGHT
        self.platform = MemoryPlatform()
        self.databases = {service.name: Committed() for service in SERVICES}
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
        other.scenario, other.now, other.trouble = self.scenario, self.now, self.trouble
        other.platform = MemoryPlatform()
        other.platform.deliveries.update(self.platform.deliveries)
        other.databases, other.pending = dict(self.databases), self.pending.copy()
        other.received, other.parked = dict(self.received), dict(self.parked)
        other.envelopes, other.names = dict(self.envelopes), dict(self.names)
        other.errors, other.altered = dict(self.errors), self.altered
        return other

    def fingerprint(self) -> Hashable:
        """Equal for worlds that have the same futures, if their adversaries have as much left to do."""
        waiting = frozenset((queue, self.envelopes[key].event, n) for (queue, key), n in self.pending.items())
        databases = tuple(database.fingerprint for database in self.databases.values())
        odd = self.altered, frozenset(self.parked)
        return databases, waiting, odd, frozenset(self.platform.deliveries), self.now

    @property
    def is_quiet(self) -> bool:
        """Whether every message has been handled and every outbox is empty."""
        return not self.pending and not any(database.outbox for database in self.databases.values())

    def rows(self, model: type[Row]) -> list[Row]:
        """All rows of a table, whichever service has it."""
        return [row for database in self.databases.values() for row in database.rows(model)]

    def ask(self, wish: Wish, trouble: Trouble | None = None) -> None:
        """`POST /reservations`."""
        wished = (self._name(wish.name), wish.user_id, wish.seat_ids, self.now + CHECKOUT_TIME)

        async def work(transaction: Transaction) -> None:
            transaction.apply(STEPS["reservation.request"].function(*wished))

        self._request(reservation, work, trouble)

    def check_out(self, wish: Wish, trouble: Trouble | None = None) -> None:
        """`POST /checkouts`."""
        payment_id = id_of(wish.name)
        number = 1 + sum(row.payment_id == payment_id for row in self.rows(Checkout))
        checkout_id, deadline = self._name(f"{wish.name}/{number}"), self.now + CHECKOUT_TIME

        async def work(transaction: Transaction) -> None:
            (owed,) = await transaction.lock(Payment, "payment_id", [payment_id])
            transaction.apply(STEPS["payment.request"].function(owed, checkout_id, deadline, self.now))

        self._request(payment, work, trouble)

    def expire(self, payment_id: UUID, trouble: Trouble | None = None) -> None:
        """The clock of the holds judges one of them."""

        async def work(transaction: Transaction) -> None:
            rows = await transaction.lock(Reservation, "payment_id", [payment_id])
            transaction.apply(STEPS["reservation.expire"].function(rows, self.now))

        self._request(reservation, work, trouble)

    def withdraw(self, seat_id: int) -> None:
        """An operator takes a seat off sale."""
        self._count(Trouble.WITHDRAW)
        self._operate(seat_id, Seat.withdraw, -1)

    def put_back(self, seat_id: int) -> None:
        """An operator puts a withdrawn seat back."""
        self._operate(seat_id, Seat.put_back, 1)

    def wait(self, trouble: Trouble) -> None:
        """Time passes, and nobody does anything."""
        self._count(trouble)
        self.now += {Trouble.DEADLINE: CHECKOUT_TIME, Trouble.HOLDS_END: HOLD_TIME}[trouble] + timedelta(seconds=1)

    def deliver(self, queue: str, event_ids: Sequence[UUID], trouble: Trouble | None = None) -> None:
        """The consumer of a step gets messages; what fails goes to another attempt, and then all are acknowledged."""
        step = STEPS[queue]
        deliveries = [self._delivery(step, event_id) for event_id in event_ids]
        if trouble in (Trouble.RAISE, Trouble.RAISE_FIRST):
            culprit = deliveries[0 if trouble is Trouble.RAISE_FIRST else -1]
            step = raising(step, culprit.envelope.event)
        failures = self._happen(BY_NAME[step.service], lambda node: node.handle(step, deliveries), trouble)
        if failures is not None or Safeguard.ACKNOWLEDGE_AFTER_COMMIT in self.scenario.without:
            self.pending -= Counter((queue, event_id) for event_id in event_ids)
        self.errors |= {(queue, one.envelope.event_id): one.error for one in failures or ()}

    def duplicate(self, queue: str, event_id: UUID) -> None:
        """The broker will deliver a message twice."""
        self._count(Trouble.DUPLICATE)
        self.pending[queue, event_id] += 1

    def replay(self, queue: str, event_id: UUID) -> None:
        """A message comes back after its inbox row has been purged."""
        self._count(Trouble.REPLAY)
        name = STEPS[queue].service
        database = self.databases[name]
        self.databases[name] = replace(database, inbox=database.inbox - {(queue, event_id)})
        self.pending[queue, event_id] += 1

    def sweep(self, service: str) -> None:
        """The sweeper of a service goes through its outbox."""
        self._happen(BY_NAME[service], Node.sweep, None)

    def _request(self, service: Service, work: Work[None], trouble: Trouble | None) -> None:
        self._happen(service, lambda node: node.run(work), trouble)

    def _operate(self, seat_id: int, change: Callable[[Seat], None], open_seats: int) -> None:
        async def work(transaction: Transaction) -> None:
            (row,) = await transaction.lock(Seat, "seat_id", [seat_id])
            (date,) = await transaction.lock(ConcertDate, "date_id", [row.date_id])
            change(row)
            date.count(open_seats)

        self._request(seat, work, None)

    def _happen(self, service: Service, what: Callable[[Node], Result], trouble: Trouble | None) -> Result | None:
        """Let something happen to a service; None when it crashes in the middle of it, or loses the broker."""
        self._count(trouble)
        node = self._node(service, trouble)
        try:
            with crashing(crash_at(trouble)):
                return what(node)
        except (CrashedError, NotPublishedError):
            return None
        finally:
            self.databases[service.name] = committed = node.source.committed
            self._know([*node.said, *(stored.message for stored in committed.outbox.values())])
            self._receive()

    def _know(self, said: Iterable[Outgoing]) -> None:
        for message in said:
            if message.event_id not in self.envelopes:
                self.envelopes[message.event_id] = read(EVENTS, message.headers, message.body.encode())

    def _receive(self) -> None:
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

    def _node(self, service: Service, trouble: Trouble | None) -> Node:
        dependencies = {**POLICIES, Platform: self.platform}
        committed, without = self.databases[service.name], self.scenario.without
        is_heard = trouble is not Trouble.UNCONFIRMED
        return Node(service, committed, self.now, BROKER, dependencies, without, is_heard=is_heard)

    def _count(self, trouble: Trouble | None) -> None:
        self.trouble += trouble is not None

    def _name(self, name: str) -> UUID:
        self.names[id_of(name)] = name
        return id_of(name)

    def _furnish(self) -> None:
        for user_id, points in self.scenario.points.items():
            wallet = Wallet(user_id=user_id, balance=0)
            self._insert(point, [wallet.charge(points), wallet])
        prices = self.scenario.prices
        self._insert(seat, [Concert(concert_id=1, title="")])
        self._insert(seat, [ConcertDate(date_id=1, concert_id=1, starts_at=MIDNIGHT, open_seats=len(prices))])
        self._insert(seat, [Seat(seat_id=key, date_id=1, label="", price=price) for key, price in prices.items()])

    def _insert(self, service: Service, rows: Sequence[SQLModel]) -> None:
        async def work(transaction: Transaction) -> None:
            transaction.add(*rows)

        self._request(service, work, None)
