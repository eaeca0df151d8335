"""Messages that nobody can handle are put aside, and the ones that can be handled are not held up by them."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from aio_pika.abc import AbstractIncomingMessage

from chassis.broker.retry import MAX_COUNTED
from tests.choreography import HEARS_AND_SAYS
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.observing import MARK, Observer
from tests.end_to_end.system import System

BODY = {
    "checkout_id": "01890000-0000-7000-8000-000000000001",
    "payment_id": "01890000-0000-7000-8000-000000000002",
    "user_id": "nobody",
    "amount": 1,
    "deadline": "2026-01-01T00:00:00Z",
}
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "01890000-0000-7000-8000-000000000003",
    "ce-source": "/payment",
    "ce-type": "checkout.requested.v1",
    "ce-time": "2026-01-01T00:00:00+00:00",
}
SOLD_TO_NOBODY = {"ce-type": "seat.reserved.v1", "ce-source": "/seat"}
"""To complete a checkout that never was is what a step fails at, however often it tries"""


def _body(**changed: Any) -> bytes:
    known = BODY | changed
    return json.dumps({name: value for name, value in known.items() if value is not None}).encode()


def _headers(**changed: Any) -> dict[str, Any]:
    known = HEADERS | {f"ce-{name}": value for name, value in changed.items()}
    return {name: value for name, value in known.items() if value is not None}


POISON: dict[str, tuple[bytes, Mapping[str, Any], str]] = {
    "no JSON": (b'{"checkout_id": ', HEADERS, "Invalid JSON"),
    "no text": (b"\xff\xfe\x00", HEADERS, "Invalid JSON"),
    "nothing": (b"", HEADERS, "Invalid JSON"),
    "no object": (b"[]", HEADERS, "object"),
    "a field missing": (_body(amount=None), HEADERS, "amount"),
    "a field too many": (_body(price=1), HEADERS, "price"),
    "a field of another type": (_body(amount="1"), HEADERS, "amount"),
    "an impossible amount": (_body(amount=-1), HEADERS, "amount"),
    "unknown event": (_body(), _headers(type="checkout.forgotten.v1"), "checkout.forgotten.v1"),
    "event of another step": (_body(), _headers(type="point.spent.v1"), "point.spent.v1"),
    "unknown version": (_body(), _headers(type="checkout.requested.v0"), "checkout.requested"),
    "type missing": (_body(), _headers(type=None), "ce-type is missing"),
    "id missing": (_body(), _headers(id=None), "ce-id is missing"),
    "time missing": (_body(), _headers(time=None), "ce-time is missing"),
    "broken id": (_body(), _headers(id="7"), "UUID"),
    "broken time": (_body(), _headers(time="soon"), "soon"),
    "type that is no text": (_body(), _headers(type=7), "7"),
    "no headers": (_body(), {}, "ce-type is missing"),
}


async def _parked(broker: Broker, queue: str, body: bytes, headers: Mapping[str, Any]) -> AbstractIncomingMessage:
    """A message that was put into the queue of a step, as it is found among the parked ones."""
    mark = uuid.uuid4().hex
    await broker.publish(queue, body, headers, MARK + mark)
    (message,) = await broker.unpark(queue.partition(".")[0], 1, mark)
    return message


@pytest.mark.parametrize("kind", POISON)
async def test_what_cannot_be_understood_is_parked(
    system: System, fan: Fan, hold: Hold, broker: Broker, kind: str
) -> None:
    """A message that nobody understands is parked with its origin and the reason; the next ones are handled."""
    body, headers, reason = POISON[kind]
    before = await system.databases.dump("point")

    message = await _parked(broker, "point.spend", body, headers)

    assert message.body == body
    assert message.headers["x-step"] == "point.spend"
    assert message.headers["x-attempt"] == 1
    assert reason in str(message.headers["x-last-error"])
    assert message.headers["x-first-failed-at"]
    texts = {name: value for name, value in headers.items() if isinstance(value, str)}
    assert {name: message.headers.get(name) for name in headers} == dict.fromkeys(headers) | texts
    assert await system.databases.dump("point") == before
    await fan.charge(hold.total)
    assert (await fan.check_out(hold))["status"] == "completed"


async def test_newer_version_waits_for_newer_code(broker: Broker) -> None:
    """A message that only the next release understands is neither parked nor guessed at: it comes again later."""
    mark = uuid.uuid4().hex

    async with broker.observe(["point.retry"]) as observer:
        await broker.publish("point.spend", _body(), _headers(type="checkout.requested.v2"), MARK + mark)
        await observer.counted(2)
    message = await broker.take_from_rest("point", mark)

    assert {one.routing_key for one in observer.messages} <= {f"{delay}.point.spend" for delay in ("1s", "5s", "30s")}
    assert "known up to version 1, not 2" in str(message.headers["x-last-error"])


async def test_every_step_parks_what_it_does_not_understand(broker: Broker) -> None:
    """Poison in the queue of any step is parked by the service of that step, which then says where it was."""
    steps = await broker.steps()

    parked = [await _parked(broker, step, b"poison", {"ce-type": "poison.v1"}) for step in steps]

    assert len(steps) == len(HEARS_AND_SAYS)
    assert [message.headers["x-step"] for message in parked] == steps


async def test_poison_among_good_messages_holds_nobody_up(system: System, catalogue: Catalogue, broker: Broker) -> None:
    """Checkouts complete while every step on their way meets poison between their messages."""
    fans = [Fan(system) for _ in range(10)]
    seat_ids = await catalogue.free(len(fans))
    holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
    await asyncio.gather(*(fan.charge(CHEAP) for fan in fans))
    way = ["point.spend", "reservation.confirm", "payment.pay", "seat.reserve", "payment.complete", "payment.send"]
    mark = uuid.uuid4().hex

    checkouts = asyncio.gather(*(fan.check_out(hold) for fan, hold in zip(fans, holds, strict=True)))
    await asyncio.gather(*(broker.publish(step, b"poison", {}, MARK + mark) for step in way for _ in range(5)))
    ends = await checkouts

    assert {end["status"] for end in ends} == {"completed"}
    for service, steps in {"point": 1, "reservation": 1, "payment": 3, "seat": 1}.items():
        assert len(await broker.unpark(service, 5 * steps, mark)) == 5 * steps


async def test_step_that_raises_is_tried_again_later(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer
) -> None:
    """A message whose step raises rests and comes back; others pass it meanwhile, and nothing is half done."""
    culprit = await fan.hold((await catalogue.new_date(1))[0])
    other = Fan(system)
    others = await other.hold(*await catalogue.free())
    await asyncio.gather(fan.charge(culprit.total), other.charge(others.total))
    date_id = await catalogue.date_of(culprit.seat_ids[0])

    async with (
        broker.observe(["seat.retry"]) as retries,
        broker.diverted("seat.reserve", "payment.paid") as paid,
        catalogue.unsellable(date_id),
    ):
        checkout_id, passing = await fan.begin(culprit), await other.begin(others)
        await paid.heard(checkout_id, "payment.paid")
        await paid.heard(passing, "payment.paid")
        await paid.pass_all()
        end = await other.end_of(passing)
        resting = await retries.heard(checkout_id, "payment.paid")
        waiting = await fan.get("payment", f"/checkouts/{checkout_id}")

    assert end["status"] == "completed"
    assert waiting["status"] == "pending"
    assert resting.routing_key == "1s.seat.reserve"
    assert resting.headers["x-attempt"] == 1
    assert "unsellable" in str(resting.headers["x-last-error"])
    assert (await fan.end_of(checkout_id))["status"] == "completed"
    assert observer.names(checkout_id).count("seat.reserved") == 1
    assert (await catalogue.date(date_id))["status"] == "sold_out"


@pytest.mark.parametrize("claimed", [2**63 - 1, -(2**63), -10, "many", True], ids=str)
async def test_number_of_attempts_is_not_believed(system: System, broker: Broker, claimed: object) -> None:
    """Whatever a sender says of earlier attempts, its message is parked, and the consumers stay."""
    message = await _parked(broker, "point.spend", b"poison", {"x-attempt": claimed})

    assert 0 < int(str(message.headers["x-attempt"])) <= MAX_COUNTED + 1
    await broker.caught_up()


@pytest.mark.parametrize("claimed", [2**63 - 1, -10], ids=str)
async def test_failing_step_forwards_whatever_the_sender_counted(system: System, broker: Broker, claimed: int) -> None:
    """The message of a step that raises goes to rest, or is parked after too many attempts; the consumers stay."""
    body, headers = _body(seat_ids=[1], deadline=None), _headers(id=str(uuid.uuid4())) | SOLD_TO_NOBODY

    async with broker.observe(["payment.retry"]) as retries:
        await broker.publish("payment.complete", body, headers | {"x-attempt": claimed}, MARK + "counted")
        await retries.counted(1)
    if claimed > 0:
        (resting,) = await broker.unpark("payment", 1, "counted")
    else:
        resting = await broker.take_from_rest("payment", "counted")

    assert resting.headers["x-step"] == "payment.complete"
    assert 0 < int(str(resting.headers["x-attempt"])) <= MAX_COUNTED + 1
    await broker.caught_up()


@pytest.mark.parametrize("order", ["CC", "BCC"])
async def test_sender_cannot_have_its_victim_publish(broker: Broker, order: str) -> None:
    """A header that routes a message to more queues does not go along when the message is parked."""
    async with broker.observe(["reservation.retry", "reservation.redeliver"]) as routed:
        message = await _parked(broker, "reservation.confirm", b"poison", {order: ["1s.reservation.revert"]})
        await broker.caught_up()

    assert order not in message.headers
    made_up = [one for one in routed.messages if one.message_id == message.message_id]
    assert [one.routing_key for one in made_up] == ["parked.reservation.confirm"]
    assert not any("revert" in str(one.routing_key) for one in routed.messages if one.body == b"poison")
