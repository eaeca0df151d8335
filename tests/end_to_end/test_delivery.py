"""The delivery to the external platform: after the pivot, so it is tried until it is done."""

from uuid import UUID

import pytest

from tests.end_to_end.broker import Broker, Observer
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.platform import Platform
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System

FAILS, STORES, KNOWS = 503, 201, 200
AT_ONCE = 3
"""Attempts in a row, before the message goes to rest."""


@pytest.fixture
async def paying(fan: Fan, hold: Hold) -> Hold:
    """A hold that its fan can pay."""
    await fan.charge(hold.total)
    return hold


async def test_platform_that_fails_for_a_moment_is_asked_again(
    fan: Fan, paying: Hold, platform: Platform, observer: Observer
) -> None:
    """A platform that fails twice has the delivery after the third attempt, under the same id."""
    await platform.fail("error", AT_ONCE - 1)

    checkout_id = await fan.begin(paying)

    await observer.heard(checkout_id, "payment.sent")
    assert await platform.attempts(checkout_id) == [FAILS, FAILS, STORES]


async def test_platform_that_fails_after_it_acted_has_one_delivery(
    system: System, fan: Fan, paying: Hold, platform: Platform, observer: Observer
) -> None:
    """A platform that stores a delivery and then fails is asked again, and knows that it has it."""
    await platform.fail("after-store", 2)

    checkout_id = await fan.begin(paying)

    await observer.heard(checkout_id, "payment.sent")
    assert await platform.attempts(checkout_id) == [FAILS, FAILS, KNOWS]
    assert (await standing(system, fan, paying)).deliveries == (("SENT", None),)


async def test_platform_that_is_down_is_asked_later(
    system: System, fan: Fan, paying: Hold, platform: Platform, broker: Broker, observer: Observer
) -> None:
    """While the platform is down the checkout is completed, and its delivery waits in the queue of a delay."""
    async with broker.observe(["payment.retry"]) as retries:
        await platform.fail("error", AT_ONCE + 1)
        checkout_id = await fan.begin(paying)
        end = await fan.end_of(checkout_id)
        resting = await retries.heard(checkout_id, "checkout.completed")
        await observer.heard(checkout_id, "payment.sent")

    assert end["status"] == "completed"
    assert resting.routing_key == "1s.payment.send"
    assert resting.headers["x-attempt"] == 1
    assert resting.headers["x-step"] == "payment.send"
    assert "503" in str(resting.headers["x-last-error"])
    assert await platform.attempts(checkout_id) == [FAILS] * (AT_ONCE + 1) + [STORES]
    assert (await standing(system, fan, paying)).deliveries == (("SENT", None),)


async def test_slow_platform_has_one_delivery(
    system: System, fan: Fan, paying: Hold, platform: Platform, observer: Observer
) -> None:
    """A platform that takes a second gets the delivery once, and holds nobody's checkout up."""
    answer = await system.ask("PUT", "platform", "/failures", json={"mode": "slow", "count": 1, "delay": 1})
    assert answer.status_code == 200

    checkout_id = await fan.begin(paying)
    end = await fan.end_of(checkout_id)

    assert end["status"] == "completed"
    await observer.heard(checkout_id, "payment.sent")
    assert await platform.attempts(checkout_id) == [STORES]


async def test_refused_delivery_is_left_to_a_person(
    system: System, fan: Fan, paying: Hold, platform: Platform, broker: Broker, observer: Observer
) -> None:
    """A delivery that the platform refuses for good is said to have failed, with the reason, and is not repeated."""
    await platform.fail("refuse", 1)

    checkout_id = await fan.begin(paying)

    failed = await observer.heard(checkout_id, "payment.send-failed")
    assert "payment.sent" not in observer.names(checkout_id)
    assert await platform.attempts(checkout_id) == [422]
    assert await platform.delivery(checkout_id) is None
    after = await standing(system, fan, paying)
    ((status, reason),) = after.deliveries
    assert status == "FAILED"
    assert (reason or "").startswith("platform-says-unprocessable")
    assert f'"{reason}"'.encode() in failed.body
    assert after.checkouts[-1].status == "COMPLETED"

    await _send_again(system, broker, observer, platform, checkout_id)


async def _send_again(
    system: System, broker: Broker, observer: Observer, platform: Platform, checkout_id: UUID
) -> None:
    """What a person does about a delivery that was refused: forget that it was, and repeat what led to it."""
    for table in ("delivery WHERE checkout_id = $1", "inbox WHERE step = 'payment.send' AND saga_id = $1"):
        await system.databases.change("payment", f"DELETE FROM {table}", checkout_id)  # noqa: S608
    completed = next(one for one in observer.messages if one.type == "checkout.completed")
    await broker.put("payment.send", completed)
    await observer.heard(checkout_id, "payment.sent")
    assert (await platform.attempts(checkout_id))[-1] == STORES
