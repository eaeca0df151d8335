"""Orderly ends: whatever was begun is answered, and nothing that was done comes again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import httpx2

from tests.chaos.crashes import gone
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import ACCEPTED, OK, Fan, Operator

MANY = 4
WAIT = 5
EXIT_WITHIN = 10.0
BACK_WITHIN = 60.0

_WALLETS = "SELECT FROM wallet WHERE user_id = ANY($1::text[]) FOR UPDATE"
_SEATS = "SELECT FROM seat WHERE seat_id = ANY($1::int[]) FOR UPDATE"
_BLOCKED = (
    "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)
_REPEATED = "SELECT array_agg(event_id) FROM inbox WHERE event_id = ANY($1::uuid[]) AND at < $2"


@dataclass(frozen=True)
class Errand:
    """Requests that a service begins to answer, and cannot finish while some rows are locked."""

    requests: Sequence[Callable[[], Awaitable[httpx2.Response]]]
    owner: str
    """Whose rows are locked"""
    lock: str
    keys: Sequence[object]
    begun: str = ""
    """Counts, in the service's database, the requests of these users that it has taken; else who waits for the rows"""
    users: Sequence[str] = ()


async def charges(site: Site) -> Errand:
    """Fans who charge points while somebody else has their wallets."""
    fans = [Fan(site.system) for _ in range(MANY)]
    for fan in fans:
        await fan.charge(1)
    requests = [partial(fan.post, "point", "/points/charge", {"amount": 1}) for fan in fans]
    return Errand(requests, "point", _WALLETS, [fan.user_id for fan in fans])


async def withdrawals(site: Site) -> Errand:
    """An operator who takes seats off sale while somebody else has them."""
    seat_ids = await site.catalogue.new_date(MANY)
    return Errand([partial(Operator(site.system).withdraw, seat_id) for seat_id in seat_ids], "seat", _SEATS, seat_ids)


async def holds(site: Site) -> Errand:
    """Fans who wait for what becomes of their hold while somebody else has the seats."""
    fans = [Fan(site.system) for _ in range(MANY)]
    seat_ids = await site.catalogue.new_date(MANY)
    requests = [partial(fan.reserve, [seat_id], WAIT) for fan, seat_id in zip(fans, seat_ids, strict=True)]
    begun = "SELECT count(*) FROM reservation WHERE user_id = ANY($1::text[])"
    return Errand(requests, "seat", _SEATS, seat_ids, begun, [fan.user_id for fan in fans])


async def checkouts(site: Site) -> Errand:
    """Fans who wait for what becomes of their checkout while somebody else has their wallets."""
    fans = [Fan(site.system) for _ in range(MANY)]
    requests = []
    for fan, seat_id in zip(fans, await site.catalogue.new_date(MANY), strict=True):
        hold = await fan.hold(seat_id)
        await fan.charge(hold.total)
        requests.append(partial(fan.order, hold.payment_id, wait=WAIT))
    users = [fan.user_id for fan in fans]
    begun = "SELECT count(*) FROM checkout WHERE user_id = ANY($1::text[])"
    return Errand(requests, "point", _WALLETS, users, begun, users)


ERRANDS = {"point": charges, "reservation": holds, "payment": checkouts, "seat": withdrawals}


async def terminated(site: Site) -> int:
    """The services are asked to end, one after the other, in the middle of requests that they can then finish."""
    for service, errand in ERRANDS.items():
        await _replace(site, service, await errand(site), unlocks_in_time=True)
    return len(ERRANDS)


async def terminated_in_suspense(site: Site) -> int:
    """Two services are asked to end while clients wait for outcomes that will come when these have ended."""
    for service in ("reservation", "payment"):
        await _replace(site, service, await ERRANDS[service](site), unlocks_in_time=False)
    return 2


async def _replace(site: Site, service: str, errand: Errand, *, unlocks_in_time: bool) -> None:
    """End a service in the middle of an errand; the next process is given nothing that this one has done."""
    before = len(site.brokers[service].redelivered)
    pid = await _end(site, service, errand, unlocks_in_time=unlocks_in_time)
    async with site.session(service) as session:
        ended = await session.fetchval("SELECT clock_timestamp()")
        await site.programs.replaced(f"{service}_svc", pid)
        await _has_caught_up(site, service)
        again = [UUID(one) for one in site.brokers[service].redelivered[before:]]
        needless = await session.fetchval(_REPEATED, again, ended)
    assert not needless, f"{service} had done these, and got them again: {needless}"


async def _end(site: Site, service: str, errand: Errand, *, unlocks_in_time: bool) -> int:
    """Ask a service to end when it has begun all requests; it answers each of them and ends in time."""
    async with site.session(errand.owner) as owner, site.session(service) as session:
        lock = owner.transaction()
        await lock.start()
        await owner.fetch(errand.lock, errand.keys)
        sent = [asyncio.ensure_future(request()) for request in errand.requests]

        async def begun() -> int:
            query = session.fetchval(errand.begun, errand.users) if errand.begun else owner.fetchval(_BLOCKED)
            return int(await query)

        await eventually(begun, lambda count: count == MANY)
        pid = await site.programs.send(f"{service}_svc", signal.SIGTERM)
        if unlocks_in_time:
            await lock.commit()
        done, _ = await asyncio.gather(_all(sent), gone([Path(f"/proc/{pid}")], EXIT_WITHIN))
    answers = [one for one in done if isinstance(one, httpx2.Response) and one.status_code in (OK, ACCEPTED)]
    assert len(answers) == MANY, f"{service} did not answer all that it had begun: {done}"
    if service == "payment":
        site.accepted.update(UUID(answer.json()["checkout_id"]) for answer in answers)
    return pid


async def _all(sent: Iterable[Awaitable[httpx2.Response]]) -> list[httpx2.Response | BaseException]:
    """The answers, or what became of them."""
    return list(await asyncio.gather(*sent, return_exceptions=True))


async def _has_caught_up(site: Site, service: str) -> None:
    """Wait until a service is ready and everything in its queues has been delivered to it."""
    await eventually(partial(site.is_ready, service), within=BACK_WITHIN)
    async with site.broker() as broker:
        for queue in await broker.steps():
            if queue.startswith(f"{service}."):
                await eventually(partial(broker.depth, queue), lambda depth: not depth, BACK_WITHIN)
