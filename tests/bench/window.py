"""The window beside the saga: taken away and brought back, how far it lags behind, and how fast it is alone."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel

from chassis.store.outbox import Outgoing
from stack.servers.definitions import WINDOW_QUEUE, window_hears
from stack.services import EACH
from tests.bench.figures import Lag
from tests.bench.messages import of_checkout
from tests.bench.quantiles import percentile
from tests.bench.stand import Stand
from tests.end_to_end.eventually import eventually

NAME = "window"
FIRST = 200_000_000
"""Far above the numbers of the checkouts that are really made"""
WITHIN = 300.0
PIECE = 50
_LAGS = """
    SELECT extract(epoch FROM seen_at - occurred_at)::float8 AS seen,
        extract(epoch FROM pg_xact_commit_timestamp(xmin) - occurred_at)::float8 AS stored
    FROM message WHERE place = 'said'
    """
_TOLD = """
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - last_at)::float8 AS told
    FROM saga WHERE state = 'completed'
    """
_REACHED = """
    SELECT (SELECT coalesce(max(number), 0) FROM message) AS stored,
        (SELECT coalesce(max(number), 0) FROM reached WHERE by = 'telling') AS told
    """
_STORED_AT = "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM message WHERE number > $1"


class Backlog(NamedTuple):
    """How many messages waited, how many were stored in a second, and how many sagas were told."""

    messages: int
    stored_per_second: float
    told_per_second: float


@asynccontextmanager
async def away(stand: Stand) -> AsyncIterator[None]:
    """Have the window stand still while the context lasts, with its queue unbound."""
    async with stand.frozen(NAME), _channel(stand) as channel:
        queue = await channel.get_queue(WINDOW_QUEUE, ensure=False)
        exchanges = window_hears(EACH)
        for exchange in exchanges:
            await queue.unbind(exchange, "#")
        try:
            yield
        finally:
            for exchange in exchanges:
                await queue.bind(exchange, "#")


async def lag(stand: Stand) -> Lag:
    """How far it lagged behind in all that it has seen."""
    await _caught_up(stand, 1)
    async with stand.session(NAME) as session:
        lags, told = await session.fetch(_LAGS), await session.fetch(_TOLD)
    values = {name: [row[name] for row in lags] for name in ("seen", "stored")}
    values |= {"told": [row["told"] for row in told]}
    return Lag(**{f"{name}_p{percent}": percentile(values[name], percent) for name in values for percent in (50, 99)})


async def backlog(stand: Stand, checkouts: int) -> Backlog:
    """Have it find so many checkouts in its queue, as after a while without it, when nothing else goes on."""
    before = await _caught_up(stand, 1)
    async with stand.frozen(NAME):
        count = await _publish(stand, checkouts)
        began = time.time()
    told = await _caught_up(stand, before + count)
    took = time.time() - began
    async with stand.session(NAME) as session:
        stored_at = sorted(row["at"] for row in await session.fetch(_STORED_AT, before))
    assert told - before == count, f"{told - before:,} messages of {count:,} were stored"
    return Backlog(count, count / (stored_at[-1] - began), checkouts / took)


async def _caught_up(stand: Stand, at_least: int) -> int:
    """The number of the newest message, once it was told."""
    async with stand.session(NAME) as session, _channel(stand) as channel:

        async def look() -> tuple[int, bool]:
            waiting = (await channel.declare_queue(WINDOW_QUEUE, passive=True)).declaration_result.message_count or 0
            row = await session.fetchrow(_REACHED)
            assert row is not None
            return row["told"], not waiting and row["told"] == row["stored"] >= at_least

        return (await eventually(look, lambda found: found[1], within=WITHIN))[0]


async def _publish(stand: Stand, checkouts: int) -> int:
    """Put all messages of so many checkouts into its queue, fifty checkouts at a time; returns how many."""
    count = 0
    async with _channel(stand) as channel:
        for first in range(FIRST, FIRST + checkouts, PIECE):
            sagas = [of_checkout(number) for number in range(first, min(first + PIECE, FIRST + checkouts))]
            messages = [one for at_once in zip(*sagas, strict=True) for one in at_once]
            for one in messages:
                await channel.default_exchange.publish(_message(one), WINDOW_QUEUE, mandatory=False)
            count += len(messages)
    return count


def _message(outgoing: Outgoing) -> aio_pika.Message:
    """As the services put it on the broker, but not written to its disk."""
    return aio_pika.Message(
        outgoing.body.encode(), headers=dict(outgoing.headers), message_id=str(outgoing.event_id), app_id="bench"
    )


@asynccontextmanager
async def _channel(stand: Stand) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(stand.environment["RABBITMQ_URL"]) as connection:
        yield await connection.channel(publisher_confirms=False)
