"""What the store promises, of PostgreSQL and of the memory that the simulation runs on: same cases, same outcome.

So what the simulation believes of a database is what a database does. The suite goes on in `test_store_refusals.py` and
`test_store_messages.py`. What needs a server (lost connections, timeouts, transactions side by side) is in
`test_unit_of_work.py`.
"""

from typing import Any
from uuid import uuid4

import pytest

from chassis import Service, new_id
from chassis.choreography.envelope import Envelope
from chassis.errors import MissingRowError, NotLockedError, RowGoneError
from chassis.store import Transaction
from chassis.store.rows import LockedRows
from contracts import point, reservation
from point_svc.models import EntryType, PointHistory, Wallet
from point_svc.steps import service
from tests.end_to_end.stores import ANN, BOB, Store, entry, envelope, wallet_of


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
    assert [wallet.balance for wallet in found["payers"]] == [90]
    assert entries == 2


async def test_missing_row_is_an_error(store: Store) -> None:
    """Of a step that cannot do without it."""
    # given
    strict, arrived = Service("point"), envelope()

    @strict.step
    def count(lost: reservation.Reverted, wallet: Wallet) -> point.Refunded:
        return point.Refunded.after(lost, amount=wallet.balance)

    stranger = Envelope(
        arrived.event.model_copy(update={"user_id": "store-z"}), new_id(), None, arrived.occurred_at, ""
    )

    async def bind(transaction: Transaction) -> None:
        rows = await LockedRows.of(transaction, strict.declared(count), [stranger])
        rows.arguments(stranger.event)

    with pytest.raises(MissingRowError):
        await store.database.run(bind)


async def test_changes_are_written_before_new_rows(store: Store) -> None:
    """So a new row may take what a changed one has given up."""
    # given
    checkout_id = uuid4()

    async def add(transaction: Transaction) -> None:
        transaction.add(entry(checkout_id=checkout_id, amount=1))

    async def hand_over(transaction: Transaction) -> None:
        transaction.add(entry(checkout_id=checkout_id, amount=2))
        (old,) = await transaction.lock(PointHistory, "checkout_id", [checkout_id])
        old.checkout_id = None

    # when
    await store.database.run(add)
    await store.database.run(hand_over)
    # then
    assert {found.amount: found.checkout_id for found in await store.entries()} == {1: None, 2: checkout_id}
