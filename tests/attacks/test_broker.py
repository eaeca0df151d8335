"""A service's broker user in hostile hands can do what the service does, and no more of it: attacks 1, 7 and 9."""

import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aiormq
import pytest
from aio_pika.exceptions import AMQPError
from pamqp.commands import Basic

from chassis.choreography.envelope import TRACEPARENT
from chassis.choreography.rights import MAX_CHANNELS, MAX_MESSAGE_BYTES, USER_LIMITS, VHOST_LIMITS
from chassis.choreography.topology import ASKS
from stack.services import SERVICES
from tests.attacks.messages import Shot
from tests.attacks.probes import odd, unreadable
from tests.attacks.queues import Sender
from tests.end_to_end.broker import SAID_BY, Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold

HEARD_BY_POINT = {"payment", "reservation"}


@pytest.fixture
async def channel(environment: Mapping[str, str]) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of whoever has stolen the credentials of point_svc."""
    async with await aio_pika.connect(environment["POINT_RABBITMQ_URL"]) as connection:
        yield await connection.channel(on_return_raises=True)


def message(event: str, body: Mapping[str, Any], **headers: Any) -> aio_pika.Message:
    """An event of a checkout, as its service would say it, signed by point_svc."""
    service = SAID_BY[event]
    known = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid.uuid4()),
        "ce-source": f"/{service}",
        "ce-type": f"{event}.v1",
        "ce-time": datetime.now(UTC).isoformat(),
    }
    return aio_pika.Message(
        json.dumps(body).encode(),
        headers=known | headers,
        correlation_id=body["checkout_id"],
        app_id=service,
        user_id="point",
    )


@pytest.mark.parametrize("exchange", [*sorted(SERVICES), ASKS])
async def test_nobody_listens_to_everything(channel: aio_pika.abc.AbstractChannel, exchange: str) -> None:
    """A queue cannot be bound to all that a service says, not even where some of it is to be heard: attack 9."""
    spy = await channel.declare_queue(f"point.news.{uuid.uuid4()}", auto_delete=True)

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await spy.bind(exchange, "#")


async def test_nobody_hears_what_is_for_others(channel: aio_pika.abc.AbstractChannel) -> None:
    """Of an exchange that it has to do with, a service hears the events of its steps: attack 9."""
    spy = await channel.declare_queue(f"point.news.{uuid.uuid4()}", auto_delete=True)
    await spy.bind("payment", "checkout.requested")
    await spy.unbind("payment", "checkout.requested")

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await spy.bind("payment", "payment.paid")


@pytest.mark.parametrize(
    "key", ["payment.news", "payment.resay", "reservation.resay", "*.news", "*.resay", "point.*", "point.#", "#.news"]
)
async def test_nobody_overhears_news_and_asks(channel: aio_pika.abc.AbstractChannel, key: str) -> None:
    """What the processes of another service tell each other, and what it is asked, is for that service."""
    spy = await channel.declare_queue(f"point.news.{uuid.uuid4()}", auto_delete=True)
    await spy.bind(ASKS, "point.news")
    await spy.unbind(ASKS, "point.news")

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await spy.bind(ASKS, key)


async def test_nobody_tells_the_news_of_others(channel: aio_pika.abc.AbstractChannel) -> None:
    """A service may ask any other, and tell its own processes what is new."""
    asks = await channel.get_exchange(ASKS, ensure=False)
    await asks.publish(aio_pika.Message(b"{", user_id="point"), "payment.resay")

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await asks.publish(aio_pika.Message(b"{", user_id="point"), "payment.news")


@pytest.mark.parametrize("exchange", sorted(set(SERVICES) - {"point"}))
async def test_nobody_publishes_for_others(channel: aio_pika.abc.AbstractChannel, exchange: str) -> None:
    """Neither to the exchange of another service, nor to where its messages come back."""
    for name in (exchange, f"{exchange}.redeliver", f"{exchange}.retry"):
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            async with channel._connection.channel() as own:  # type: ignore[attr-defined]  # each refusal closes one
                await (await own.get_exchange(name, ensure=False)).publish(aio_pika.Message(b""), "point.spent")


async def test_nobody_invents_events(channel: aio_pika.abc.AbstractChannel) -> None:
    """What no step says cannot be published to the service's own exchange either."""
    own = await channel.get_exchange("point", ensure=False)

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await own.publish(aio_pika.Message(b""), "point.invented")


