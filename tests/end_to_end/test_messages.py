"""How a message looks, so that a saga can be followed in RabbitMQ's own pages."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from stack.services import SERVICES
from tests.choreography import completed
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import DEAR, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.refusals import saga

ENVELOPE = {
    "ce-specversion",
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-time",
    "ce-subject",
    "ce-correlationid",
    "ce-causationid",
    "traceparent",
}


def _header(message: AbstractIncomingMessage, name: str) -> str | None:
    value = message.headers.get(name)
    return None if value is None else str(value)


def _is_well_formed(message: AbstractIncomingMessage) -> None:
    service, event = message.exchange, message.routing_key
    assert (message.app_id, message.user_id) == (service, service)
    assert message.type == event
    assert message.content_type == "application/json"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.timestamp is not None
    assert datetime.now(UTC) - message.timestamp.astimezone(UTC) < timedelta(minutes=5)
    assert uuid.UUID(str(message.message_id)) != uuid.UUID(_header(message, "ce-id"))
    assert message.headers.keys() | {"ce-causationid"} == ENVELOPE
    assert _header(message, "ce-specversion") == "1.0"
    assert _header(message, "ce-source") == f"/{service}"
    assert re.fullmatch(rf"{event}\.v[1-9][0-9]*", _header(message, "ce-type") or "")
    assert _header(message, "ce-subject") == _header(message, "ce-correlationid") == message.correlation_id
    assert datetime.fromisoformat(_header(message, "ce-time") or "").tzinfo is not None


def _is_chain(messages: list[AbstractIncomingMessage], saga_id: uuid.UUID) -> None:
    """Each message was caused by the one before, and all belong to one trace."""
    ids = [_header(message, "ce-id") for message in messages]
    assert [_header(message, "ce-causationid") for message in messages] == [None, *ids[:-1]]
    assert len(set(ids)) == len({message.message_id for message in messages}) == len(messages)
    traces = [(_header(message, "traceparent") or "").split("-") for message in messages]
    assert {trace[1] for trace in traces} == {saga_id.hex}
    assert {(trace[0], len(trace[2])) for trace in traces} == {("00", 16)}


async def test_messages_of_a_completed_checkout(fan: Fan, hold: Hold, observer: Observer) -> None:
    """Every message of a checkout says who said what and when, in which saga, and caused by what."""
    await fan.charge(hold.total)
    checkout_id = await fan.begin(hold)
    await observer.heard(checkout_id, "payment.sent")

    messages = observer.said(checkout_id)

    for message in messages:
        _is_well_formed(message)
    assert [message.type for message in messages] == completed()
    _is_chain(messages, checkout_id)


async def test_messages_of_a_failed_checkout(fan: Fan, hold: Hold, observer: Observer, operator: Operator) -> None:
    """The way back is one chain with the way out."""
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[0])
    checkout_id = await fan.begin(hold)
    await observer.heard(checkout_id, "payment.failure-sent")

    messages = observer.said(checkout_id)

    for message in messages:
        _is_well_formed(message)
    assert [message.type for message in messages] == saga("seat.reserve")
    _is_chain(messages, checkout_id)
    await operator.put_back(hold.seat_ids[0])


async def test_messages_of_a_hold(fan: Fan, catalogue: Catalogue, observer: Observer) -> None:
    """The saga of a hold is named after the payment that it makes, also where it makes none."""
    hold = await fan.hold(*await catalogue.free())
    refused = uuid.UUID((await fan.reserve(await catalogue.free(4, DEAR))).json()["payment_id"])
    await observer.heard(hold.payment_id, "reservation.opened")
    await observer.heard(refused, "payment.closure-sent")

    for saga_id, count in ((hold.payment_id, 4), (refused, 6)):
        messages = observer.said(saga_id)
        for message in messages:
            _is_well_formed(message)
        assert len(messages) == count
        _is_chain(messages, saga_id)


async def test_body_is_the_event_alone(fan: Fan, hold: Hold, observer: Observer) -> None:
    """The body of a message holds what the receivers need by value, and nothing of the envelope."""
    await fan.charge(hold.total)
    checkout_id = await fan.begin(hold)

    body = json.loads((await observer.heard(checkout_id, "payment.paid")).body)

    assert datetime.fromisoformat(body.pop("deadline")) > datetime.now(UTC)
    assert body == {
        "checkout_id": str(checkout_id),
        "payment_id": str(hold.payment_id),
        "user_id": fan.user_id,
        "amount": hold.total,
        "seat_ids": list(hold.seat_ids),
    }
    await fan.end_of(checkout_id)


async def test_saga_continues_the_trace_of_its_request(fan: Fan, hold: Hold, observer: Observer) -> None:
    """Every message of a checkout belongs to the trace that the client's request was part of."""
    trace_id = uuid.uuid4().hex
    headers = {"Idempotency-Key": uuid.uuid4().hex, "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}

    answer = await fan.ask("POST", "payment", "/checkouts", json={"payment_id": str(hold.payment_id)}, headers=headers)

    checkout_id = uuid.UUID(answer.json()["checkout_id"])
    await observer.heard(checkout_id, "checkout.failed")
    traces = {(_header(message, "traceparent") or "").split("-")[1] for message in observer.said(checkout_id)}
    assert traces == {trace_id}


async def test_connections_say_whose_they_are(broker: Broker) -> None:
    """Each service has one connection to publish and another to consume, and says so by their names."""

    async def names() -> set[tuple[str, str]]:
        found = await broker.ask("connections")
        return {(one["user"], one["client_properties"]["connection_name"]) for one in found if one["user"] in SERVICES}

    wanted = {(service, f"{service} {use}") for service in SERVICES for use in ("publish", "consume")}
    assert await eventually(names, lambda found: found == wanted) == wanted
