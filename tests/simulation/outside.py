"""What is the same in every world: services, steps and policies, the broker, and how its messages read."""

from collections.abc import Hashable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import NAMESPACE_OID, UUID

from chassis.choreography.envelope import Envelope, parse
from chassis.choreography.loading import load
from contracts.event import Checkout, Event, Hold, Refund
from payment_svc.steps import PaymentPolicy
from reservation_svc.steps import HoldPolicy
from seat_svc.steps import RefundPolicy
from tests.memory.broker import MemoryBroker
from tests.memory.store import derived_id
from tests.simulation.scenario import CHECKOUT_TIME, HOLD_TIME, MAX_POINTS, NOTICE

Said = TypeVar("Said", bound=Event)
Outcome = Hold | Checkout | Refund

SERVICES = load(Path(__file__).parents[2]).services
BY_NAME = {service.name: service for service in SERVICES}
STEPS = {step.queue: step for service in SERVICES for step in service.steps}
EVENTS = tuple(dict.fromkeys(event for step in STEPS.values() for event in (*step.says, *step.hears)))
BROKER = MemoryBroker(SERVICES)
POLICIES: Mapping[type, Any] = {
    HoldPolicy: HoldPolicy(HOLD_TIME, CHECKOUT_TIME),
    PaymentPolicy: PaymentPolicy(MAX_POINTS),
    RefundPolicy: RefundPolicy(NOTICE),
}
HEADERS = ("ce-type", "ce-id", "ce-time", "ce-causationid", "traceparent")
"""Those that an envelope is read from"""

_known: dict[tuple[Any, ...], Envelope] = {}


class Told(NamedTuple):
    """What the platform was told: the type of the webhook, and the event in it."""

    kind: str
    event: Outcome


class MemoryPlatform:
    """The external platform: stores a delivery once by its id, in the order in which they come."""

    def __init__(self) -> None:
        self.deliveries: dict[UUID, Told] = {}

    def copy(self) -> "MemoryPlatform":
        """One that was told the same."""
        other = MemoryPlatform()
        other.deliveries = dict(self.deliveries)
        return other

    @property
    def fingerprint(self) -> Hashable:
        """Equal for platforms that were told the same, of each payment in the same order."""
        by_payment = sorted(self.deliveries, key=lambda key: str(self.deliveries[key].event.payment_id))
        return tuple(by_payment)

    async def deliver(self, delivery_id: UUID, kind: str, event: Outcome) -> None:
        """Take it."""
        self.deliveries.setdefault(delivery_id, Told(kind, event))

    def told(self, kind: str, event: type[Said]) -> dict[UUID, Said]:
        """What it was told by webhooks of one type, by their ids."""
        deliveries = self.deliveries.items()
        return {key: one.event for key, one in deliveries if one.kind == kind and isinstance(one.event, event)}


def id_of(name: str) -> UUID:
    """The id of the hold, checkout or refund of this name."""
    return derived_id(NAMESPACE_OID, name)


def christen(event: Event, names: dict[UUID, str]) -> None:
    """Name a refund that no request has named, because seats were revoked."""
    if isinstance(event, Refund) and event.refund_id not in names:
        taken, checkout = set(names.values()), names.get(event.checkout_id, str(event.checkout_id))
        possible = (f"{checkout} revoked {number}" for number in count(1))
        names[event.refund_id] = next(name for name in possible if name not in taken)


def read(hears: tuple[type[Event], ...], headers: Mapping[str, Any], body: bytes) -> Envelope:
    """What a consumer understands of a message; the same object each time that it says the same."""
    key = (id(hears), body, *(headers.get(name) for name in HEADERS))
    if key not in _known:
        _known[key] = parse(hears, headers, body)
    return _known[key]
