"""Scrape: answers Prometheus, after asking database and broker what only they know."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import State

from chassis.ids import made_at
from chassis.run.runtime import Runtime
from chassis.store.database import Database
from chassis.store.outbox import WAITING
from chassis.store.transaction import Transaction
from chassis.telemetry import metrics
from chassis.web.bearer import CurrentMonitor
from chassis.web.health import OK, checked
from chassis.web.problem import documented

SCRAPE_TIMEOUT = 3
MAX_COUNTED = 10_000
"""So far the outbox is counted: how many more there are in an outage, the age of the oldest tells as well"""
UNKNOWN = float("nan")

Unfinished = Callable[[Transaction], Awaitable[datetime | None]]
"""Since when the oldest unfinished work of a service waits, if there is some."""

metrics_router = APIRouter(tags=["health"])


@metrics_router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)},
)
async def scrape(request: Request, monitor_id: CurrentMonitor) -> Response:
    """What this process has done and what the service has not, in the text format of Prometheus."""
    runtime: Runtime = request.app.state.runtime
    for consumer in runtime.consumers:
        metrics.consumers.labels(consumer.step.queue).set(consumer.consuming)
        metrics.struggling.labels(consumer.step.queue).set(consumer.struggling)
        metrics.backlog.labels(consumer.step.queue).set(consumer.backlog)
    await _ask_broker(runtime, request.app.state)
    for check, state in (await checked(runtime, request.app.state.head)).items():
        metrics.ready.labels(check).set(state == OK)
    await _ask_database(runtime.database, request.app.state.unfinished)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _ask_broker(runtime: Runtime, state: State) -> None:
    """Set what only the broker knows."""
    for queue, depth in (await runtime.depths()).items():
        metrics.queue_depth.labels(queue).set(depth)
    metrics.parked.set(parked := await runtime.parked())
    # How old a parked message is, nobody can see without taking it out; for how long there is one, anybody can.
    if parked > 0:
        state.parked_since = getattr(state, "parked_since", None) or datetime.now(UTC)
    elif parked == 0:
        state.parked_since = None
    metrics.parked_for.set(_age(getattr(state, "parked_since", None)))


async def _ask_database(database: Database, unfinished: Unfinished | None) -> None:
    """Set what only the database knows; unknown while it is out of reach, so that nobody takes it for fine."""

    async def work(transaction: Transaction) -> None:
        (waiting,) = await transaction.fetch(WAITING, MAX_COUNTED)
        metrics.outbox_depth.set(waiting["depth"])
        oldest = waiting["oldest"]
        metrics.outbox_oldest.set(_age(made_at(oldest) if oldest else None))
        metrics.unfinished_oldest.set(_age(await unfinished(transaction) if unfinished else None))

    try:
        async with asyncio.timeout(SCRAPE_TIMEOUT):
            await database.run(work)
    except Exception:  # noqa: BLE001  # the gauges say so
        for gauge in (metrics.outbox_depth, metrics.outbox_oldest, metrics.unfinished_oldest):
            gauge.set(UNKNOWN)


def _age(since: datetime | None) -> float:
    return (datetime.now(UTC) - since).total_seconds() if since else 0.0
