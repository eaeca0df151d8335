"""Inbox and outbox, of PostgreSQL and of the memory: what is handled once, and what is kept until it is confirmed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store import Transaction
from chassis.store.outbox import LEASE, Outgoing
from tests.end_to_end.stores import STEP, Store, envelope, opened, spent


class RolledBackOnPurpose(Exception):  # noqa: N818  # no error
    """Leaves nothing of a transaction, so that the service that runs beside the tests publishes none of it."""


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


async def test_lease_runs_from_the_statement(environment: Mapping[str, str]) -> None:
    """A transaction that began long before it said something has the whole lease left."""
    # given
    message = Outgoing.of(Envelope(spent(), new_id(), None, datetime.now(UTC), ""))
    left: list[timedelta] = []

    async def say(transaction: Transaction) -> None:
        await transaction.fetch("SELECT pg_sleep(0.1)")
        await transaction.session.put([message], [])
        [row] = await transaction.fetch(
            "SELECT leased_until - now() AS since_the_beginning FROM outbox WHERE event_id = $1", message.event_id
        )
        left.append(row["since_the_beginning"])
        raise RolledBackOnPurpose

    # when
    async with opened("postgres", environment) as store:
        with pytest.raises(RolledBackOnPurpose):
            await store.database.run(say)
    # then
    assert left[0] >= LEASE + timedelta(seconds=0.1)


async def test_lease_that_has_run_out_is_taken_over_once(store: Store) -> None:
    """Whoever takes a message over has it for as long as whoever said it, and it is counted."""
    # given
    events = [spent(), spent()]
    saga_ids = {event.checkout_id for event in events}

    async def lease(transaction: Transaction) -> list[int]:
        found = await transaction.session.lease(1000)
        return [message.attempts for message in found if message.saga_id in saga_ids]

    async def work(transaction: Transaction) -> None:
        for event in events:
            transaction.say(event)
        await transaction.flush([])
        # when, then
        assert await lease(transaction) == []
        await store.end_leases(transaction, [*saga_ids])
        assert await lease(transaction) == [1, 1]
        assert await lease(transaction) == []
        await store.end_leases(transaction, [*saga_ids])
        assert await lease(transaction) == [2, 2]
        raise RolledBackOnPurpose

    with pytest.raises(RolledBackOnPurpose):
        await store.database.run(work)


async def test_lease_that_is_kept_is_not_taken_over(store: Store) -> None:
    """Whoever has a message in hand may go on having it; what is not there is no matter."""
    # given
    kept, left = spent(), spent()
    saga_ids = {kept.checkout_id, left.checkout_id}

    async def work(transaction: Transaction) -> list[UUID]:
        transaction.say(kept)
        transaction.say(left)
        messages = {message.saga_id: message for message in await transaction.flush([])}
        await store.end_leases(transaction, [*saga_ids])
        await transaction.session.keep([messages[kept.checkout_id].event_id, new_id()])
        found.extend(one.saga_id for one in await transaction.session.lease(1000) if one.saga_id in saga_ids)
        raise RolledBackOnPurpose

    # when
    found: list[UUID] = []
    with pytest.raises(RolledBackOnPurpose):
        await store.database.run(work)
    # then
    assert found == [left.checkout_id]


async def test_confirmed_message_is_forgotten(store: Store) -> None:
    """By itself, or together with the messages that a later transaction says."""
    # given
    events = [spent(), spent(), spent()]
    kept = events[2]

    async def work(transaction: Transaction) -> None:
        for event in events[:2]:
            transaction.say(event)
        first, second = await transaction.flush([])
        # when
        await transaction.session.forget([first.event_id])
        transaction.said.clear()
        transaction.say(kept)
        await transaction.flush([second.event_id])
        # then
        await store.end_leases(transaction, [event.checkout_id for event in events])
        found = {message.saga_id for message in await transaction.session.lease(1000)}
        assert found & {event.checkout_id for event in events} == {kept.checkout_id}
        raise RolledBackOnPurpose

    with pytest.raises(RolledBackOnPurpose):
        await store.database.run(work)


async def test_unknown_message_is_forgotten_too(store: Store) -> None:
    """What was forgotten before is no error: a confirm may be noted twice."""

    async def work(transaction: Transaction) -> None:
        await transaction.session.forget([UUID(int=0)])

    await store.database.run(work)
