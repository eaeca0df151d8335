"""Evenings that are called off: what becomes of those who had seats."""

from collections.abc import Sequence
from typing import Any

from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.system import System

WITHIN = 60.0
"""A checkout that has to end first is asked about again after half a minute"""


async def refunded(fan: Fan, hold: Hold) -> dict[str, Any]:
    """The payment, once it is refunded."""

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = await fan.get("payment", f"/payments/{hold.payment_id}")
        return found

    return await eventually(look, lambda payment: payment["status"] == "refunded", WITHIN)


async def cancelled(fan: Fan, hold: Hold) -> dict[str, Any]:
    """The reservation, once it is cancelled."""

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = await fan.get("reservation", f"/reservations/{hold.payment_id}")
        return found

    return await eventually(look, lambda state: state["status"] == "cancelled", WITHIN)


async def done(operator: Operator, date_id: int) -> dict[str, Any]:
    """The evening, once nobody has a seat of it."""
    return await eventually(lambda: operator.evening(date_id), lambda evening: evening["done"], WITHIN)


async def buy(system: System, seat_ids: Sequence[int]) -> tuple[Fan, Hold]:
    """A fan who has bought seats."""
    fan = Fan(system)
    hold = await fan.hold(*seat_ids)
    await fan.charge(hold.total)
    assert (await fan.check_out(hold))["status"] == "completed"
    return fan, hold
