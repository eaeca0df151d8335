"""Transactions side by side, of PostgreSQL and of the memory: who waits for whom, and what is seen afterwards.

So an interleaving that the simulation tries is one that PostgreSQL allows, and the other way round.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chassis.errors import RolledBackError
from chassis.store import Transaction
from chassis.store.outbox import Outgoing
from point_svc.models import PointHistory, Wallet
from tests.end_to_end.sides import Side
from tests.end_to_end.stores import ANN, BOB, STEP, Store, entry, envelope, wallet_of

NEW = "store-d"


@pytest.fixture
async def one(store: Store) -> AsyncIterator[Side]:
    """The transaction that is first."""
    side = await Side(store).begin()
    yield side
    await side.roll_back()


@pytest.fixture
async def other(store: Store, one: Side) -> AsyncIterator[Side]:
    """The transaction that comes second."""
    side = await Side(store).begin()
    yield side
    await side.roll_back()


async def test_each_statement_sees_what_was_committed_before_it(one: Side, other: Side) -> None:
    """Not what is open elsewhere, and its own changes at once."""
    assert (await other.wallet(lock=False)).balance == 100
    await one.put(70)
    assert (await one.wallet(lock=False)).balance == 70
    assert (await other.wallet(lock=False)).balance == 100
    await one.commit()
    assert (await other.wallet(lock=False)).balance == 70


@pytest.mark.parametrize(("how", "seen"), [("commit", 70), ("roll back", 100)])
async def test_lock_waits_and_sees_what_is_there_then(one: Side, other: Side, how: str, seen: int) -> None:
    """Whoever wants a locked row has it when its holder has ended, with what is committed by then."""
    # given
    await one.put(70)
    # when
    waiting = await other.waits(other.wallet())
    await one.end(how)
    # then
    assert (await waiting).balance == seen


async def test_lock_holds_up_whoever_wants_that_row_only(one: Side, other: Side) -> None:
    """Locks are of rows, not of tables."""
    await one.wallet(ANN)
    assert (await other.wallet(BOB)).balance == 100


async def test_row_that_has_become_another_is_not_locked(store: Store, one: Side, other: Side) -> None:
    """What a statement looks for is looked at once more after it has waited."""
    # given
    checkout_id = uuid4()
    await store.database.run(adding(entry(checkout_id=checkout_id)))
    (row,) = await one.session.select(PointHistory, "checkout_id", [checkout_id], lock=True)
    row.checkout_id = None
    await one.session.update(PointHistory, [row])
    # when
    waiting = await other.waits(other.session.select(PointHistory, "checkout_id", [checkout_id], lock=True))
    await one.commit()
    # then
    assert await waiting == []


async def test_row_that_came_while_a_statement_waited_is_not_in_it(store: Store, one: Side, other: Side) -> None:
    """The rows are chosen at the beginning of a statement; the next statement sees it."""
    # given
    await store.database.run(adding(entry(amount=1)))
    await one.session.select(PointHistory, "user_id", [ANN], lock=True)
    await one.session.insert(PointHistory, [entry(amount=2)])
    # when
    waiting = await other.waits(other.session.select(PointHistory, "user_id", [ANN], lock=True))
    await one.commit()
    # then
    assert [row.amount for row in await waiting] == [1]
    found = await other.session.select(PointHistory, "user_id", [ANN], lock=True)
    assert sorted(row.amount for row in found) == [1, 2]


async def test_change_waits_for_a_lock(one: Side, other: Side) -> None:
    """Also where the row was not locked before."""
    # given
    await one.put(70)
    # when
    waiting = await other.waits(other.session.update(Wallet, [Wallet(user_id=ANN, balance=1)]))
    await one.commit()
    await waiting
    await other.commit()


@pytest.mark.parametrize("how", ["commit", "roll back"])
@pytest.mark.parametrize("kind", ["primary key", "unique constraint"])
async def test_insert_waits_for_whoever_inserts_the_same(one: Side, other: Side, kind: str, how: str) -> None:
    """And is refused if that one commits."""
    # given
    checkout_id = uuid4()

    def row() -> Any:
        return Wallet(user_id=NEW, balance=1) if kind == "primary key" else entry(checkout_id=checkout_id)

    await one.session.insert(type(row()), [row()])
    # when
    waiting = await other.waits(other.session.insert(type(row()), [row()]))
    await one.end(how)
    # then
    with pytest.raises(asyncpg.UniqueViolationError) if how == "commit" else contextlib.nullcontext():
        await waiting


async def test_insert_does_not_wait_for_a_row_that_is_only_locked(one: Side, other: Side) -> None:
    """The row is there in any case."""
    await one.wallet()
    with pytest.raises(asyncpg.UniqueViolationError):
        await other.session.insert(Wallet, [Wallet(user_id=ANN, balance=1)])


async def test_insert_waits_for_a_row_that_is_written_over(one: Side, other: Side) -> None:
    """Only the end shows whether it is there."""
    # given
    await one.put(70)
    # when
    waiting = await other.waits(other.session.insert(Wallet, [Wallet(user_id=ANN, balance=1)]))
    await one.commit()
    # then
    with pytest.raises(asyncpg.UniqueViolationError):
        await waiting


@pytest.mark.parametrize("kind", ["locked", "new"])
async def test_replacing_waits_for_whoever_has_the_row(one: Side, other: Side, kind: str) -> None:
    """Locked or new: it is replaced when the other one has ended."""
    # given
    user_id = ANN if kind == "locked" else NEW
    if kind == "locked":
        await one.wallet()
    else:
        await one.session.insert(Wallet, [Wallet(user_id=NEW, balance=1)])
    # when
    waiting = await other.waits(other.session.replace(Wallet, [Wallet(user_id=user_id, balance=2)]))
    await one.commit()
    await waiting
    # then
    assert (await other.wallet(user_id)).balance == 2


@pytest.mark.parametrize("how", ["commit", "roll back"])
async def test_inbox_waits_for_whoever_takes_the_same(one: Side, other: Side, how: str) -> None:
    """Two replicas that got the same event: the second has it only if the first did not."""
    # given
    arrived, more = envelope(), envelope()
    assert await one.session.accept(STEP, [arrived]) == {arrived.event_id}
    # when
    waiting = await other.waits(other.session.accept(STEP, [arrived, more]))
    await one.end(how)
    # then
    fresh = {more.event_id} if how == "commit" else {more.event_id, arrived.event_id}
    assert await waiting == fresh


async def test_circle_of_waiting_is_refused(one: Side, other: Side) -> None:
    """One of the two is told of a deadlock; when it has ended, the other one goes on."""
    # given
    await one.wallet(ANN)
    await other.wallet(BOB)
    # when
    first = await one.waits(one.wallet(BOB))
    second = asyncio.create_task(other.wallet(ANN))
    await asyncio.wait([first, second], return_when=asyncio.FIRST_EXCEPTION)
    # then
    refused = first if first.done() and first.exception() else second
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await refused
    await (one if refused is first else other).roll_back()
    assert (await (second if refused is first else first)).balance == 100


async def test_deadlock_is_survived(store: Store) -> None:
    """Whoever is refused does its work again."""
    # given
    both = asyncio.Barrier(2)
    attempts = []

    async def move(first: str, second: str) -> None:
        async def work(transaction: Transaction) -> None:
            attempts.append(first)
            (await wallet_of(transaction, first)).balance -= 1
            if len(attempts) <= 2:
                await both.wait()
            (await wallet_of(transaction, second)).balance += 1

        await store.database.run(work)

    # when
    await asyncio.gather(move(ANN, BOB), move(BOB, ANN))
    # then
    assert len(attempts) == 3
    assert (await store.balance(ANN), await store.balance(BOB)) == (100, 100)


async def test_message_is_leased_to_one_at_a_time(store: Store, one: Side, other: Side) -> None:
    """Whoever sweeps passes over what somebody else is taking; whoever forgets that waits."""
    # given
    message = Outgoing.of(envelope())
    await one.session.put([message], [])
    await store.end_leases(Transaction(one.session), [message.saga_id])
    await one.commit()
    third = await Side(store).begin()
    await store.end_leases(Transaction(third.session), [message.saga_id])
    # when
    assert message.event_id in {found.event_id for found in await third.session.lease(1000)}
    # then
    assert message.event_id not in {found.event_id for found in await other.session.lease(1000)}
    waiting = await other.waits(other.session.forget([message.event_id]))
    await third.roll_back()
    await waiting
    await other.commit()


async def test_failed_statement_is_the_end(one: Side) -> None:
    """Nothing may come after it, and a commit is none."""
    with pytest.raises(asyncpg.UniqueViolationError):
        await one.session.insert(Wallet, [Wallet(user_id=ANN, balance=1)])
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await one.wallet()
    with pytest.raises(RolledBackError):
        await one.session.commit()


def adding(*rows: Any) -> Any:
    """Work that stores rows."""

    async def work(transaction: Transaction) -> None:
        transaction.add(*rows)

    return work
