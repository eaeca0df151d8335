"""A message that ends its process, each time it is handled, is put aside; its neighbours are handled."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.broker.burst import Parcel
from chassis.broker.origin import Origins
from chassis.choreography.envelope import Envelope
from chassis.run.consumer import BatchConsumer
from chassis.run.suspicion import MAX_DEATHS, Life
from chassis.store import suspects
from chassis.store.departures import Departures
from tests.unit.lamps import Lit, Pressed, a_service

if TYPE_CHECKING:
    from chassis.run.batch import BatchRunner

GUILTY = UUID(int=5)
MESSAGES = [UUID(int=number) for number in range(1, 11)]


class DiedError(BaseException):
    """The process is gone."""


class Noted:
    """What is stored about suspects, whatever becomes of processes."""

    def __init__(self) -> None:
        self.by: defaultdict[UUID, set[UUID]] = defaultdict(set)
        """The processes that have noted each event"""
        self.handled: list[UUID] = []

    async def ask(self, _: object, _step: str, event_ids: Sequence[UUID], process: UUID) -> dict[UUID, int]:
        """In the place of `suspects.deaths`."""
        return {event_id: len(self.by[event_id] - {process}) for event_id in event_ids}

    async def note(self, _: object, _step: str, event_ids: Sequence[UUID], process: UUID) -> None:
        """In the place of `suspects.note`."""
        for event_id in event_ids:
            self.by[event_id].add(process)

    async def clear(self, _: object, _step: str, event_ids: Sequence[UUID]) -> None:
        """In the place of `suspects.clear`."""
        for event_id in event_ids:
            self.by.pop(event_id, None)


class Runner:
    """Handles events, and dies of one."""

    def __init__(self, noted: Noted) -> None:
        service = a_service()

        def light(pressed: Pressed) -> Lit:
            raise NotImplementedError

        self.step = service.declared(service.step(light))
        self.judge = self
        self.waits_for = None
        self._noted = noted

    async def surely(self, work: Any) -> Any:
        """Every transaction of this test succeeds."""
        return await work(None)

    async def run(self, arrived: Sequence[Envelope], _lock_milliseconds: int | None = None) -> list[None]:
        """Handle a batch, all or nothing."""
        ids = [one.event_id for one in arrived]
        if GUILTY in ids:
            raise DiedError
        self._noted.handled += ids
        return [None] * len(ids)


class Broker:
    """Hands out what was not acknowledged, and remembers what was parked."""

    def __init__(self) -> None:
        self.waiting = dict.fromkeys(MESSAGES, False)
        """What waits, and whether it was handed out before"""
        self.parked: list[Parcel] = []

    async def deliver(self, parcel: Parcel) -> None:
        """Take what a consumer sends on."""
        self.parked.append(parcel)

    async def basic_ack(self, delivery_tag: int, *, multiple: bool) -> None:
        """Forget what has been acknowledged."""
        assert multiple
        for event_id in [one for one in self.waiting if one.int <= delivery_tag]:
            del self.waiting[event_id]

    def hand_out(self) -> list[DeliveredMessage]:
        """Everything that waits."""
        messages = [self._message(event_id, again) for event_id, again in self.waiting.items()]
        self.waiting = dict.fromkeys(self.waiting, True)
        return messages

    def _message(self, event_id: UUID, again: bool) -> DeliveredMessage:
        headers = {
            "ce-type": "lamps.pressed.v1",
            "ce-source": "/lamps",
            "ce-id": str(event_id),
            "ce-time": "2026-01-01T00:00:00+00:00",
        }
        properties = Basic.Properties(headers=cast("Any", headers), app_id="lamps", user_id="lamps")
        return DeliveredMessage(
            delivery=Basic.Deliver("", event_id.int, again, "lamps", "lamps.pressed"),
            header=ContentHeader(properties=properties),
            body=Pressed().model_dump_json().encode(),
            channel=cast("Any", self),
        )


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """What is stored."""
    stored = Noted()
    monkeypatch.setattr(suspects, "deaths", stored.ask)
    monkeypatch.setattr(suspects, "note", stored.note)
    monkeypatch.setattr(suspects, "clear", stored.clear)
    return stored


async def live(broker: Broker, noted: Noted, life: Life | None = None) -> bool:
    """One life of a process, or one session of it: whether it handled what it was given."""
    runner = cast("BatchRunner", Runner(noted))
    consumer = BatchConsumer(runner, Departures(), broker, Origins("fans", "fans"), max_batch=100, life=life or Life())
    try:
        await consumer._handle(broker.hand_out())
    except DiedError:
        return False
    return True


async def test_message_that_kills_is_parked_after_a_few_deaths(noted: Noted) -> None:
    """Its process is lost a few times only, and every other message has been handled once or more in the end."""
    broker, deaths = Broker(), 0

    async with asyncio.timeout(10):
        while not await live(broker, noted):
            deaths += 1
            assert deaths <= MAX_DEATHS + 1

    assert deaths == MAX_DEATHS + 1
    assert [parcel.headers["ce-id"] for parcel in broker.parked] == [str(GUILTY)]
    assert "DeadlyMessageError" in broker.parked[0].headers["x-last-error"]
    assert set(noted.handled) == set(MESSAGES) - {GUILTY}
    assert not broker.waiting
    assert not any(noted.by.values())


async def test_restart_makes_nobody_a_suspect_for_long(noted: Noted) -> None:
    """What comes again once is handled together, and then nothing is remembered of it."""
    broker = Broker()
    del broker.waiting[GUILTY]
    broker.hand_out()

    assert await live(broker, noted)
    assert not any(noted.by.values())
    assert not broker.parked


async def test_process_that_only_loses_its_connection_is_counted_once(noted: Noted) -> None:
    """However often a message comes again to the same process, it is not thought to have died."""
    broker, life = Broker(), Life()

    for _ in range(MAX_DEATHS + 5):
        assert not await live(broker, noted, life)

    assert not broker.parked
    assert len(noted.by[GUILTY]) == 1
