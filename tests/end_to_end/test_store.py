"""What the store promises, of PostgreSQL and of the memory that the simulation runs on: same cases, same outcome.

So what the simulation believes of a database is what a database does. What needs a server of its own (lost
connections, timeouts, transactions side by side) is in `test_unit_of_work.py`.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis import new_id
from chassis.choreography.envelope import Envelope
from chassis.errors import MissingRowError, NotLockedError, RowGoneError
from chassis.store import Database, Transaction
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing
from chassis.store.postgres import Postgres
from chassis.store.rows import LockedRows
from contracts import point, reservation
from point_svc.models import EntryType, PointHistory, Wallet
from point_svc.steps import service
from tests.memory.store import MemoryDatabase, MemorySource

USERS = ("store-a", "store-b")
ANN, BOB = USERS
STEP = "test.store"
DELETE = (
    "DELETE FROM point_history WHERE user_id LIKE 'store-%'",
    "DELETE FROM wallet WHERE user_id LIKE 'store-%'",
    "DELETE FROM inbox WHERE step = 'test.store'",
)


class Store:
    """A database with the wallets of ann and bob, who have 100 each, and what is heard of its commits."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.heard: list[Outgoing] = []
        database.subscribe(self.heard.extend)

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


@pytest.fixture(params=["postgresql", "memory"])
async def store(request: pytest.FixtureRequest, environment: Mapping[str, str]) -> AsyncIterator[Store]:
    """The database of point_svc, or one in memory."""
    source = MemorySource()
    if request.param == "memory":
        tested = Store(MemoryDatabase(source, Departures(), source.identity))
    else:
        tested = Store(Database(Postgres(environment["POINT_DATABASE_URL"], pool_size=3), Departures()))

    async def insert(transaction: Transaction) -> None:
        transaction.add(*(Wallet(user_id=user_id, balance=100) for user_id in USERS))

    async def clear(transaction: Transaction) -> None:
        await transaction.session.forget([message.event_id for message in tested.heard])
        for statement in DELETE if request.param == "postgresql" else ():
            await transaction.fetch(statement)

    await tested.database.run(insert)
    yield tested
    await tested.database.run(clear)
    await tested.database.drain(1)


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


async def test_row_comes_back_as_it_was_stored(store: Store) -> None:
    """Enumerations, moments, ids and numbers are what they were, in a new row and in one that changed."""
    # given
    checkout_id = uuid4()

    async def spend(transaction: Transaction) -> PointHistory:
        used = (await wallet_of(transaction)).use(30, checkout_id)
        transaction.add(used)
        return used

    # when
    stored = await store.database.run(spend)
    # then
    (found,) = await store.entries()
    assert found is not stored
    assert found.model_dump() == stored.model_dump()
    assert found.type is EntryType.USE
    assert await store.balance() == 70


async def test_row_is_one_object_in_its_transaction(store: Store) -> None:
    """However often and by whatever column it is asked for, read or locked."""
    # given
    checkout_id = uuid4()

    async def spend(transaction: Transaction) -> None:
        transaction.add((await wallet_of(transaction)).use(1, checkout_id))

    async def look(transaction: Transaction) -> None:
        (read,) = await transaction.find(PointHistory, "checkout_id", [checkout_id])
        (locked,) = await transaction.lock(PointHistory, "user_id", [ANN])
        assert read is locked
        wallet = await transaction.lock_one(Wallet, ANN)
        assert wallet is not None
        wallet.balance = 55
        assert await transaction.find_one(Wallet, ANN) is wallet
        assert await wallet_of(transaction) is wallet

    # when
    await store.database.run(spend)
    await store.database.run(look)
    # then
    assert await store.balance() == 55


async def test_rows_come_in_the_order_of_their_key(store: Store) -> None:
    """Whatever the order in which they are asked for: so whoever locks them waits for whoever came first."""

    async def work(transaction: Transaction) -> list[str]:
        return [wallet.user_id for wallet in await transaction.lock(Wallet, "user_id", [BOB, ANN, "nobody"])]

    assert await store.database.run(work) == [ANN, BOB]


async def test_nothing_is_asked_for_no_keys(store: Store) -> None:
    """An event that touches no row costs no statement."""

    async def work(transaction: Transaction) -> list[Wallet]:
        return await transaction.lock(Wallet, "user_id", [])

    assert await store.database.run(work) == []


async def test_row_takes_the_place_of_another(store: Store) -> None:
    """`replace` stores a row whether or not its primary key is there."""
    for balance in (5, 6):

        async def work(transaction: Transaction, balance: int = balance) -> None:
            transaction.replace(Wallet(user_id=ANN, balance=balance), Wallet(user_id="store-c", balance=balance))

        await store.database.run(work)
    # then
    assert (await store.balance(), await store.balance("store-c")) == (6, 6)


