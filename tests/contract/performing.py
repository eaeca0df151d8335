"""Has the services do everything that they can do, over databases with many rows, and hears the plans of it."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from tests.contract.filling import fill
from tests.contract.plans import Plan, tell_plans
from tests.contract.playing import NAMED, Play
from tests.contract.test_migrations import described_by, migrated_database


async def big_database(admin_url: str, package: str, rows: int, smaller: Collection[str] = ()) -> str:
    """The URL of a new database of a service with so many rows in its tables, fewer in some, which tells its plans."""
    url = await migrated_database(admin_url, package)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET synchronous_commit = off")
        await fill(connection, described_by(package), rows, smaller)
        await tell_plans(connection)
    finally:
        await connection.close()
    return url


@contextmanager
def told() -> Iterator[list[Plan]]:
    """The plans of all that is done over connections of the store that are made in this context."""
    plans: list[Plan] = []

    def hear(_: object, message: Any) -> None:
        if (plan := Plan.of(message.message)) is not None:
            plans.append(plan)

    def listen(pooled: Any, _: object) -> None:
        pooled.driver_connection.add_log_listener(hear)

    sa.event.listen(sa.Pool, "connect", listen)
    try:
        yield plans
    finally:
        sa.event.remove(sa.Pool, "connect", listen)


async def perform(play: Play, urls: Mapping[str, str]) -> None:
    """Every step, every job and every endpoint, at least once."""
    ids = await _buy(play)
    await _lose(play)
    await _run_out(play, urls)
    await _give_back(play, ids[1])
    await _ask_the_rest(play, *ids)
    await asyncio.sleep(0)  # the last plans are told after the last answer


async def _buy(play: Play) -> tuple[str, str]:
    """A checkout that completes."""
    await play.ask("point", "POST", "/points/charge", {"amount": 1_000})
    payment_id = await play.hold(1, 2)
    checkout_id = await play.begin(payment_id)
    await play.settle()
    return payment_id, checkout_id


async def _lose(play: Play) -> None:
    """A checkout that fails at the pivot: its seat is withdrawn meanwhile; and a hold of seats that are taken."""
    checkout_id = await play.begin(await play.hold(3))
    await play.ask("seat", "POST", "/operations/seats/{seat_id}/withdraw", seat_id=3)
    await play.settle()
    answer = await play.ask("payment", "GET", "/checkouts/{checkout_id}", checkout_id=checkout_id)
    assert answer.json()["reason"] == "seat-withdrawn"
    await play.ask("seat", "POST", "/operations/seats/{seat_id}/return", seat_id=3)
    await play.hold(1)


async def _give_back(play: Play, checkout_id: str) -> None:
    """A refund that comes too late; and a sold seat that is withdrawn, so that its payment is refunded."""
    await play.ask("payment", "POST", "/checkouts/{checkout_id}/refund", checkout_id=checkout_id)
    await play.settle()
    await play.ask("seat", "POST", "/operations/seats/{seat_id}/withdraw", seat_id=1)
    player = play.players["seat"]
    for job in player.runtime._jobs:
        await job.work(player.runtime.database)
    await play.settle()


async def _run_out(play: Play, urls: Mapping[str, str]) -> None:
    """A hold whose time is up, and whatever else the clock sets off."""
    payment_id = await play.hold(4, 5)
    connection = await asyncpg.connect(urls["reservation_svc"])
    await connection.execute("UPDATE reservation SET expires_at = now() WHERE payment_id = $1", UUID(payment_id))
    await connection.close()
    for player in play.players.values():
        await player.work()
    await play.settle()


async def _ask_the_rest(play: Play, payment_id: str, checkout_id: str) -> None:
    """Every question, and every request that nobody has thought of."""
    values = {
        "payment_id": payment_id,
        "checkout_id": checkout_id,
        "refund_id": checkout_id,
        "notice_id": checkout_id,
        "seat_id": 6,
        "user_id": "busy",
        "message_id": NAMED,
    }
    for service, player in play.players.items():
        for method, path in sorted(player.endpoints - play.asked[service]):
            answer = await play.ask(service, method, path, player.body(method, path), **values)
            assert answer.status_code != HTTPStatus.UNPROCESSABLE_ENTITY, answer.text
