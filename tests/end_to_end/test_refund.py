"""A completed checkout is given back: by its buyer or an operator, and the outside hears of it in order."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest

from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System

OK, ACCEPTED, NOT_FOUND, CONFLICT = HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
SAID = [
    "refund.requested",
    "seat.vacated",
    "reservation.cancelled",
    "point.repaid",
    "refund.completed",
    "payment.refund-sent",
]
_BEGIN_SOON = """
    UPDATE concert_date SET starts_at = now() + make_interval(hours => $2)
    WHERE date_id = (SELECT date_id FROM seat WHERE seat_id = $1) RETURNING date_id
    """


class Bought:
    """What a fan has bought."""

    def __init__(self, fan: Fan, hold: Hold, checkout_id: UUID) -> None:
        self.fan, self.hold, self.checkout_id = fan, hold, checkout_id

    async def give_back(
        self, who: Fan | None = None, key: str | None = None, wait: int | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and the answer when somebody asks for the refund, the buyer unless another is named."""
        answer = await (who or self.fan).post("payment", f"/checkouts/{self.checkout_id}/refund", None, key, wait)
        return answer.status_code, answer.json()

    async def given_back(self, who: Fan | None = None) -> dict[str, Any]:
        """The refund that somebody asks for, once it has ended."""
        status, state = await self.give_back(who)
        assert status == ACCEPTED, state
        return await end_of(self.fan, state["refund_id"])


async def end_of(fan: Fan, refund_id: str) -> dict[str, Any]:
    """A refund, once it has ended."""

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = await fan.get("payment", f"/refunds/{refund_id}")
        return found

    return await eventually(look, lambda state: state["status"] != "pending")


@pytest.fixture
async def bought(fan: Fan, hold: Hold) -> Bought:
    """Two seats that the fan has bought with all points."""
    await fan.charge(hold.total)
    end = await fan.check_out(hold)
    assert end["status"] == "completed", end
    return Bought(fan, hold, UUID(end["checkout_id"]))


async def test_buyer_gives_back_what_was_bought(
    system: System, bought: Bought, platform: Platform, observer: Observer
) -> None:
    """Points, seats, reservation and payment are as after a sale that never was, but for the history."""
    await platform.delivered(bought.checkout_id)
    before = await standing(system, bought.fan, bought.hold)

    status, state = await bought.give_back()

    assert (status, state["status"], state["reason"], state["amount"]) == (ACCEPTED, "pending", None, bought.hold.total)
    refund_id = UUID(state["refund_id"])
    end = await end_of(bought.fan, state["refund_id"])
    assert (end["status"], end["reason"], end["cause"]) == ("completed", None, "given-back")
    await observer.heard(refund_id, "payment.refund-sent")
    assert observer.names(refund_id) == SAID
    after = await standing(system, bought.fan, bought.hold)
    assert before.payment is not None
    assert after.balance == bought.hold.total
    assert after.history == (*before.history, ("REFUND", bought.hold.total))
    assert after.payment == before.payment._replace(status="REFUNDED")
    assert [row.status for row in after.reservations] == ["CANCELLED"] * 2
    assert [(row.status, row.holder) for row in after.seats] == [("AVAILABLE", None)] * 2
    assert (after.checkouts, after.deliveries) == (before.checkouts, before.deliveries)
    assert (await bought.fan.get("payment", f"/payments/{bought.hold.payment_id}"))["status"] == "refunded"
    assert await platform.told(bought.hold.payment_id) == ["payment.paid", "payment.refunded"]
    assert await platform.attempts(refund_id) == [201]


async def test_seats_that_were_given_back_can_be_bought_again(system: System, bought: Bought) -> None:
    """By anybody, and what the first buyer had does not change."""
    await bought.given_back()
    other = Fan(system)
    await other.charge(bought.hold.total)

    again = await other.hold(*bought.hold.seat_ids)
    end = await other.check_out(again)

    assert end["status"] == "completed"
    assert (await bought.fan.get("payment", f"/payments/{bought.hold.payment_id}"))["status"] == "refunded"


async def test_operator_gives_back_for_the_buyer(bought: Bought, operator: Operator) -> None:
    """Both may look at it; nobody else may ask for it or see it."""
    stranger = Fan(operator._system)

    status, state = await bought.give_back(operator, wait=20)

    assert (status, state["status"], state["cause"]) == (OK, "completed", "refunded-by-operator")
    assert await bought.fan.get("payment", f"/refunds/{state['refund_id']}") == state
    assert await operator.get("payment", f"/refunds/{state['refund_id']}") == state
    for path in (f"/refunds/{state['refund_id']}", f"/refunds/{state['refund_id']}/events", f"/refunds/{uuid.uuid4()}"):
        assert (await stranger.ask("GET", "payment", path)).status_code == NOT_FOUND
    assert (await bought.give_back(stranger))[0] == NOT_FOUND


async def test_refund_is_accepted_where_it_is_found(bought: Bought) -> None:
    """As a checkout is: with its place, and the pause before a look at it."""
    path, key = f"/checkouts/{bought.checkout_id}/refund", uuid.uuid4().hex

    answer = await bought.fan.post("payment", path, None, key)
    waited = await bought.fan.post("payment", path, None, key, 20)

    assert answer.headers["Location"] == waited.headers["Location"] == f"/refunds/{answer.json()['refund_id']}"
    assert answer.headers["Retry-After"] == "1"
    assert (waited.status_code, waited.json()["status"]) == (OK, "completed")
    assert waited.headers["Preference-Applied"] == "wait=20"
    assert "Retry-After" not in waited.headers


async def test_refund_needs_a_key(bought: Bought) -> None:
    """Without one nobody could ask twice."""
    path = f"/checkouts/{bought.checkout_id}/refund"

    assert (await bought.fan.ask("POST", "payment", path)).status_code == HTTPStatus.BAD_REQUEST


