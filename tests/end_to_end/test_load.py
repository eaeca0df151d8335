"""Many checkouts side by side: all of them end, and all invariants hold afterwards."""

import asyncio
import json
from collections import Counter
from typing import Any, NamedTuple
from uuid import UUID

from stack.demo.invariants import Finding, examine
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan
from tests.end_to_end.quiet import quiet
from tests.end_to_end.system import System

CHECKOUTS, AT_ONCE, RIVALS = 200, 40, 10


class Journey(NamedTuple):
    """How one fan fared."""

    checkout_id: UUID
    rich: bool
    status: str
    reason: str | None


async def _travel(fan: Fan, seat_id: int, *, rich: bool) -> Journey:
    """Charge, hold one seat, check out, and wait for the outcome."""
    await fan.charge(CHEAP if rich else CHEAP - 1)
    hold = await fan.hold(seat_id)
    accepted = await fan.order(hold.payment_id, wait=30)
    checkout_id = UUID(accepted.json()["checkout_id"])
    end: dict[str, Any] = await fan.end_of(checkout_id)
    return Journey(checkout_id, rich, end["status"], end["reason"])


async def test_two_hundred_checkouts(system: System, catalogue: Catalogue, broker: Broker) -> None:
    """Of 200 checkouts, 40 at a time, those with enough points complete and the rest fail; nothing is lost."""
    *seat_ids, wanted = await catalogue.new_date(CHECKOUTS + 1)
    gate = asyncio.Semaphore(AT_ONCE)

    async def journey(number: int, seat_id: int) -> Journey:
        async with gate:
            return await _travel(Fan(system, "load"), seat_id, rich=number % 4 != 0)

    rivals = asyncio.gather(*(Fan(system, "rival").reserve([wanted]) for _ in range(RIVALS)))
    journeys = await asyncio.gather(*(journey(number, seat_id) for number, seat_id in enumerate(seat_ids)))

    assert Counter((one.rich, one.status, one.reason) for one in journeys) == {
        (True, "completed", None): CHECKOUTS * 3 // 4,
        (False, "failed", "insufficient-points"): CHECKOUTS // 4,
    }
    assert Counter(answer.json()["status"] for answer in await rivals) == {"temp": 1, "rejected": RIVALS - 1}
    await _everything_is_in_order(system, broker, journeys)
    states = await system.databases.rows(
        "seat", "SELECT status FROM seat WHERE seat_id = ANY($1::int[])", [*seat_ids, wanted]
    )
    assert Counter(row["status"] for row in states) == {
        "RESERVED": CHECKOUTS * 3 // 4,
        "OCCUPIED": CHECKOUTS // 4 + 1,
    }


async def _everything_is_in_order(system: System, broker: Broker, journeys: list[Journey]) -> None:
    """Outboxes and queues drain, all invariants hold, the platform has one delivery per completed checkout."""
    await quiet(system, broker)
    accepted = [one.checkout_id for one in journeys]

    async def violated() -> list[Finding]:
        return [finding for finding in await examine(system.environment, accepted) if finding.violations]

    assert await eventually(violated, lambda findings: not findings) == []
    answer = await system.ask("GET", "platform", "/deliveries")
    delivered = Counter(
        UUID(one["webhook_id"]) for one in answer.json() if json.loads(one["body"])["type"] == "payment.paid"
    )
    assert {one.checkout_id: delivered[one.checkout_id] for one in journeys} == {
        one.checkout_id: int(one.status == "completed") for one in journeys
    }
