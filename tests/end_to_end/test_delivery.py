"""The delivery to the external platform: after the pivot, so it is tried until it is done."""

import uuid
from http import HTTPStatus

import pytest

from tests.end_to_end.broker import Broker
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System

FAILS, STORES, KNOWS, GONE = 503, 201, 200, 410
REASON = "platform-says-gone"
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
    system: System, fan: Fan, paying: Hold, platform: Platform, observer: Observer, operator: Operator
) -> None:
    """A delivery that the platform refuses for good is said to have failed, is listed, and can be sent again."""
    await platform.fail("error", 1, status=GONE)

    checkout_id = await fan.begin(paying)

    failed = await observer.heard(checkout_id, "payment.send-failed")
    assert "payment.sent" not in observer.names(checkout_id)
    assert await platform.attempts(checkout_id) == [GONE]
    assert (await standing(system, fan, paying)).deliveries == (("FAILED", REASON),)
    assert REASON.encode() in failed.body
    (listed,) = [one for one in await _refused(operator) if one["checkout_id"] == str(checkout_id)]
    assert (listed["reason"], listed["payment_id"]) == (REASON, str(paying.payment_id))
    assert any("/operations/refused" in alarm for alarm in (await operator.get("payment", "/readyz"))["alarms"])

    key = uuid.uuid4().hex
    again = await operator.send_again(checkout_id, key)

    assert again.status_code == HTTPStatus.NO_CONTENT, again.text
    await observer.heard(checkout_id, "payment.sent")
    assert await platform.attempts(checkout_id) == [GONE, STORES]
    assert (await standing(system, fan, paying)).deliveries == (("SENT", None),)
    assert str(checkout_id) not in [one["checkout_id"] for one in await _refused(operator)]
    assert (await operator.send_again(checkout_id, key)).status_code == HTTPStatus.NO_CONTENT
    assert (await operator.send_again(checkout_id)).status_code == HTTPStatus.NOT_FOUND
    assert await platform.attempts(checkout_id) == [GONE, STORES]


async def test_platform_that_refuses_again_is_a_conflict(
    fan: Fan, paying: Hold, platform: Platform, observer: Observer, operator: Operator
) -> None:
    """Nothing has changed then, and the delivery stays in the list; it is no business of fans."""
    await platform.fail("error", 2, status=GONE)
    checkout_id = await fan.begin(paying)
    await observer.heard(checkout_id, "payment.send-failed")
    path, key = f"/operations/refused/{checkout_id}/send", uuid.uuid4().hex

    refused = await operator.send_again(checkout_id, key)
    forbidden = await fan.post("payment", path, None)

    assert (refused.status_code, forbidden.status_code) == (HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN)
    assert str(checkout_id) in [one["checkout_id"] for one in await _refused(operator)]
    assert (await operator.send_again(checkout_id, key)).status_code == HTTPStatus.NO_CONTENT


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_delivery_that_is_not_understood_is_parked_at_once(
    fan: Fan, paying: Hold, platform: Platform, broker: Broker, observer: Observer, status: int
) -> None:
    """To send the same again would not help; once somebody has mended what was wrong, it is redriven."""
    await platform.fail("error", 1, status=status)

    checkout_id = await fan.begin(paying)
    message = await broker.unpark_saga("payment", checkout_id)

    assert message.headers["x-step"] == "payment.send"
    assert str(status) in str(message.headers["x-last-error"])
    assert await platform.attempts(checkout_id) == [status]
    await broker.put("payment.send", message)
    await observer.heard(checkout_id, "payment.sent")


async def _refused(operator: Operator) -> list[dict[str, str]]:
    found: list[dict[str, str]] = await operator.get("payment", "/operations/refused")
    return found
