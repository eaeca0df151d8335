"""The invariants of the system, asked of the databases, the broker and the platform's own log.

They are asked when nothing is under way: in the middle of a saga, points are spent that are not yet paid.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx2

from stack.demo.purchases import Facts, delivered, one_purchase, one_way_back
from stack.services import SERVICES


@dataclass(frozen=True)
class Finding:
    """One invariant and every place where it does not hold; it holds where there is none."""

    invariant: str
    what: str
    violations: list[str]


async def examine(environment: Mapping[str, str], accepted: Iterable[UUID] = ()) -> list[Finding]:
    """Look at everything once; `accepted` are the checkouts that a client was told exist."""
    facts = await gather(environment)
    return [
        Finding("I1", "no point is lost or made", list(_money(facts))),
        Finding("I2", "no seat has two owners", list(_owners(facts))),
        Finding("I3", "a sold seat is paid and confirmed, and the other way round", list(_sold(facts))),
        Finding("I4", "every checkout and every refund has ended", list(_ended(facts))),
        Finding("I5", "a failed checkout left what was there before it", list(_undone(facts))),
        Finding("I6", "one delivery for each completed checkout or refund, none for others", list(delivered(facts))),
        Finding("I7", "nothing is parked", _filled(facts, parked=True)),
        Finding("I8", "outboxes and queues are empty", _left(facts.outboxes, "outbox") + _filled(facts, parked=False)),
        Finding("I9", "no session is idle in a transaction", _left(facts.idle_in_transaction, "sessions")),
        Finding("I10", "every accepted checkout exists", list(_lost(facts, accepted))),
        Finding("I11", "a completed checkout is one purchase of one amount", list(one_purchase(facts))),
        Finding("I12", "a refunded checkout left what was there before it, and its history", list(one_way_back(facts))),
        Finding("I13", "nobody has a seat of an evening that was called off", list(_called_off(facts))),
    ]


async def gather(environment: Mapping[str, str]) -> Facts:
    """Read all facts; every table is read in one statement."""
    async with AsyncExitStack() as stack:
        databases = {}
        for name in SERVICES:
            connection = await asyncpg.connect(environment[f"{name.upper()}_DATABASE_URL"])
            stack.push_async_callback(connection.close)
            databases[name] = connection
        deliveries, queues = await asyncio.gather(_deliveries(environment), _queues(environment))
        return Facts(
            wallets=await databases["point"].fetch("SELECT * FROM wallet"),
            history=await databases["point"].fetch("SELECT * FROM point_history"),
            reservations=await databases["reservation"].fetch("SELECT * FROM reservation"),
            payments=await databases["payment"].fetch("SELECT * FROM payment"),
            checkouts=await databases["payment"].fetch("SELECT * FROM checkout"),
            refunds=await databases["payment"].fetch("SELECT * FROM refund"),
            evenings=await databases["seat"].fetch("SELECT * FROM concert_date"),
            seats=await databases["seat"].fetch("SELECT * FROM seat"),
            deliveries=deliveries,
            outboxes={name: await db.fetchval("SELECT count(*) FROM outbox") for name, db in databases.items()},
            idle_in_transaction={name: await db.fetchval(_IDLE) for name, db in databases.items()},
            queues=queues,
        )


_IDLE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
      AND state_change < now() - interval '5 seconds'
"""


