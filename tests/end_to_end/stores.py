"""A database to hold to what the store promises: PostgreSQL's, or the one in memory that the simulation runs on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from chassis import new_id
from chassis.choreography.envelope import Envelope
from chassis.store import Database, Transaction
from chassis.store.departures import Departures
from chassis.store.outbox import LEASE, Outgoing
from chassis.store.postgres import Postgres
from contracts import point, reservation
from point_svc.models import EntryType, PointHistory, Wallet
from tests.end_to_end.databases import owner_url
from tests.memory.store import MemoryDatabase, MemorySource

KINDS = ("postgresql", "memory")
USERS = ("store-a", "store-b")
ANN, BOB = USERS
STEP = "test.store"
DELETE = (
    "DELETE FROM point_history WHERE user_id LIKE 'store-%'",
    "DELETE FROM wallet WHERE user_id LIKE 'store-%'",
    "DELETE FROM inbox WHERE step = 'test.store'",
)
END_LEASES = "UPDATE outbox SET leased_until = now() - interval '1 second' WHERE saga_id = ANY($1)"

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Store:
    """A database, and what is heard of its commits."""

    def __init__(self, source: Postgres | MemorySource) -> None:
        self.source = source
        self.memory = source if isinstance(source, MemorySource) else None
        self.database = _database(source)
        self.heard: list[Outgoing] = []
        self.database.subscribe(self.heard.extend)

    async def balance(self, user_id: str = ANN) -> int | None:
        """What is stored of a wallet."""

        async def work(transaction: Transaction) -> Wallet | None:
            return await transaction.find_one(Wallet, user_id)

        wallet = await self.database.run(work)
        return wallet.balance if wallet else None

    async def entries(self, user_id: str = ANN) -> list[PointHistory]:
        """What is stored of a wallet's history, in the order of its key."""

        async def work(transaction: Transaction) -> list[PointHistory]:
            return await transaction.find(PointHistory, "user_id", [user_id])

        return await self.database.run(work)

    async def waiting(self) -> bool:
        """Whether some transaction waits for another one."""
        if self.memory:
            return any(one.is_waiting for one in self.memory.server.open)

        async def work(transaction: Transaction) -> bool:
            return bool((await transaction.fetch(WAITING))[0][0])

        return await self.database.run(work)

    async def furnish(self) -> None:
        """Give ann and bob a wallet with 100 each."""

        async def insert(transaction: Transaction) -> None:
            transaction.add(*(Wallet(user_id=user_id, balance=100) for user_id in USERS))

        await self.database.run(insert)

    async def clear(self) -> None:
        """Take away what a test has left."""

        async def delete(transaction: Transaction) -> None:
            said = [message.event_id for message in self.heard]
            await transaction.session.forget(said)
            if not self.memory:
                await transaction.fetch("DELETE FROM said WHERE event_id = ANY($1)", said)
                for statement in DELETE:
                    await transaction.fetch(statement)

        await self.database.run(delete)

    async def end_leases(self, transaction: Transaction, saga_ids: list[UUID]) -> None:
        """Let the time pass for which these messages of the outbox are leased."""
        if self.memory:
            later = self.memory.now() + 2 * LEASE
            self.memory.now = lambda: later
        else:
            await transaction.fetch(END_LEASES, saga_ids)


def _database(source: Postgres | MemorySource) -> Database:
    if isinstance(source, MemorySource):
        return MemoryDatabase(source, Departures(), source.identity)
    return Database(source, Departures())


@asynccontextmanager
async def opened(kind: str, environment: Mapping[str, str], service: str = "point") -> AsyncIterator[Store]:
    """The database of a service, or one in memory."""
    source = MemorySource() if kind == "memory" else Postgres(owner_url(environment, service), pool_size=3)
    store = Store(source)
    yield store
    await store.database.drain(1)


async def wallet_of(transaction: Transaction, user_id: str = ANN) -> Wallet:
    """A locked wallet."""
    (wallet,) = await transaction.lock(Wallet, "user_id", [user_id])
    return wallet


def entry(**values: Any) -> PointHistory:
    """A charge of ann's, with other values where they are given."""
    usual: dict[str, Any] = {"user_id": ANN, "type": EntryType.CHARGE, "amount": 1, "balance_after": 1}
    return PointHistory(**usual | values)


def envelope(event_id: UUID | None = None) -> Envelope:
    """An event that point_svc hears."""
    checkout_id = uuid4()
    event = reservation.Reverted(checkout_id=checkout_id, payment_id=uuid4(), user_id=ANN, reason="seat-withdrawn")
    return Envelope(event, event_id or new_id(), None, datetime.now(UTC), "")


def spent() -> point.Spent:
    """An event that point_svc says."""
    return point.Spent(
        checkout_id=uuid4(), payment_id=uuid4(), user_id=ANN, amount=1, deadline=datetime(2030, 1, 1, tzinfo=UTC)
    )