async def test_checkout_is_given_back_once(bought: Bought) -> None:
    """The same key has the same answer; another one hears how far it is, and that it is done."""
    key = uuid.uuid4().hex

    answers = await asyncio.gather(*(bought.give_back(key=key if number else None) for number in range(6)))
    accepted = {state["refund_id"] for status, state in answers if status == ACCEPTED}
    (refund_id,) = accepted
    refused = [state["type"] for status, state in answers if status == CONFLICT]
    await end_of(bought.fan, refund_id)

    known = {"urn:problem:payment-refunding", "urn:problem:payment-refunded", "urn:problem:key-in-use"}
    assert set(refused) <= known
    assert len(refused) + sum(status == ACCEPTED for status, _ in answers) == len(answers)
    status, state = await bought.give_back()
    assert (status, state["type"]) == (CONFLICT, "urn:problem:payment-refunded")


async def test_same_key_has_the_same_answer(bought: Bought) -> None:
    """However often it is sent, and also after the end."""
    key = uuid.uuid4().hex
    _, first = await bought.give_back(key=key)
    await end_of(bought.fan, first["refund_id"])

    assert await bought.give_back(key=key) == (ACCEPTED, first)


async def test_failed_checkout_cannot_be_given_back(fan: Fan, hold: Hold) -> None:
    """There is nothing to give back."""
    end = await fan.check_out(hold)

    status, state = await Bought(fan, hold, UUID(end["checkout_id"])).give_back()

    assert (status, state["type"]) == (CONFLICT, "urn:problem:checkout-failed")


async def test_buyer_is_too_late_where_an_operator_is_not(system: System, bought: Bought, operator: Operator) -> None:
    """So long before the evening begins, only operators give back; once it has begun, nobody does."""
    seat_id = bought.hold.seat_ids[0]
    before = await standing(system, bought.fan, bought.hold)
    await _begins_in(system, seat_id, 1)
    try:
        late = await bought.given_back()
        await _begins_in(system, seat_id, -1)
        begun = await bought.given_back(operator)
        unchanged = await standing(system, bought.fan, bought.hold)
        await _begins_in(system, seat_id, 1)
        given_back = await bought.given_back(operator)
    finally:
        await _begins_in(system, seat_id, 24 * 60)

    assert (late["status"], late["reason"]) == ("failed", "too-late")
    assert (begun["status"], begun["reason"]) == ("failed", "evening-begun")
    assert unchanged.but(deliveries=before.deliveries) == before
    assert given_back["status"] == "completed"


async def test_stream_of_a_refund_tells_what_happens(bought: Bought) -> None:
    """From the request to its end, and nothing more to a client that has seen it."""
    _, state = await bought.give_back()
    path = f"/refunds/{state['refund_id']}/events"

    answer = await bought.fan.ask("GET", "payment", path)
    lines = [line.partition(": ") for line in answer.text.splitlines()]
    seen = [value for name, _, value in lines if name == "id"]
    again = await bought.fan.ask("GET", "payment", path, headers={"Last-Event-ID": seen[-1]})

    assert [value for name, _, value in lines if name == "event"] == [
        "refund.requested",
        "point.repaid",
        "refund.completed",
    ]
    assert again.status_code == HTTPStatus.NO_CONTENT


@pytest.fixture
async def down(platform: Platform) -> AsyncIterator[Platform]:
    """The platform, while it takes nothing."""
    await platform.fail("error")
    yield platform
    await platform.recover()


async def test_platform_that_was_down_hears_of_the_payment_first(
    fan: Fan, hold: Hold, down: Platform, observer: Observer
) -> None:
    """The refund is done meanwhile; what is told of it waits its turn, however long."""
    await fan.charge(hold.total)
    end = await fan.check_out(hold)
    bought = Bought(fan, hold, UUID(end["checkout_id"]))

    refund = await bought.given_back()
    assert refund["status"] == "completed"
    assert await down.told(hold.payment_id) == []
    await down.recover()

    await observer.heard(UUID(refund["refund_id"]), "payment.refund-sent")
    assert await down.told(hold.payment_id) == ["payment.paid", "payment.refunded"]
    assert (await down.attempts(UUID(refund["refund_id"]))) == [201]


async def test_failed_checkouts_are_told_before_the_one_that_completes(
    fan: Fan, hold: Hold, down: Platform, observer: Observer
) -> None:
    """Each once, in the order in which they ended."""
    failed = [(await fan.check_out(hold))["checkout_id"] for _ in range(2)]
    await fan.charge(hold.total)
    completed = (await fan.check_out(hold))["checkout_id"]
    await down.recover()

    await observer.heard(UUID(completed), "payment.sent")

    assert await down.told(hold.payment_id) == ["checkout.failed", "checkout.failed", "payment.paid"]
    for checkout_id in failed:
        await observer.heard(UUID(checkout_id), "payment.failure-sent")
        assert (await down.attempts(UUID(checkout_id)))[-1] == 201


async def test_hold_that_was_refused_is_told(system: System, fan: Fan, hold: Hold, platform: Platform) -> None:
    """Under the id of its payment, with the reason."""
    other = Fan(system)
    answer = await other.reserve(hold.seat_ids)
    payment_id = UUID(answer.json()["payment_id"])

    delivery = await platform.delivered(payment_id)

    assert await platform.told(payment_id) == ["hold.closed"]
    assert '"reason":"seat-taken"' in delivery["body"]
    assert fan.user_id not in delivery["body"]


async def _begins_in(system: System, seat_id: int, hours: int) -> None:
    """Have the evening of a seat begin then."""
    await system.databases.change("seat", _BEGIN_SOON, seat_id, hours)
