"""The checkout on its way back: whichever step refuses, the fan has what they had before."""

import json

import pytest

from tests.end_to_end.broker import Broker
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.refusals import HEARS, REFUSALS, Refusal, saga
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System

LONG_AGO = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("charged", [None, 1])
async def test_too_few_points(system: System, fan: Fan, hold: Hold, observer: Observer, charged: int | None) -> None:
    """A checkout that costs more than the wallet holds, or than a fan without a wallet has, fails at once."""
    if charged:
        await fan.charge(charged)
    before = await standing(system, fan, hold)

    checkout_id = await fan.begin(hold)
    end = await fan.end_of(checkout_id)

    assert (end["status"], end["reason"]) == ("failed", "insufficient-points")
    assert await standing(system, fan, hold) == before.after_failed("insufficient-points", hold.total, spent=False)
    await observer.heard(checkout_id, "payment.failure-sent")
    assert observer.names(checkout_id) == saga("point.spend")


async def test_fan_may_charge_and_try_again(system: System, fan: Fan, hold: Hold, platform: Platform) -> None:
    """After a failed checkout the hold stands, so that another one with enough points completes."""
    await fan.charge(hold.total - 1)
    failed = await fan.check_out(hold)
    await fan.charge(1)

    completed = await fan.check_out(hold)

    assert (failed["status"], completed["status"]) == ("failed", "completed")
    await platform.delivered(completed["checkout_id"])
    assert await platform.told(hold.payment_id) == ["checkout.failed", "payment.paid"]
    now = await standing(system, fan, hold)
    assert now.balance == 0
    assert [attempt.status for attempt in now.checkouts] == ["FAILED", "COMPLETED"]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_refusal_is_undone_by_every_service(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer, refusal: Refusal
) -> None:
    """A step that finds its rows other than the event says refuses, and every step before it takes its part back."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)

    async with broker.diverted(refusal.step, HEARS[refusal.step]) as diversion:
        checkout_id = await fan.begin(hold)
        message = await diversion.heard(checkout_id, HEARS[refusal.step])
        async with refusal.spoiling(system, hold):
            await diversion.pass_on(message)
            end = await fan.end_of(checkout_id)

    assert (end["status"], end["reason"]) == ("failed", refusal.reason)
    assert await standing(system, fan, hold) == before.after_failed(refusal.reason, hold.total, spent=True)
    await observer.heard(checkout_id, "payment.failure-sent")
    assert observer.names(checkout_id) == saga(refusal.step)
    assert (await fan.check_out(hold))["status"] == "completed"


@pytest.mark.parametrize("step", HEARS)
async def test_passed_deadline_is_undone_by_every_service(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer, step: str
) -> None:
    """A step on the way to the pivot that hears a request past its deadline refuses."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)

    async with broker.diverted(step, HEARS[step]) as diversion:
        checkout_id = await fan.begin(hold)
        message = await diversion.heard(checkout_id, HEARS[step])
        late = json.loads(message.body) | {"deadline": LONG_AGO}
        await diversion.pass_on(message, json.dumps(late).encode())
        end = await fan.end_of(checkout_id)

    spent = step != "point.spend"
    assert (end["status"], end["reason"]) == ("failed", "deadline-passed")
    assert await standing(system, fan, hold) == before.after_failed("deadline-passed", hold.total, spent=spent)
    await observer.heard(checkout_id, "payment.failure-sent")
    assert observer.names(checkout_id) == saga(step)
    assert (await fan.check_out(hold))["status"] == "completed"


async def test_seat_withdrawn_while_it_was_held(
    system: System, fan: Fan, hold: Hold, operator: Operator, observer: Observer
) -> None:
    """The last step refuses a seat that an operator withdrew, and all four services go back."""
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[1])
    before = await standing(system, fan, hold)

    checkout_id = await fan.begin(hold)
    end = await fan.end_of(checkout_id)

    assert (end["status"], end["reason"]) == ("failed", "seat-withdrawn")
    assert await standing(system, fan, hold) == before.after_failed("seat-withdrawn", hold.total, spent=True)
    await observer.heard(checkout_id, "payment.failure-sent")
    assert observer.names(checkout_id) == saga("seat.reserve")
    await operator.put_back(hold.seat_ids[1])
    assert (await fan.check_out(hold))["status"] == "completed"


async def test_failed_checkout_is_an_answer(fan: Fan, hold: Hold) -> None:
    """Whoever waits for a checkout that fails gets 200 with the reason, and finds the payment free again."""
    answer = await fan.order(hold.payment_id, wait=30)

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reason"]) == ("failed", "insufficient-points")
    assert (await fan.get("payment", f"/payments/{hold.payment_id}"))["status"] == "published"
    assert (await fan.get("reservation", f"/reservations/{hold.payment_id}"))["status"] == "temp"
