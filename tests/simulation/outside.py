"""What is the same in every world: services, steps and policies, the broker, and how its messages read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID

from chassis.choreography.envelope import Envelope, parse
from chassis.choreography.loading import load
from contracts.checkout import Completed
from contracts.event import Event
from payment_svc.steps import PaymentPolicy
from reservation_svc.steps import HoldPolicy
from tests.memory.broker import MemoryBroker
from tests.memory.store import derived_id
from tests.simulation.scenario import CHECKOUT_TIME, HOLD_TIME, MAX_POINTS

SERVICES = load(Path(__file__).parents[2]).services
BY_NAME = {service.name: service for service in SERVICES}
STEPS = {step.queue: step for service in SERVICES for step in service.steps}
EVENTS = tuple(dict.fromkeys(event for step in STEPS.values() for event in (*step.says, *step.hears)))
BROKER = MemoryBroker(SERVICES)
POLICIES: Mapping[type, Any] = {
    HoldPolicy: HoldPolicy(HOLD_TIME, CHECKOUT_TIME),
    PaymentPolicy: PaymentPolicy(MAX_POINTS),
}
HEADERS = ("ce-type", "ce-id", "ce-time", "ce-causationid", "traceparent")
"""Those that an envelope is read from"""

_known: dict[tuple[Any, ...], Envelope] = {}


class MemoryPlatform:
    """The external platform: stores a delivery once by its id."""

    def __init__(self) -> None:
        self.deliveries: dict[UUID, Completed] = {}

    async def deliver(self, delivery_id: UUID, completed: Completed) -> None:
        """Take it."""
        self.deliveries.setdefault(delivery_id, completed)


def id_of(name: str) -> UUID:
    """The id of the hold or checkout of this name."""
    return derived_id(NAMESPACE_OID, name)


def read(hears: tuple[type[Event], ...], headers: Mapping[str, Any], body: bytes) -> Envelope:
    """What a consumer understands of a message; the same object each time that it says the same."""
    key = (id(hears), body, *(headers.get(name) for name in HEADERS))
    if key not in _known:
        _known[key] = parse(hears, headers, body)
    return _known[key]
