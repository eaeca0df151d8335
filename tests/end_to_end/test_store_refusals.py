"""What the store refuses, of PostgreSQL and of the memory: the same rows, with the same error.

A memory that took what PostgreSQL refuses would let the simulation go on where a service cannot.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chassis.choreography.envelope import Envelope
from chassis.store import Transaction
from point_svc.models import PointHistory, Wallet
from seat_svc.models import Seat
from tests.end_to_end.stores import ANN, KINDS, STEP, Store, entry, envelope, opened, spent, wallet_of

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
    "a character that is none": (lambda: [entry(user_id="a\x00b")], asyncpg.CharacterNotInRepertoireError),
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


async def test_change_into_what_is_there_already_is_refused(store: Store) -> None:
    """A unique constraint holds of changed rows as of new ones."""
    # given
    first, second = uuid4(), uuid4()

    async def add(transaction: Transaction) -> None:
        transaction.add(entry(checkout_id=first), entry(checkout_id=second))

    async def change(transaction: Transaction) -> None:
        (row,) = await transaction.lock(PointHistory, "checkout_id", [second])
        row.checkout_id = first

    # when
    await store.database.run(add)
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.database.run(change)
    # then
    assert {found.checkout_id for found in await store.entries()} == {first, second}


async def test_change_that_breaks_a_check_is_refused(store: Store) -> None:
    """A balance below zero is stored by nobody."""

    async def work(transaction: Transaction) -> None:
        (await wallet_of(transaction)).balance = -1

    with pytest.raises(asyncpg.CheckViolationError):
        await store.database.run(work)
    assert await store.balance() == 100


async def test_row_that_replaces_another_keeps_to_the_constraints(store: Store) -> None:
    """Only its primary key may be there already."""
    # given
    checkout_id = uuid4()

    async def work(transaction: Transaction) -> None:
        transaction.replace(entry(checkout_id=checkout_id))

    # when
    await store.database.run(work)
    # then
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.database.run(work)


async def test_row_is_not_replaced_twice_at_once(store: Store) -> None:
    """Nobody could say which of the two is meant."""

    async def work(transaction: Transaction) -> None:
        transaction.replace(Wallet(user_id=ANN, balance=1), Wallet(user_id=ANN, balance=2))

    with pytest.raises(asyncpg.CardinalityViolationError):
        await store.database.run(work)
    assert await store.balance() == 100


async def test_key_that_no_row_can_have_is_refused(store: Store) -> None:
    """An event with such a key is not one whose row is missing."""

    async def work(transaction: Transaction) -> None:
        await transaction.lock(Wallet, "user_id", ["a\x00b"])

    with pytest.raises(asyncpg.CharacterNotInRepertoireError):
        await store.database.run(work)


@pytest.mark.parametrize("kind", KINDS)
async def test_reference_to_nothing_is_refused(kind: str, environment: Mapping[str, str]) -> None:
    """A seat stands on a date that is there."""

    async def insert(transaction: Transaction) -> None:
        transaction.add(Seat(seat_id=2**30, date_id=2**30, label="", price=1))

    async def look(transaction: Transaction) -> Seat | None:
        return await transaction.find_one(Seat, 2**30)

    async def look_too_far(transaction: Transaction) -> Seat | None:
        return await transaction.find_one(Seat, 2**31)

    async with opened(kind, environment, "seat") as seats:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await seats.database.run(insert)
        assert await seats.database.run(look) is None
        with pytest.raises(asyncpg.DataError):
            await seats.database.run(look_too_far)
