"""An effect acts on an event when its turn has come, which rows say; until then the event rests."""

from collections.abc import Sequence
from typing import Annotated, Any, cast
from uuid import UUID

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.broker.burst import Parcel
from chassis.broker.origin import Origins
from chassis.choreography.declaration import By, Service, Via
from chassis.choreography.step import Step
from chassis.errors import DeclarationError
from chassis.run.effect import EffectConsumer
from chassis.store.departures import Departures
from chassis.store.transaction import Transaction
from tests.memory.store import MemoryDatabase, MemorySource
from tests.unit.lamps import Circuit, Dark, Lamp, Lit, Pressed, a_service

FIRST, SECOND = UUID(int=1), UUID(int=2)
Lamps = Annotated[list[Lamp], By("room_id")]


def a_turn(lit: Lit, lamps: Lamps) -> bool:
    """Once there is a lamp in the room."""
    return bool(lamps)


class Broker:
    """Keeps what is sent on and what is acknowledged."""

    def __init__(self) -> None:
        self.sent: list[Parcel] = []
        self.acknowledged: list[int] = []

    async def deliver(self, parcel: Parcel) -> None:
        """Take what a consumer sends on."""
        self.sent.append(parcel)

    async def basic_ack(self, delivery_tag: int, *, multiple: bool) -> None:
        """Forget one, or all up to it."""
        self.acknowledged.append(delivery_tag)

    def message(self, event_id: UUID, room_id: int, **counted: int) -> DeliveredMessage:
        """Hands out that the lamps of a room burn."""
        headers = {
            "ce-type": "lamps.lit.v1",
            "ce-source": "/lamps",
            "ce-id": str(event_id),
            "ce-time": "2026-01-01T00:00:00+00:00",
        }
        known: Any = headers | {f"x-{name}": number for name, number in counted.items()}
        return DeliveredMessage(
            delivery=Basic.Deliver("", event_id.int, False, "lamps", "lamps.lit"),
            header=ContentHeader(properties=Basic.Properties(headers=known, app_id="lamps", user_id="lamps")),
            body=Lit(room_id=room_id).model_dump_json().encode(),
            channel=cast("Any", self),
        )


def an_effect(service: Service) -> Step:
    """The effect of the tests, which has its turn."""

    @service.effect
    async def ring(lit: Lit) -> Dark:
        raise NotImplementedError

    service.turn(ring)(a_turn)
    return service.declared(ring)


class House:
    """A consumer of the effect, its broker and its database."""

    def __init__(self) -> None:
        source = MemorySource()
        self.broker = Broker()
        self.database = MemoryDatabase(source, Departures(), source.identity)
        origins = Origins("lamps", "lamps")
        step = an_effect(a_service())
        self.consumer = EffectConsumer(step, self.database, {}, cast("Any", self.broker), origins, max_batch=10)

    async def light(self, room_id: int) -> None:
        """Put a lamp into a room."""

        async def work(transaction: Transaction) -> None:
            transaction.add(Lamp(lamp_id=room_id, room_id=room_id))

        await self.database.run(work)

    async def take(self, *messages: DeliveredMessage) -> list[UUID]:
        """What the effect is to act on now, of what has arrived."""
        together, alone = await self.consumer._unhandled(messages)
        return [one.envelope.event_id for one in (*together, *alone)]


@pytest.fixture
def house() -> House:
    """A house without lamps."""
    return House()


def rests(parcels: Sequence[Parcel]) -> list[tuple[str, int, int]]:
    """Where messages were sent on to, and what is counted of them."""
    return [(one.routing_key, int(one.headers["x-waited"]), int(one.headers["x-attempt"])) for one in parcels]


async def test_event_whose_turn_has_not_come_rests(house: House) -> None:
    """It is sent on and acknowledged; that is no attempt. Another one of the batch waits for nothing."""
    # given
    await house.light(2)
    # when
    acting = await house.take(house.broker.message(FIRST, 1), house.broker.message(SECOND, 2))
    # then
    assert acting == [SECOND]
    assert rests(house.broker.sent) == [("1s.lamps.ring", 1, 0)]
    assert house.broker.acknowledged == [1]


async def test_event_acts_once_its_turn_has_come(house: House) -> None:
    """When it comes back."""
    # given
    assert await house.take(house.broker.message(FIRST, 1)) == []
    # when
    await house.light(1)
    # then
    assert await house.take(house.broker.message(FIRST, 1, waited=1)) == [FIRST]


@pytest.mark.parametrize(("waited", "delay"), [(1, "5s"), (2, "30s"), (3, "30s"), (10_000, "30s")])
async def test_event_waits_as_long_as_it_has_to(house: House, waited: int, delay: str) -> None:
    """It is never parked for it, nor does it rest for the longest time; what has failed before stays counted."""
    await house.take(house.broker.message(FIRST, 1, waited=waited, attempt=40))

    assert rests(house.broker.sent) == [(f"{delay}.lamps.ring", waited + 1, 40)]


async def test_waiting_for_a_turn_is_no_trouble(house: House) -> None:
    """The step does not count as one that fails."""
    await house.take(house.broker.message(FIRST, 1, waited=50))

    assert house.consumer.struggling == 0


async def test_turn_is_asked_about_what_is_not_handled(house: House) -> None:
    """An event that was handled is acknowledged, whatever comes before it."""
    # given
    await house.light(1)
    (delivery,), _ = house.consumer._parse([house.broker.message(FIRST, 1)])
    await house.database.run(lambda transaction: transaction.accept("lamps.ring", [delivery.envelope]))
    # when, then
    assert await house.take(house.broker.message(FIRST, 3)) == []
    assert house.broker.sent == []
    assert house.broker.acknowledged == [1]


def test_rows_of_a_turn_are_only_read() -> None:
    """It is told from what is committed, and changes nothing."""
    turn = an_effect(a_service()).turn

    assert turn is not None
    assert [(one.name, one.locked) for one in turn.rows] == [("lamps", False)]


def hears_something_else(pressed: Pressed, lamps: Lamps) -> bool:
    """The effect hears another event."""
    return bool(lamps)


def needs_its_row(lit: Lit, lamp: Annotated[Lamp, By("room_id")]) -> bool:
    """What comes before may not be there yet, or not any more."""
    return bool(lamp)


def takes_something(lit: Lit, lamps: Lamps, how_often: int) -> bool:
    """Rows say it, and nothing else."""
    return bool(lamps)


def goes_by_what_is_not_there(
    lit: Lit, lamps: Lamps, circuit: Annotated[Circuit | None, By("circuit_id", of="x"), Via("lamps")]
) -> bool:
    """A lamp has no `x`."""
    return bool(lamps and circuit)


@pytest.mark.parametrize("turn", [hears_something_else, needs_its_row, takes_something, goes_by_what_is_not_there])
def test_turn_that_cannot_be_told_is_refused(turn: Any) -> None:
    """When it is declared."""
    # given
    service = a_service()

    @service.effect
    async def ring(lit: Lit) -> Dark:
        raise NotImplementedError

    # when, then
    with pytest.raises(DeclarationError):
        service.turn(ring)(turn)


def test_only_effects_have_turns() -> None:
    """Any other step has its rows."""
    # given
    service = a_service()

    @service.step
    def darken(lit: Lit) -> Dark | None: ...

    # when, then
    with pytest.raises(DeclarationError):
        service.turn(darken)(a_turn)
