"""An evening that everybody wants, sold by two processes of seat_svc."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import pytest

from chassis.run import Runtime
from chassis.store.outbox import Outgoing
from seat_svc.main import definition
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.databases import owner_url
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan
from tests.end_to_end.settings import seat_settings
from tests.end_to_end.system import System

STEP = "seat.reserve"
TRIES = 20
"""Which process gets which message is the broker's choice"""


@contextlib.asynccontextmanager
async def _second(environment: Mapping[str, str], sold: set[str]) -> AsyncIterator[None]:
    """A second process of seat_svc, which is that of the test; it sells seats, and notes the checkouts."""
    known = definition(seat_settings(environment))
    runtime = Runtime(known.service, known.settings, known.dependencies)
    runtime.consumers[:] = [one for one in runtime.consumers if one.step.queue == STEP]

    def note(said: Sequence[Outgoing]) -> None:
        sold.update(str(one.saga_id) for one in said if one.routing_key == "seat.reserved")

    runtime.database.subscribe(note)
    await runtime.start(known.migrations)

    async def consumes() -> bool:
        return runtime.consuming

    try:
        await eventually(consumes)
        yield
    finally:
        await runtime.stop()


async def test_last_two_seats_sold_by_two_processes_at_once_sell_out(
    environment: Mapping[str, str], system: System, broker: Broker, catalogue: Catalogue
) -> None:
    """Each process sells one, and no seat is left; before that the evening is available."""
    sold: set[str] = set()
    async with _second(environment, sold):
        for _ in range(TRIES):
            # given
            seat_ids = await catalogue.new_date(2)
            date_id, fans = await catalogue.date_of(seat_ids[0]), [Fan(system) for _ in seat_ids]
            holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
            await asyncio.gather(*(fan.charge(CHEAP) for fan in fans))
            held = await catalogue.date(date_id)
            async with broker.diverted(STEP, "payment.paid") as paid:
                begun = [await fan.begin(hold) for fan, hold in zip(fans, holds, strict=True)]
                for checkout_id in begun:
                    await paid.heard(checkout_id, "payment.paid")
                # when
                await paid.pass_all()
                ends = await asyncio.gather(*(fan.end_of(one) for fan, one in zip(fans, begun, strict=True)))
            # then
            shown = await catalogue.date(date_id)
            assert {end["status"] for end in ends} == {"completed"}
            assert (held["status"], held["open_seats"]) == ("available", 2)
            assert (shown["status"], shown["open_seats"]) == ("sold_out", 0)
            if len(sold & set(map(str, begun))) == 1:
                return
    pytest.fail("one process has always sold both")


async def test_evening_that_somebody_keeps_locked_is_sold(
    environment: Mapping[str, str], system: System, fan: Fan, catalogue: Catalogue
) -> None:
    """Nothing on the way to a sale waits for the row of the evening."""
    (seat_id,) = await catalogue.new_date(1)
    date_id = await catalogue.date_of(seat_id)
    other = await asyncpg.connect(owner_url(environment, "seat"))
    try:
        async with other.transaction():
            await other.execute("SELECT * FROM concert_date WHERE date_id = $1 FOR UPDATE", date_id)
            await fan.charge(CHEAP)
            end = await fan.check_out(await fan.hold(seat_id))
    finally:
        other.terminate()

    assert end["status"] == "completed"
    assert (await catalogue.date(date_id))["status"] == "sold_out"