async def test_sender_cannot_have_its_victim_publish(
    channel: aio_pika.abc.AbstractChannel, broker: Broker, fan: Fan, hold: Hold
) -> None:
    """A completed checkout is not refunded by an order to the broker in a message that is parked: attack 1."""
    await fan.charge(hold.total)
    state = await fan.check_out(hold)
    assert state["status"] == "completed"
    body = {"checkout_id": state["checkout_id"], "payment_id": str(hold.payment_id), "user_id": fan.user_id}
    forged = message("payment.rejected", body | {"reason": "a-lie"}, CC=["1s.reservation.revert"])

    async with broker.observe(["reservation.redeliver"]) as redelivered:
        await (await channel.get_exchange("point", ensure=False)).publish(forged, "point.spent")
        parked = await broker.unpark_saga("reservation", uuid.UUID(state["checkout_id"]))
        await broker.caught_up()

    assert "CC" not in parked.headers
    assert str(parked.headers["x-last-error"]).startswith("ForgedMessageError")
    assert not any("revert" in str(one.routing_key) for one in redelivered.messages)
    assert await fan.balance() == 0


async def test_events_about_sagas_that_never_were_end(broker: Broker, channel: aio_pika.abc.AbstractChannel) -> None:
    """After the last delay they are parked, where an operator finds them, and rest no more: attack 7."""
    checkout_id = uuid.uuid4()
    body = {"checkout_id": str(checkout_id), "payment_id": str(uuid.uuid4()), "user_id": "nobody"}
    said = message("point.refunded", body | {"amount": 1, "reason": "never"}, **{"x-attempt": 4})

    await (await channel.get_exchange("point", ensure=False)).publish(said, "point.refunded")

    parked = await broker.unpark_saga("payment", checkout_id)
    assert "MissingRowError" in str(parked.headers["x-last-error"])


@pytest.mark.parametrize("claimed", [2**63 - 1, -10])
async def test_counting_wrongly_ends_no_consumer(
    broker: Broker, channel: aio_pika.abc.AbstractChannel, claimed: int
) -> None:
    """What cannot be understood is parked whatever its sender counts, and every step goes on: attack 2."""
    saga_id = uuid.uuid4()
    poison = aio_pika.Message(b"{", headers={"x-attempt": claimed}, correlation_id=str(saga_id), user_id="point")

    await (await channel.get_exchange("point", ensure=False)).publish(poison, "point.spent")

    assert (await broker.unpark_saga("reservation", saga_id)).body == b"{"
    await broker.caught_up()


async def test_large_message_is_refused(channel: aio_pika.abc.AbstractChannel) -> None:
    """By the broker, so that it reaches nobody: attack 9."""
    own = await channel.get_exchange("point", ensure=False)

    with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed, match="larger"):
        await own.publish(aio_pika.Message(b"x" * (MAX_MESSAGE_BYTES + 1), user_id="point"), "point.spent")


async def test_connections_are_limited(environment: Mapping[str, str], fan: Fan, hold: Hold) -> None:
    """One user cannot take what all need: attack 9. The others go on meanwhile."""
    async with contextlib.AsyncExitStack() as opened:
        refused = None
        for _ in range(USER_LIMITS["max-connections"] + 1):
            try:
                connection = await aiormq.connect(environment["SEAT_RABBITMQ_URL"])
            except (AMQPError, aiormq.exceptions.AMQPError) as error:
                refused = error
                break
            opened.push_async_callback(connection.close)
        assert refused is not None
        await fan.charge(hold.total)
        assert (await fan.check_out(hold))["status"] == "completed"


