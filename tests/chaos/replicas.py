"""A second process of each service beside the first: another port, the same database, the same queues."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from chassis.crash import VARIABLE, Point
from stack.directory import ROOT
from tests.chaos.beside import READY_WITHIN, Second, beside
from tests.chaos.gate import HERE
from tests.chaos.site import Site
from tests.end_to_end.catalogue import CHEAP
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan

SAID = {
    "point": "point.spent",
    "reservation": "reservation.confirmed",
    "payment": "payment.paid",
    "seat": "seat.reserved",
}
"""By each service, the event whose commit is the last thing that its second process does"""
BESIDE_SECONDS = 3.0
WAITING = 12
DEAD_WITHIN, PUBLISHED_WITHIN = 60.0, 30.0


async def second_killed(site: Site) -> int:
    """The second processes die when they have committed and not yet published; nobody starts them again."""
    async with contextlib.AsyncExitStack() as replicas:
        seconds = {service: await replicas.enter_async_context(second(site, service)) for service in SAID}
        return sum(await asyncio.gather(*(_die(site, service, process) for service, process in seconds.items())))


async def _die(site: Site, service: str, second: Second) -> int:
    """Let a second process die; how many events it has left to the first, which publishes them."""
    (_orders(site) / f"{SAID[service]}@{Point.AFTER_COMMIT}").touch()
    async with asyncio.timeout(DEAD_WITHIN):
        assert await second.process.wait() == -signal.SIGKILL
    async with site.session(service) as session:
        rows = await session.fetch("SELECT event_id FROM outbox WHERE routing_key = $1", SAID[service])
        left = [row["event_id"] for row in rows]

        async def unpublished() -> int:
            return int(await session.fetchval("SELECT count(*) FROM outbox WHERE event_id = ANY($1::uuid[])", left))

        await eventually(unpublished, lambda count: not count, PUBLISHED_WITHIN)
    return len(left)


async def woken(site: Site) -> int:
    """Whoever waits at one process for what the other one does is told, and does not look by itself."""
    async with second(site, "payment") as other:
        fans = [Fan(site.system) for _ in range(WAITING)]
        seat_ids = await site.catalogue.new_date(WAITING, CHEAP)
        holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
        await asyncio.gather(*(fan.charge(hold.total) for fan, hold in zip(fans, holds, strict=True)))
        before = await _looks_by_itself(site)
        answers = [await fan.order(hold.payment_id, wait=10) for fan, hold in zip(fans, holds, strict=True)]
        site.accepted.update(UUID(answer.json()["checkout_id"]) for answer in answers)
        assert {answer.json()["status"] for answer in answers} == {"completed"}
        assert await _looks_by_itself(site) == before
        assert await _done(site, other), "the other process has done nothing"
    return WAITING


async def _looks_by_itself(site: Site) -> float:
    return _metric((await site.system.watch("payment", "/metrics")).text, 'saga_looks_total{why="by itself"}')


async def _done(site: Site, other: Second) -> float:
    """How many batches of the step after which a checkout is completed another process has committed."""
    answer = await site.system.watch("payment", "/metrics", at=f"http://{HERE}:{other.port}")
    return _metric(answer.text, 'saga_batch_size_count{step="payment.complete"}')


def _metric(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


async def side_by_side(site: Site) -> int:
    """Two processes of each service are at work, and the first ones are killed, one after the other."""
    async with contextlib.AsyncExitStack() as replicas:
        for service in SAID:
            await replicas.enter_async_context(second(site, service))
        for service in SAID:
            await site.programs.end(f"{service}_svc", signal.SIGKILL)
            await eventually(partial(site.is_ready, service), within=READY_WITHIN)
            await asyncio.sleep(BESIDE_SECONDS)
    return len(SAID)


@contextlib.asynccontextmanager
async def second(
    site: Site, service: str, tree: Path = ROOT, more: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Second]:
    """A second process of a service, ready; it takes orders to crash of its own, and goes away with the context."""
    orders = _orders(site)
    orders.mkdir(exist_ok=True)
    async with beside(site.programs, service, tree, {VARIABLE: str(orders), **more}) as found:
        yield found


def _orders(site: Site) -> Path:
    return site.crashes.with_name("crashes-of-seconds")
