"""The outbox: what was said reaches whoever hears it, however long that takes."""

import pytest

from tests.end_to_end.broker import Broker
from tests.end_to_end.databases import Row
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.system import System


async def _kept(system: System, saga_id: object) -> Row | None:
    """What point_svc still has to say in a saga."""
    return await system.databases.row("point", "SELECT * FROM outbox WHERE saga_id = $1", saga_id)


async def _let_sweep(system: System, saga_id: object, attempts: int) -> None:
    """Nobody is publishing the message any more, which has been tried so often."""
    await system.databases.change(
        "point", "UPDATE outbox SET attempts = $1, leased_until = now() WHERE saga_id = $2", attempts, saga_id
    )


@pytest.mark.parametrize("attempts", [0, 100])
async def test_event_that_nobody_could_get_is_published_again(
    system: System, fan: Fan, hold: Hold, broker: Broker, attempts: int
) -> None:
    """An event that the broker could not route stays in the outbox, is tried again and again, and gets there."""
    await fan.charge(hold.total)

    async with broker.unheard("reservation.confirm", "point.spent"):
        checkout_id = await fan.begin(hold)
        await eventually(lambda: _kept(system, checkout_id))
        await _let_sweep(system, checkout_id, attempts)
        tried = await eventually(
            lambda: _kept(system, checkout_id), lambda row: row is not None and row["attempts"] > attempts
        )
    await _let_sweep(system, checkout_id, attempts)

    assert tried is not None
    assert tried["routing_key"] == "point.spent"
    assert (await fan.end_of(checkout_id))["status"] == "completed"
    await eventually(lambda: _kept(system, checkout_id), lambda row: row is None)


async def test_end_of_a_saga_may_go_unheard(system: System, fan: Fan, hold: Hold) -> None:
    """An event that no step hears does not stay in the outbox."""
    await fan.check_out(hold)

    assert await eventually(system.databases.unsent, lambda count: count == 0) == 0
