"""A broker is well as long as it proves that it stores what it confirms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.broker import pulse as beating
from chassis.broker.burst import Parcel
from chassis.broker.pulse import Pulse
from chassis.errors import NotPublishedError

LONG = 10.0
EVENT = Parcel("lamps", "lamps.lit", {}, b"", "lamps.lit", None, None, mandatory=True)
NEWS = EVENT._replace(exchange="amq.topic", routing_key="lamps.news", mandatory=False)


class Broker:
    """Confirms what it is sent, as long as it has a majority."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self.has_majority = True
        self.sent: list[Parcel] = []
        self.asked = asyncio.Event()

    async def deliver(self, parcel: Parcel) -> None:
        """Take a message."""
        self.sent.append(parcel)
        self.asked.set()
        if not self.has_majority:
            raise NotPublishedError("no answer")
        self._pulse.note([parcel], [None])

    async def until(self, count: int) -> None:
        """Wait until it was sent so much."""
        async with asyncio.timeout(LONG):
            while len(self.sent) < count:
                self.asked.clear()
                await self.asked.wait()


@asynccontextmanager
async def beating_with(broker: Broker, pulse: Pulse) -> AsyncIterator[None]:
    """A session of the publisher."""
    task = asyncio.create_task(pulse.beat(broker.deliver))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beating, "PULSE_SECONDS", 0.05)
    monkeypatch.setattr(beating, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(beating, "SILENT_SECONDS", 0.2)


async def test_nothing_is_well_before_the_first_proof() -> None:
    """A session asks for one as soon as it begins."""
    pulse = Pulse("lamps")
    broker = Broker(pulse)
    assert pulse.trouble == "nothing confirmed yet"
    async with beating_with(broker, pulse):
        await broker.until(1)
        assert pulse.trouble is None
    assert (broker.sent[0].exchange, broker.sent[0].routing_key) == ("amq.topic", "lamps.pulse")
    assert broker.sent[0].mandatory, "without its queue it would be confirmed, and prove nothing"


async def test_idle_process_asks_again_and_again() -> None:
    """So what is said of the broker is never older than two pulses."""
    pulse = Pulse("lamps")
    broker = Broker(pulse)
    async with beating_with(broker, pulse):
        await broker.until(3)
        assert pulse.trouble is None


async def test_node_without_a_majority_is_noticed_though_nothing_is_to_be_said() -> None:
    """It is well again with the first proof after that."""
    pulse = Pulse("lamps")
    broker = Broker(pulse)
    async with beating_with(broker, pulse), asyncio.timeout(LONG):
        await broker.until(1)
        broker.has_majority = False
        while pulse.trouble is None:
            await broker.until(len(broker.sent) + 1)
        assert pulse.trouble.startswith("nothing confirmed for")
        broker.has_majority = True
        await broker.until(len(broker.sent) + 1)
        assert pulse.trouble is None


async def test_busy_process_asks_for_no_proof() -> None:
    """What its work has confirmed is one."""
    pulse = Pulse("lamps")
    broker = Broker(pulse)
    async with beating_with(broker, pulse):
        await broker.until(1)
        end = asyncio.get_running_loop().time() + 4 * beating.PULSE_SECONDS
        while asyncio.get_running_loop().time() < end:
            pulse.note([EVENT], [None])
            await asyncio.sleep(0)
        assert len(broker.sent) == 1


@pytest.mark.parametrize(
    ("parcels", "objections"),
    [
        ([NEWS], [None]),
        ([EVENT], [NotPublishedError("nack")]),
        ([EVENT, NEWS], [TimeoutError(), None]),
        ([], []),
    ],
)
async def test_what_proves_nothing_does_not_count(
    parcels: list[Parcel], objections: list[BaseException | None]
) -> None:
    """A node alone confirms what comes into no quorum queue; news do not."""
    pulse = Pulse("lamps")
    pulse.note(parcels, objections)
    assert pulse.trouble == "nothing confirmed yet"
