"""A service in hostile hands: what it says about others is parked, and changes nothing.

An administrator may sign for anybody, so these messages are, to the byte, what a service could publish with its own
credentials, over its own exchange.
"""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aio_pika
import pytest

from tests.end_to_end.broker import SAID_BY, Broker
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.observing import Observer
from tests.end_to_end.system import System

EVE = "eve"


class Liar:
    """Publishes whatever it likes."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel

    async def say(self, event: str, saga_id: UUID, body: Mapping[str, Any], **otherwise: Any) -> None:
        """Say an event as the service would that says it, but for what is said otherwise."""
        service = SAID_BY[event]
        headers = {
            "ce-specversion": "1.0",
            "ce-id": str(uuid.uuid4()),
            "ce-source": otherwise.get("source", f"/{service}"),
            "ce-type": f"{otherwise.get('type', event)}.v1",
            "ce-time": datetime.now(UTC).isoformat(),
        }
        message = aio_pika.Message(
            json.dumps(
                {name: str(value) if isinstance(value, UUID) else value for name, value in body.items()}
            ).encode(),
            headers=headers,
            correlation_id=str(saga_id),
            type=event,
            app_id=otherwise.get("app_id", service),
            user_id=otherwise.get("user_id", service),
        )
        exchange = await self._channel.get_exchange(service, ensure=False)
        await exchange.publish(message, event)


@pytest.fixture
async def liar(environment: Mapping[str, str]) -> AsyncIterator[Liar]:
    """Somebody who lies."""
    async with await aio_pika.connect(environment["RABBITMQ_URL"]) as connection:
        yield Liar(await connection.channel(on_return_raises=True))


def about(fan: Fan, hold: Hold, checkout_id: UUID, **more: Any) -> dict[str, Any]:
    """What every event of a checkout says."""
    return {"checkout_id": checkout_id, "payment_id": hold.payment_id, "user_id": fan.user_id} | more


async def bought(fan: Fan, hold: Hold, left: int = 0) -> UUID:
    """A checkout that is completed, of a fan who has some points left."""
    await fan.charge(hold.total + left)
    state = await fan.check_out(hold)
    assert state["status"] == "completed"
    return UUID(state["checkout_id"])


@asynccontextmanager
async def pending(
    broker: Broker, fan: Fan, hold: Hold, queue: str = "point.spend", event: str = "checkout.requested"
) -> AsyncIterator[UUID]:
    """A checkout that comes no further than this event while the context lasts, and completes after it."""
    await fan.charge(hold.total)
    async with broker.diverted(queue, event) as diverted:
        checkout_id = await fan.begin(hold)
        await diverted.heard(checkout_id, event)
        yield checkout_id
    assert (await fan.end_of(checkout_id))["status"] == "completed"


async def reason(broker: Broker, service: str, saga_id: UUID) -> str:
    """Why a message of this saga is parked; it is taken out."""
    parked = await broker.unpark_saga(service, saga_id)
    return str(parked.headers["x-last-error"])


@pytest.mark.parametrize(
    "lie",
    [
        {"user_id": None},
        {"user_id": "point"},
        {"app_id": "point"},
        {"source": "/point"},
        {"type": "seat.hold-rejected"},
    ],
    ids=str,
)
async def test_message_that_does_not_agree_with_itself(
    broker: Broker, liar: Liar, fan: Fan, hold: Hold, lie: dict[str, Any]
) -> None:
    """Whoever has not signed, or signed as another, or says one event under the name of another, is not believed."""
    body = {"payment_id": hold.payment_id, "user_id": fan.user_id, "reason": "a-lie"}

    await liar.say("seat.released", hold.payment_id, body, **lie)

    assert (await reason(broker, "reservation", hold.payment_id)).startswith("ForgedMessageError")
    assert (await fan.get("reservation", f"/reservations/{hold.payment_id}"))["status"] == "temp"


async def test_forged_message_stays_forged_when_it_is_put_back(
    broker: Broker, liar: Liar, fan: Fan, hold: Hold
) -> None:
    """An operator who redrives it makes nothing true."""
    body = {"payment_id": hold.payment_id, "user_id": fan.user_id, "reason": "a-lie"}
    await liar.say("seat.released", hold.payment_id, body, user_id="point")
    parked = await broker.unpark_saga("reservation", hold.payment_id)

    await broker.redeliver("reservation.reject", parked)

    assert (await reason(broker, "reservation", hold.payment_id)).startswith("ForgedMessageError")


async def test_refund_goes_to_nobody_else(system: System, broker: Broker, liar: Liar, fan: Fan, hold: Hold) -> None:
    """reservation_svc says that a completed checkout is undone, for another user: attack 4."""
    checkout_id, eve = await bought(fan, hold), Fan(system, EVE)
    await eve.charge(1)

    lie = about(fan, hold, checkout_id, reason="a-lie") | {"user_id": eve.user_id}
    await liar.say("reservation.reverted", checkout_id, lie)

    assert "user_id" in await reason(broker, "point", checkout_id)
    assert (await eve.balance(), await fan.balance()) == (1, 0)


async def test_unpaid_seats_are_not_sold(broker: Broker, liar: Liar, fan: Fan, hold: Hold, observer: Observer) -> None:
    """seat_svc says that it has sold seats that are not paid, for next to nothing: attack 5."""
    async with pending(broker, fan, hold) as checkout_id:
        for amount, what in ((1, "amount"), (hold.total, "has not paid")):
            sold = about(fan, hold, checkout_id, amount=amount, seat_ids=list(hold.seat_ids))
            await liar.say("seat.reserved", checkout_id, sold)
            assert what in await reason(broker, "payment", checkout_id)
        assert (await fan.get("payment", f"/checkouts/{checkout_id}"))["status"] == "pending"
        assert "checkout.completed" not in observer.names(checkout_id)


async def test_other_seats_are_not_told(broker: Broker, liar: Liar, fan: Fan, hold: Hold, observer: Observer) -> None:
    """seat_svc says that it has sold other seats than those that are paid."""
    async with pending(broker, fan, hold, "seat.reserve", "payment.paid") as checkout_id:
        others = [seat_id + 1_000_000 for seat_id in hold.seat_ids]
        await liar.say("seat.reserved", checkout_id, about(fan, hold, checkout_id, amount=hold.total, seat_ids=others))

        assert "other seats" in await reason(broker, "payment", checkout_id)
        assert "checkout.completed" not in observer.names(checkout_id)


async def test_open_hold_is_not_over(broker: Broker, liar: Liar, fan: Fan, hold: Hold) -> None:
    """seat_svc says that it has given back what is held."""
    body = {"payment_id": hold.payment_id, "user_id": fan.user_id, "reason": "a-lie"}

    await liar.say("seat.released", hold.payment_id, body)

    assert "not over" in await reason(broker, "reservation", hold.payment_id)
    assert (await fan.get("reservation", f"/reservations/{hold.payment_id}"))["status"] == "temp"


async def test_sold_seats_are_not_refused(broker: Broker, liar: Liar, fan: Fan, hold: Hold) -> None:
    """seat_svc says that it refuses what it has sold: attack 6. The buyer keeps the seats and gets nothing back."""
    checkout_id = await bought(fan, hold, left=5)

    await liar.say("seat.rejected", checkout_id, about(fan, hold, checkout_id, reason="a-lie"))

    assert "were sold before" in await reason(broker, "payment", checkout_id)
    assert await fan.balance() == 5


async def test_paid_hold_does_not_run_out(broker: Broker, liar: Liar, fan: Fan, hold: Hold) -> None:
    """reservation_svc says that a hold has run out that is paid: attack 6."""
    await bought(fan, hold)
    expired = {
        "payment_id": hold.payment_id,
        "user_id": fan.user_id,
        "seat_ids": list(hold.seat_ids),
        "reason": "a-lie",
    }

    await liar.say("reservation.expired", hold.payment_id, expired)

    assert "cannot be over" in await reason(broker, "payment", hold.payment_id)


async def test_points_of_a_sale_are_not_back(broker: Broker, liar: Liar, fan: Fan, hold: Hold) -> None:
    """point_svc says that it has given back what a completed checkout has spent: that is found out at once."""
    checkout_id = await bought(fan, hold)

    refunded = about(fan, hold, checkout_id, amount=hold.total, reason="a-lie")
    await liar.say("point.refunded", checkout_id, refunded)

    assert "cannot be back" in await reason(broker, "payment", checkout_id)
    assert (await fan.get("payment", f"/checkouts/{checkout_id}"))["status"] == "completed"
