"""A restored service does again what it has forgotten: at the time of then, and under the id of then."""

import json
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.choreography.envelope import Envelope
from chassis.choreography.graph import Choreography
from chassis.choreography.recollection import Known
from chassis.run.comparing import Comparison
from chassis.run.replaying import Replay, Replayed
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.memory import Memory, Message
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction
from contracts import checkout, point
from payment_svc.steps import service as payment_steps
from point_svc.models import Wallet
from point_svc.steps import service as point_steps
from reservation_svc.steps import service as reservation_steps
from tests.memory.store import MemorySource
from tests.unit.examples import CHECKOUT_ID, TOTAL, an

THEN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LATER = THEN + timedelta(milliseconds=20)
CHOREOGRAPHY = Choreography((payment_steps, point_steps, reservation_steps))


def id_of(at: datetime) -> UUID:
    """An id that was made at this moment."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62)


REQUESTED, SPENT = id_of(THEN), id_of(LATER)


class Remembered(Memory):
    """What a service remembers, in lists."""

    def __init__(self, said: Collection[Message] = (), heard: Collection[Known] = ()) -> None:
        self._messages = said
        self._known = heard

    async def now(self) -> datetime:
        """Five minutes later."""
        return THEN + timedelta(minutes=5)

    async def said(self, since: datetime, until: datetime) -> AsyncIterator[list[Known]]:
        """All, on one page."""
        yield [one.event for one in self._messages]

    async def heard(self, step: str, names: Collection[str], since: datetime) -> AsyncIterator[list[Known]]:
        """All, on one page."""
        yield [one for one in self._known if one.name in names]

    async def handled(self, step: str, event_ids: Collection[UUID]) -> set[UUID]:
        """Nothing: all of it is forgotten."""
        return set()

    async def remembered(self, steps: Collection[str], events: Collection[Known]) -> set[UUID]:
        """Nothing."""
        return set()

    async def of_sagas(self, saga_ids: Collection[UUID]) -> list[Message]:
        """All."""
        return list(self._messages)

    async def heard_in(self, saga_ids: Collection[UUID], names: Collection[str]) -> list[Known]:
        """All of these names."""
        return [one for one in self._known if one.name in names]

    async def done_in(self, saga_ids: Collection[UUID], steps: Collection[str]) -> list[tuple[UUID, str]]:
        """Nothing."""
        return []


async def replayed(balance: int, *heard: Known) -> tuple[Replayed, list[Any], int]:
    """Have point_svc spend again for a checkout of a year ago; what came of it, what it says, and what is left."""
    requested = an(checkout.Requested, deadline=THEN + timedelta(minutes=1))
    outgoing = Outgoing.of(Envelope(requested, REQUESTED, None, THEN, ""))
    message = Message(Known(REQUESTED, CHECKOUT_ID, requested.name, THEN), json.dumps(outgoing.headers), outgoing.body)
    source = MemorySource()
    database = Database(source, Departures())

    async def furnish(transaction: Transaction) -> None:
        transaction.add(Wallet(user_id=requested.user_id, balance=balance))

    await database.attempts(furnish)
    memories = {"payment": Remembered([message]), "point": Remembered(), "reservation": Remembered(heard=heard)}
    replay = Replay(Comparison(CHOREOGRAPHY, memories, timedelta(hours=1)), point_steps, source, {})
    done = await replay.run()

    async def look(transaction: Transaction) -> tuple[list[Any], int]:
        (wallet,) = await transaction.find(Wallet, "user_id", [requested.user_id])
        return list(await transaction.session.lease(10)), wallet.balance

    source.now = lambda: datetime.now(UTC) + timedelta(hours=1)
    said, left = await database.attempts(look)
    return done, said, left


async def test_step_that_is_late_by_now_does_what_it_did_then() -> None:
    """Its clock is the one of what others have heard of it, and it says that again under the same id."""
    done, said, left = await replayed(TOTAL + 1, Known(SPENT, CHECKOUT_ID, point.Spent.name, LATER))

    assert [(one.routing_key, one.event_id, one.occurred_at) for one in said] == [(point.Spent.name, SPENT, LATER)]
    assert left == 1
    assert done.done == 1


async def test_step_of_which_nobody_has_heard_is_done_at_the_time_of_its_cause() -> None:
    """Whether it had been done is not known; it is not too late for having been forgotten."""
    _, said, left = await replayed(TOTAL)

    assert [(one.routing_key, one.occurred_at) for one in said] == [(point.Spent.name, THEN)]
    assert left == 0


async def test_step_that_cannot_do_it_again_needs_a_person() -> None:
    """The points of a charge that only the lost database knew are missing: nothing is changed, and it is named."""
    done, said, left = await replayed(TOTAL - 1, Known(SPENT, CHECKOUT_ID, point.Spent.name, LATER))

    (trouble,) = done.troubles
    assert (trouble.step, trouble.saga_id, done.done, left) == ("point.spend", CHECKOUT_ID, 0, TOTAL - 1)
    assert trouble.reason == "it said point.spent then, and now it says point.rejected (insufficient-points)"
    assert said == []
