"""Faults of messages: doubled, late, out of order, broken, of a version that never was, given back."""

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from tests.chaos.site import Site
from tests.end_to_end.broker import Binding, Broker, Diversion
from tests.end_to_end.observing import MARK

SECONDS = 8.0
ROUNDS = 6
UNHEARD = {"point.spend": "checkout.requested", "payment.pay": "reservation.confirmed"}


async def duplicated(site: Site) -> int:
    """Every message arrives at every step two times more, the last time long after the first."""
    injected = 0
    async with site.broker() as broker, broker.observe() as observer:
        queues = _queues(await broker.bindings())
        heard = 0
        for _ in range(ROUNDS):
            await asyncio.sleep(SECONDS / ROUNDS)
            fresh, heard = observer.messages[heard:], len(observer.messages)
            injected += await _repeat(broker, queues, fresh)
        injected += await _repeat(broker, queues, observer.messages[:heard])
    return injected


async def late_and_out_of_order(site: Site) -> int:
    """Messages are held back for a while, and reach their steps in any order."""
    order = random.Random(ROUNDS)  # noqa: S311  # no secret
    async with site.broker() as broker, contextlib.AsyncExitStack() as diversions:
        held = [
            await diversions.enter_async_context(broker.diverted(binding.queue, binding.routing_key))
            for binding in await broker.bindings()
        ]
        passed: set[int] = set()
        for _ in range(ROUNDS):
            await asyncio.sleep(SECONDS / ROUNDS)
            await asyncio.gather(*(_pass_some(diversion, passed, order) for diversion in held))
        return sum(len(diversion.messages) for diversion in held)


async def _pass_some(diversion: Diversion, passed: set[int], order: random.Random) -> None:
    """Pass on some of what waits, in any order; the rest is left for another round."""
    waiting = [message for message in diversion.messages if id(message) not in passed]
    for message in order.sample(waiting, len(waiting) * 2 // 3):
        passed.add(id(message))
        await diversion.pass_on(message)


async def corrupted(site: Site) -> int:
    """Every step gets messages that are cut short, or that lack what identifies them, beside the good ones."""
    return await _poisoned(site, _cut_short, _nameless)


async def of_unknown_version(site: Site) -> int:
    """Every step gets events of a version that is not known here, beside the good ones."""
    return await _poisoned(site, _of_no_version)


async def returned(site: Site) -> int:
    """The broker has no queue for two of the events, and gives them back to their service."""
    async with site.broker() as broker, contextlib.AsyncExitStack() as missing:
        for queue, event in UNHEARD.items():
            await missing.enter_async_context(broker.unheard(queue, event))
        await asyncio.sleep(SECONDS)
        return sum([await _kept(site, event) for event in UNHEARD.values()])


async def _kept(site: Site, event: str) -> int:
    """How many of these events wait in the outbox of their service."""
    service = "payment" if event.startswith("checkout.") else event.partition(".")[0]
    async with site.session(service) as session:
        return int(await session.fetchval("SELECT count(*) FROM outbox WHERE routing_key = $1", event))


Poison = tuple[bytes, Mapping[str, Any]]
Spoil = Callable[[AbstractIncomingMessage], Poison]


def _cut_short(message: AbstractIncomingMessage) -> Poison:
    return message.body[: len(message.body) // 2], message.headers


def _nameless(message: AbstractIncomingMessage) -> Poison:
    return message.body, {name: value for name, value in message.headers.items() if name != "ce-id"}


def _of_no_version(message: AbstractIncomingMessage) -> Poison:
    event = str(message.headers["ce-type"]).rpartition(".")[0]
    return message.body, {**message.headers, "ce-type": f"{event}.v0"}


def _queues(bindings: list[Binding]) -> dict[str, list[str]]:
    """Which queues hear an event."""
    queues: dict[str, list[str]] = {}
    for binding in bindings:
        queues.setdefault(binding.routing_key, []).append(binding.queue)
    return queues


async def _repeat(broker: Broker, queues: Mapping[str, list[str]], messages: list[AbstractIncomingMessage]) -> int:
    wanted = [(queue, message) for message in messages for queue in queues.get(message.type or "", [])]
    await asyncio.gather(*(broker.put(queue, message) for queue, message in wanted))
    return len(wanted)


async def _poisoned(site: Site, *spoil: Spoil) -> int:
    """Put poison among the good messages of every step, and in the end take all of it from the parked ones."""
    mark = uuid.uuid4().hex
    put: Counter[str] = Counter()
    async with site.broker() as broker, broker.observe() as observer:
        steps = await broker.steps()
        for number in range(ROUNDS):
            await asyncio.sleep(SECONDS / ROUNDS)
            for queue, message in zip(steps, observer.messages[-len(steps) :], strict=False):
                body, headers = spoil[number % len(spoil)](message)
                await broker.publish(queue, body, headers, MARK + mark)
                put[queue.partition(".")[0]] += 1
        for service, count in put.items():
            assert len(await broker.unpark(service, count, mark)) == count
    return put.total()
