"""A service in hostile hands: it says any well-formed event of its own about any saga, real or made up.

Its rows stay as its own steps make them: what it does to those is its own affair.
"""

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store.outbox import Outgoing
from contracts.refund import Asker
from contracts.seat import PricedSeat
from payment_svc.models import Checkout, Refund
from tests.memory.broker import Message
from tests.simulation.outside import BROKER, EVENTS, id_of
from tests.simulation.world import World

NO_SEAT = 99
AMOUNTS = (1, 60, 70, 130)


def lie(world: World, service: str, chance: Random) -> None:
    """Have a service say something, true or not."""
    kind = chance.choice([event for event in EVENTS if event.service == service])
    values = _values(world, chance)
    event = kind(**{name: values[name] for name in kind.model_fields})
    if event.saga_id not in world.names:
        world.names[event.saga_id] = f"lie-{event.saga_id}"
    envelope = Envelope(event, new_id(), None, world.now, f"00-{event.saga_id.hex}-{1:016x}-01")
    _publish(world, service, envelope)


def _publish(world: World, service: str, envelope: Envelope) -> None:
    said = Outgoing.of(envelope)
    world.know([said])
    BROKER.put(service, said.routing_key, Message(said.headers, said.body.encode(), said.routing_key))
    world.receive()


def _values(world: World, chance: Random) -> dict[str, Any]:
    """A value for every field that an event may have: as likely one of a real saga as anything else."""
    attempts = world.rows(Checkout)
    real = chance.choice(attempts) if attempts and chance.randrange(4) else None
    wished = {id_of(wish.name): wish.seat_ids for wish in world.scenario.wishes}
    seat_ids = tuple(sorted(chance.sample([*world.scenario.prices, NO_SEAT], chance.randint(1, 2))))
    if real and chance.randrange(2):
        seat_ids = wished.get(real.payment_id, seat_ids)
    taken_back = [row.refund_id for row in world.rows(Refund) if real and row.checkout_id == real.checkout_id]
    amount = chance.choice((*AMOUNTS, chance.randint(1, 10_000)))
    prices = world.scenario.prices if chance.randrange(2) else {}
    values: dict[str, Any] = {
        "checkout_id": real.checkout_id if real else UUID(int=chance.getrandbits(128)),
        "refund_id": chance.choice(taken_back) if taken_back else UUID(int=chance.getrandbits(128)),
        "asked_by": chance.choice(list(Asker)),
        "payment_id": real.payment_id if real else chance.choice(list(wished)),
        "user_id": real.user_id if real else chance.choice(list(world.scenario.points)),
        "amount": real.amount if real else amount,
        "total_price": real.amount if real else amount,
        "seat_ids": seat_ids,
        "seats": tuple(PricedSeat(seat_id=one, price=prices.get(one, amount)) for one in seat_ids),
        "deadline": world.now + timedelta(seconds=chance.choice((-60, 30, 600))),
        "expires_at": world.now + timedelta(minutes=10),
        "completed_at": world.now,
        "reason": "a-lie",
    }
    if real and chance.randrange(2):
        name = chance.choice(("user_id", "amount", "payment_id"))
        values[name] = {"user_id": "eve", "amount": amount, "payment_id": chance.choice(list(wished))}[name]
    return values