async def test_channels_are_limited(environment: Mapping[str, str]) -> None:
    """A connection has as many as a service needs: attack 9."""
    connection = await aiormq.connect(environment["POINT_RABBITMQ_URL"])
    try:
        assert connection.connection_tune.channel_max == MAX_CHANNELS
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ["point.spy", "point.hoard.1", "point.spend.1", "point.news.hoard.1", "spy", ""])
async def test_nobody_makes_queues_of_its_own(channel: aio_pika.abc.AbstractChannel, name: str) -> None:
    """A service has the queues that its steps need, and no others, which no policy would limit: attack 9."""
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await channel.declare_queue(name, durable=True)


async def test_nobody_makes_exchanges_of_its_own(channel: aio_pika.abc.AbstractChannel) -> None:
    """Nor exchanges."""
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await channel.declare_exchange("point.more", aio_pika.ExchangeType.FANOUT)


async def test_queues_are_limited(broker: Broker, channel: aio_pika.abc.AbstractChannel) -> None:
    """Those of news, of which each process has one, cannot fill the broker: attack 9."""
    names = [f"point.news.{uuid.uuid4()}" for _ in range(VHOST_LIMITS["max-queues"])]
    declared = list[str]()

    async def fill() -> None:
        for name in names:
            await channel.declare_queue(name)
            declared.append(name)

    with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed, match="limit"):
        await fill()
    assert declared

    async def left() -> set[str]:
        return {one["name"] for one in await broker.ask("queues/%2F?columns=name")} & set(declared)

    async with broker._connection.channel() as admin:
        for name in declared:
            await admin.queue_delete(name)
    await eventually(left, lambda found: not found)


@pytest.mark.parametrize("properties", [pytest.param(one, id=what) for what, one in [*odd(), *unreadable()]])
async def test_no_head_of_a_message_ends_a_session(
    environment: Mapping[str, str], broker: Broker, properties: Basic.Properties
) -> None:
    """Whatever stands there, also what the client library cannot read: it is parked, and every consumer stays."""
    before = {one["consumer_tag"] for one in await broker.ask("consumers/%2F")}
    sender = Sender(environment["PAYMENT_RABBITMQ_URL"])

    async with broker.observe(["point.retry"], "parked.point.spend") as parked:
        try:
            await sender.send(Shot("payment", "payment", "checkout.requested", properties, b"{}", "probe"))
            await parked.counted(1)
        finally:
            await sender.close()

    assert before <= {one["consumer_tag"] for one in await broker.ask("consumers/%2F")}
    async with broker._connection.channel() as channel:
        queue = await channel.get_queue("point.parked", ensure=False)
        (message,) = [one async for one in _taken(queue)]
    assert "MalformedMessageError" in str(message.headers["x-last-error"])


@pytest.mark.parametrize("trace", ["x" * 130_000, "\x00"], ids=["long", "NUL"])
async def test_no_trace_is_handed_on_that_is_none(broker: Broker, fan: Fan, hold: Hold, trace: str) -> None:
    """Each service copies it into what it says: a frame that is too large, or a row that no sweep can read."""
    await fan.charge(hold.total)
    async with broker.diverted("reservation.confirm", "point.spent") as diverted:
        checkout_id = await fan.begin(hold)
        spent = await diverted.heard(checkout_id, "point.spent")
        headers = {**spent.headers, "traceparent": trace}
        async with broker.observe(["reservation"], "reservation.confirmed") as observer:
            await broker.publish("reservation.confirm", spent.body, headers, str(checkout_id))
            confirmed = await observer.heard(checkout_id, "reservation.confirmed")

    assert re.fullmatch(TRACEPARENT, str(confirmed.headers["traceparent"]))
    assert (await fan.end_of(checkout_id))["status"] == "completed"


async def _taken(queue: aio_pika.abc.AbstractQueue) -> AsyncIterator[aio_pika.abc.AbstractIncomingMessage]:
    """All that is in a queue, taken out."""
    while (message := await queue.get(fail=False)) is not None:
        await message.ack()
        yield message