async def _deliveries(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{environment['PLATFORM_URL']}/deliveries")
        return list(answer.raise_for_status().json())


async def _queues(environment: Mapping[str, str]) -> dict[str, int]:
    """How many messages each queue holds; the management API counts every five seconds."""
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{environment['RABBITMQ_MANAGEMENT_URL']}/api/queues/%2F")
        queues = answer.raise_for_status().json()
    return {queue["name"]: queue.get("messages", 0) for queue in queues if queue["name"].startswith(_PREFIXES)}


_PREFIXES = tuple(f"{name}." for name in SERVICES)


def _money(facts: Facts) -> Iterable[str]:
    moved: Counter[str] = Counter()
    for entry in facts.history:
        moved[entry["user_id"]] += entry["amount"] if entry["type"] != "USE" else -entry["amount"]
    for wallet in facts.wallets:
        if wallet["balance"] != moved[wallet["user_id"]] or wallet["balance"] < 0:
            yield f"user {wallet['user_id']} has {wallet['balance']}, the history says {moved[wallet['user_id']]}"
    charged = sum(entry["amount"] for entry in facts.history if entry["type"] == "CHARGE")
    paid = sum(payment["total_price"] for payment in facts.payments if payment["status"] == "PAID")
    kept = sum(wallet["balance"] for wallet in facts.wallets)
    if kept + paid != charged:
        yield f"{kept} in wallets and {paid} paid make {kept + paid}, but {charged} were charged"


def _owners(facts: Facts) -> Iterable[str]:
    claims = Counter(row["seat_id"] for row in facts.reservations if row["status"] in ("TEMP", "CONFIRMED"))
    return (f"seat {seat_id} has {owners} owners" for seat_id, owners in claims.items() if owners > 1)


def _sold(facts: Facts) -> Iterable[str]:
    paid = {row["payment_id"] for row in facts.payments if row["status"] == "PAID"}
    confirmed = {(row["payment_id"], row["seat_id"]) for row in facts.reservations if row["status"] == "CONFIRMED"}
    sold = {(row["holder"], row["seat_id"]) for row in facts.seats if row["status"] == "RESERVED"}
    for payment_id, seat_id in sold ^ confirmed:
        yield f"seat {seat_id}, payment {payment_id}: sold and confirmed do not agree"
    for payment_id in paid ^ {payment_id for payment_id, _ in sold}:
        yield f"payment {payment_id}: paid and sold do not agree"


def _ended(facts: Facts) -> Iterable[str]:
    for what, rows in (("checkout", facts.checkouts), ("refund", facts.refunds)):
        yield from (f"{what} {row[f'{what}_id']} is pending" for row in rows if row["status"] == "PENDING")


def _undone(facts: Facts) -> Iterable[str]:
    failed = {row["checkout_id"] for row in facts.checkouts if row["status"] == "FAILED"}
    net: Counter[UUID] = Counter()
    for entry in facts.history:
        net[entry["checkout_id"]] += {"USE": -1, "REFUND": 1}.get(entry["type"], 0) * entry["amount"]
    for checkout_id in failed:
        if net[checkout_id]:
            yield f"checkout {checkout_id} failed and moved {net[checkout_id]} points"
    for row in facts.reservations:
        if row["checkout_id"] in failed:
            yield f"reservation {row['reservation_id']} is still owned by failed checkout {row['checkout_id']}"
    for row in facts.payments:
        if row["checkout_id"] in failed and row["status"] != "CANCELLED":
            yield f"payment {row['payment_id']} is still owned by failed checkout {row['checkout_id']}"
    yield from _hold_stands(facts, {row["payment_id"] for row in facts.checkouts if row["checkout_id"] in failed})


def _hold_stands(facts: Facts, payment_ids: set[UUID]) -> Iterable[str]:
    """The seats of payments whose checkout failed are still held, unless paid later, expired or withdrawn."""
    held = {row["seat_id"]: (row["holder"], row["status"]) for row in facts.seats}
    published = {row["payment_id"] for row in facts.payments if row["status"] == "PUBLISHED"} & payment_ids
    for row in facts.reservations:
        if row["payment_id"] not in published or row["status"] == "EXPIRED":
            continue
        holder, status = held[row["seat_id"]]
        if row["status"] != "TEMP" or holder != row["payment_id"] or status not in ("OCCUPIED", "WITHDRAWN"):
            yield f"seat {row['seat_id']} is {status}, its reservation {row['status']}, after a failed checkout"


def _filled(facts: Facts, *, parked: bool) -> list[str]:
    return _left({name: n for name, n in facts.queues.items() if name.endswith(".parked") == parked}, "messages")


def _left(counts: Mapping[str, int], what: str) -> list[str]:
    return [f"{name}: {count} {what}" for name, count in counts.items() if count]


def _lost(facts: Facts, accepted: Iterable[UUID]) -> Iterable[str]:
    known = {row["checkout_id"] for row in facts.checkouts}
    return (f"checkout {checkout_id} was accepted and is not there" for checkout_id in set(accepted) - known)


def _called_off(facts: Facts) -> Iterable[str]:
    over = {row["date_id"] for row in facts.evenings if row["called_off_at"] is not None}
    for row in facts.seats:
        if row["date_id"] in over and (row["status"], row["holder"]) != ("WITHDRAWN", None):
            yield f"seat {row['seat_id']} is {row['status']}, for {row['holder']}, of an evening that is called off"
