"""A world in memory: the services with their real steps, the bindings that they declare, and a clock.

Nothing in it happens by itself. Its methods are what can happen; `happenings` lists what can happen next, and
`scheduler` decides what does.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, UUID

from sqlmodel import SQLModel

from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope
from chassis.choreography.loading import load
from chassis.choreography.topology import topology
from contracts.checkout import Completed
from payment_svc.models import Checkout, Payment
from payment_svc.platform import Platform
from payment_svc.steps import PaymentPolicy
from payment_svc.steps import service as payment
from point_svc.models import Wallet
from point_svc.steps import service as point
from reservation_svc.models import Reservation
from reservation_svc.steps import HoldPolicy
from reservation_svc.steps import service as reservation
from seat_svc.models import ConcertDate, Seat
from seat_svc.steps import service as seat
from tests.simulation.database import Database, Transaction, derived_id
from tests.simulation.node import Node
from tests.simulation.scenario import CHECKOUT_TIME, HOLD_TIME, MAX_POINTS, Scenario, Trouble, Wish

Row = TypeVar("Row", bound=SQLModel)

SERVICES = load(Path(__file__).parents[2]).services
STEPS = {step.queue: step for service in SERVICES for step in service.steps}
BINDINGS = defaultdict(list)
"""Queues by exchange and routing key, as the services declare them."""
for _service in SERVICES:
    for _binding in topology(_service).bindings:
        BINDINGS[_binding.exchange, _binding.routing_key].append(_binding.queue)
MIDNIGHT = datetime(2027, 1, 1, tzinfo=UTC)


class MemoryPlatform:
    """The external platform: stores a delivery once by its id."""

    def __init__(self) -> None:
        self.deliveries: dict[UUID, Completed] = {}

    async def deliver(self, delivery_id: UUID, completed: Completed) -> None:
        """Take it."""
        self.deliveries.setdefault(delivery_id, completed)


class World:
    """Everything that there is at one moment."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now = MIDNIGHT
        self.platform = MemoryPlatform()
        self.nodes = self._nodes({service.name: Database() for service in SERVICES})
        self.pending: Counter[tuple[str, UUID]] = Counter()
        self.envelopes: dict[UUID, Envelope] = {}
        self.names: dict[UUID, str] = {}
        self.trouble = 0
        self.errors: dict[tuple[str, UUID], Exception] = {}
        self._furnish()

    def copy(self) -> "World":
        """The same moment once more, for another future."""
        other = World.__new__(World)
        other.scenario, other.now = self.scenario, self.now
        other.platform = MemoryPlatform()
        other.platform.deliveries.update(self.platform.deliveries)
        other.nodes = other._nodes({name: node.database for name, node in self.nodes.items()})
        other.pending, other.trouble = self.pending.copy(), self.trouble
        other.envelopes, other.names, other.errors = dict(self.envelopes), dict(self.names), dict(self.errors)
        return other

    def fingerprint(self) -> Hashable:
        """Equal for worlds that have the same futures, if their adversaries have as much left to do."""
        waiting = frozenset((queue, self.envelopes[key].event, n) for (queue, key), n in self.pending.items())
        databases = tuple(node.database.fingerprint for node in self.nodes.values())
        return databases, waiting, frozenset(self.platform.deliveries), self.now

    @property
    def is_quiet(self) -> bool:
        """Whether every message has been handled and every outbox is empty."""
        return not self.pending and not any(node.database.outbox for node in self.nodes.values())

    def rows(self, model: type[Row]) -> list[Row]:
        """All rows of a table, whichever service has it."""
        return [row for node in self.nodes.values() for row in node.database.rows(model)]

    def ask(self, wish: Wish, trouble: Trouble | None = None) -> None:
        """`POST /reservations`."""
        transaction = self.nodes[reservation.name].transaction(self.now)
        deadline = self.now + CHECKOUT_TIME
        wished = (self._name(wish.name), wish.user_id, wish.seat_ids, deadline)
        self._begin("reservation.request", transaction, trouble, *wished)

    def check_out(self, wish: Wish, trouble: Trouble | None = None) -> None:
        """`POST /checkouts`."""
        transaction = self.nodes[payment.name].transaction(self.now)
        (owed,) = transaction.load(Payment, "payment_id", {id_of(wish.name)})
        number = 1 + sum(row.payment_id == owed.payment_id for row in self.rows(Checkout))
        checkout_id, deadline = self._name(f"{wish.name}/{number}"), self.now + CHECKOUT_TIME
        self._begin("payment.request", transaction, trouble, owed, checkout_id, deadline, self.now)

    def expire(self, payment_id: UUID, trouble: Trouble | None = None) -> None:
        """The clock of the holds judges one of them."""
        transaction = self.nodes[reservation.name].transaction(self.now)
        rows = transaction.load(Reservation, "payment_id", {payment_id})
        self._begin("reservation.expire", transaction, trouble, rows, self.now)

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
        """The consumer of a step gets messages; if anything raises, it goes on one by one."""
        step = STEPS[queue]
        arrived = [self.envelopes[event_id] for event_id in event_ids]
        try:
            self._publish(self.nodes[step.service].handle(step, arrived, self.now, self._count(trouble)))
        except Exception as error:  # noqa: BLE001  # whatever a step raises, it will be tried again
            self._failed(queue, event_ids, error)
        else:
            if trouble is None:
                self.pending -= Counter((queue, event_id) for event_id in event_ids)

    def duplicate(self, queue: str, event_id: UUID) -> None:
        """The broker will deliver a message twice."""
        self._count(Trouble.DUPLICATE)
        self.pending[queue, event_id] += 1

    def replay(self, queue: str, event_id: UUID) -> None:
        """A message comes back after its inbox row has been purged."""
        self._count(Trouble.REPLAY)
        node = self.nodes[STEPS[queue].service]
        node.database = replace(node.database, inbox=node.database.inbox - {(queue, event_id)})
        self.pending[queue, event_id] += 1

    def sweep(self, service: str) -> None:
        """The sweeper of a service goes through its outbox."""
        self._publish(self.nodes[service].sweep())

    def _begin(self, name: str, transaction: Transaction, trouble: Trouble | None, *arguments: Any) -> None:
        step = STEPS[name]
        outcome = step.function(*arguments)
        self._publish(self.nodes[step.service].begin(step, outcome, transaction, self._count(trouble)))

    def _publish(self, said: Iterable[Envelope]) -> None:
        for envelope in said:
            self.envelopes[envelope.event_id] = envelope
            for queue in BINDINGS[envelope.event.service, envelope.event.name]:
                self.pending[queue, envelope.event_id] += 1

    def _failed(self, queue: str, event_ids: Sequence[UUID], error: Exception) -> None:
        if len(event_ids) > 1:
            for event_id in event_ids:
                self.deliver(queue, [event_id])
        else:
            self.errors[queue, event_ids[0]] = error

    def _operate(self, seat_id: int, change: Callable[[Seat], None], open_seats: int) -> None:
        node = self.nodes[seat.name]
        transaction = node.transaction(self.now)
        (row,) = transaction.load(Seat, "seat_id", {seat_id})
        (date,) = transaction.load(ConcertDate, "date_id", {row.date_id})
        change(row)
        date.count(open_seats)
        node.database = transaction.commit()

    def _count(self, trouble: Trouble | None) -> Trouble | None:
        self.trouble += trouble is not None
        return trouble

    def _name(self, name: str) -> UUID:
        self.names[id_of(name)] = name
        return id_of(name)

    def _nodes(self, databases: Mapping[str, Database]) -> dict[str, Node]:
        resources = {
            HoldPolicy: HoldPolicy(HOLD_TIME, CHECKOUT_TIME),
            PaymentPolicy: PaymentPolicy(MAX_POINTS),
            Platform: self.platform,
        }
        return {name: Node(database, resources, self.scenario.without) for name, database in databases.items()}

    def _furnish(self) -> None:
        for user_id, points in self.scenario.points.items():
            wallet = Wallet(user_id=user_id, balance=0)
            self._insert(point, [wallet.charge(points), wallet])
        prices = self.scenario.prices
        self._insert(seat, [ConcertDate(date_id=1, concert_id=1, starts_at=MIDNIGHT, open_seats=len(prices))])
        self._insert(seat, [Seat(seat_id=key, date_id=1, label="", price=price) for key, price in prices.items()])

    def _insert(self, service: Service, rows: Sequence[SQLModel]) -> None:
        node = self.nodes[service.name]
        node.database = node.database.insert(rows)


def id_of(name: str) -> UUID:
    """The id of the hold or checkout of this name."""
    return derived_id(NAMESPACE_OID, name)