TWICE = uuid4()
REFUSED: dict[str, tuple[Callable[[], list[Any]], type[Exception]]] = {
    "a primary key twice": (lambda: [Wallet(user_id=ANN, balance=1)], asyncpg.UniqueViolationError),
    "a primary key twice at once": (
        lambda: [Wallet(user_id="store-d", balance=1), Wallet(user_id="store-d", balance=2)],
        asyncpg.UniqueViolationError,
    ),
    "a unique constraint": (
        lambda: [entry(checkout_id=TWICE), entry(checkout_id=TWICE)],
        asyncpg.UniqueViolationError,
    ),
    "a check": (lambda: [Wallet(user_id="store-d", balance=-1)], asyncpg.CheckViolationError),
    "another check": (lambda: [entry(amount=0)], asyncpg.CheckViolationError),
    "text that is too long": (lambda: [entry(user_id="x" * 65)], asyncpg.StringDataRightTruncationError),
    "no value": (lambda: [entry(balance_after=None)], asyncpg.NotNullViolationError),
    "a number out of range": (lambda: [entry(amount=2**63)], asyncpg.DataError),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_leaves_nothing(store: Store, case: str) -> None:
    """Neither rows nor what went with them: changes, inbox, events."""
    # given
    rows, error = REFUSED[case]
    arrived = envelope()

    async def work(transaction: Transaction) -> None:
        await transaction.accept(STEP, [arrived])
        (await wallet_of(transaction)).balance = 1
        transaction.add(*rows())
        transaction.say(spent())

    async def look(transaction: Transaction) -> list[Envelope]:
        return await transaction.unhandled(STEP, [arrived])

    # when
    with pytest.raises(error):
        await store.database.run(work)
    # then
    assert await store.balance() == 100
    assert await store.entries() == []
    assert await store.database.run(look) == [arrived]
    assert store.heard == []


async def test_several_rows_without_a_value_are_unique(store: Store) -> None:
    """A unique constraint says nothing of rows in which one of its columns is empty."""

    async def work(transaction: Transaction) -> None:
        transaction.add(entry(), entry())

    # when
    await store.database.run(work)
    # then
    assert len(await store.entries()) == 2


async def test_row_that_is_not_there_is_missed(store: Store) -> None:
    """A row under another primary key is none of those that were locked."""

    async def work(transaction: Transaction) -> None:
        (await wallet_of(transaction)).user_id = "store-e"

    with pytest.raises(RowGoneError):
        await store.database.run(work)


async def test_row_that_was_only_read_must_not_change(store: Store) -> None:
    """Nobody holds it, so somebody else may change it at the same time: that is said, not done."""

    async def work(transaction: Transaction) -> None:
        wallet = await transaction.find_one(Wallet, ANN)
        assert wallet is not None
        wallet.balance = 1

    # when
    with pytest.raises(NotLockedError, match=f"Wallet {ANN}"):
        await store.database.run(work)
    # then
    assert await store.balance() == 100


async def test_inbox_remembers_what_a_step_has_handled(store: Store) -> None:
    """Each event is fresh once: also when it comes twice in one batch, and for each step by itself."""
    # given
    first, second = envelope(), envelope()

    async def take(transaction: Transaction, *arrived: Envelope, step: str = STEP) -> list[UUID]:
        return [one.event_id for one in await transaction.accept(step, arrived)]

    async def ask(transaction: Transaction) -> list[Envelope]:
        return await transaction.unhandled(STEP, [first, second, second])

    # when, then
    assert await store.database.run(lambda t: take(t, first, first)) == [first.event_id]
    assert await store.database.run(ask) == [second]
    assert await store.database.run(lambda t: take(t, first, second)) == [second.event_id]
    assert await store.database.run(ask) == []


async def test_what_is_said_is_heard_after_the_commit(store: Store) -> None:
    """In its order, with its cause; it stays in the outbox, leased, until it is confirmed."""
    # given
    cause, events = envelope(), [spent(), spent()]

    async def say(transaction: Transaction) -> None:
        for event in events:
            transaction.say(event, cause)
        assert store.heard == []

    async def lease(transaction: Transaction) -> list[UUID]:
        return [message.event_id for message in await transaction.session.lease(1000)]

    # when
    await store.database.run(say)
    # then
    assert [message.saga_id for message in store.heard] == [event.checkout_id for event in events]
    assert {message.headers["ce-causationid"] for message in store.heard} == {str(cause.event_id)}
    assert not set(await store.database.run(lease)) & {message.event_id for message in store.heard}


async def test_rows_are_bound_to_the_parameters_of_a_step(store: Store) -> None:
    """By primary key, and by a column; what one event brings into being is seen by the next."""
    # given
    refund = next(step for step in service.steps if step.name == "refund")
    arrived = envelope()
    checkout_id = arrived.event.saga_id

    async def spend(transaction: Transaction) -> None:
        transaction.add((await wallet_of(transaction)).use(10, checkout_id))

    async def bind(transaction: Transaction) -> tuple[dict[str, Any], int]:
        rows = await LockedRows.of(transaction, refund, [arrived])
        rows.add([entry(checkout_id=checkout_id)])
        found = rows.arguments(arrived.event)
        return found, len(found["history"])

    # when
    await store.database.run(spend)
    found, entries = await store.database.run(bind)
    # then
    assert found["wallet"].balance == 90
    assert entries == 2


async def test_missing_row_is_an_error(store: Store) -> None:
    """Of a step that cannot do without it."""
    # given
    refund = next(step for step in service.steps if step.name == "refund")
    arrived = envelope()
    stranger = Envelope(
        arrived.event.model_copy(update={"user_id": "store-z"}), new_id(), None, arrived.occurred_at, ""
    )

    async def bind(transaction: Transaction) -> None:
        rows = await LockedRows.of(transaction, refund, [stranger])
        rows.arguments(stranger.event)

    with pytest.raises(MissingRowError):
        await store.database.run(bind)
