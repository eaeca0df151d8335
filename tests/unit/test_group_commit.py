"""Requests that come at the same time share a transaction, and answer each for itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, cast

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from chassis.errors import BusyError, CommitUnknownError, OutcomeUnknownError
from chassis.store.database import Database
from chassis.store.group_commit import MAX_GROUP, MAX_WAITING, GroupCommit
from chassis.store.transaction import Transaction
from chassis.telemetry.tracing import current
from chassis.web.idempotency import Keyed
from chassis.web.problem import Problem

BAD, CULPRIT = -1, -2


class FakeDatabase:
    """Runs work without a transaction, one after the other, and may be away, busy, or not answer a COMMIT."""

    def __init__(self, outage: Exception | None = None) -> None:
        self.outage = outage
        self.free = asyncio.Event()
        self.free.set()

    async def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """The result of the work."""
        await asyncio.sleep(0)
        if isinstance(self.outage, OSError):
            raise self.outage
        await self.free.wait()
        result = await work(None)
        if self.outage:
            raise self.outage
        return result


class Doubling:
    """Doubles numbers, and remembers which of them came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def __call__(self, _: Transaction, given: Sequence[int]) -> Sequence[int | Problem]:
        """A problem for what is BAD; raises when the CULPRIT is among them."""
        self.groups.append(list(given))
        if CULPRIT in given:
            raise ValueError("culprit")
        return [Problem(HTTPStatus.CONFLICT, "bad") if one == BAD else 2 * one for one in given]


def grouped(work: Doubling, outage: Exception | None = None) -> GroupCommit[int, int]:
    """The work, over a database that is not there."""
    return GroupCommit(cast("Database", FakeDatabase(outage)), work)


async def test_requests_at_the_same_time_share_a_transaction() -> None:
    """What comes while a transaction runs waits for the next one, and for no other."""
    # given
    work = Doubling()
    group = grouped(work)
    # when
    answers = await asyncio.gather(*(group.run(number) for number in range(2 * MAX_GROUP)))
    # then
    assert answers == [2 * number for number in range(2 * MAX_GROUP)]
    assert work.groups == [list(range(MAX_GROUP)), list(range(MAX_GROUP, 2 * MAX_GROUP))]


async def test_group_after_a_group_is_a_new_one() -> None:
    """A request that comes when nothing runs is answered at once, alone."""
    # given
    work = Doubling()
    group = grouped(work)
    # when
    await group.run(1)
    await group.run(2)
    # then
    assert work.groups == [[1], [2]]


async def test_problem_concerns_one_request_only() -> None:
    """A request that is refused does not harm its neighbours, whose work is committed."""
    # given
    group = grouped(Doubling())
    # when
    answers = await asyncio.gather(group.run(1), group.run(BAD), group.run(2), return_exceptions=True)
    # then
    assert [answers[0], answers[2]] == [2, 4]
    assert isinstance(answers[1], Problem)


async def test_exception_concerns_the_culprit_only() -> None:
    """When the group raises, its requests are worked on one by one."""
    # given
    work = Doubling()
    group = grouped(work)
    # when
    answers = await asyncio.gather(group.run(1), group.run(CULPRIT), group.run(2), return_exceptions=True)
    # then
    assert [answers[0], answers[2]] == [2, 4]
    assert isinstance(answers[1], ValueError)
    assert work.groups == [[1, CULPRIT, 2], [1], [CULPRIT], [2]]


async def test_outage_is_everybodys() -> None:
    """While the database is out of reach nothing is tried one by one: all are told."""
    # given
    work = Doubling()
    group = grouped(work, ConnectionRefusedError("gone"))
    # when
    answers = await asyncio.gather(group.run(1), group.run(2), return_exceptions=True)
    # then
    assert [type(answer) for answer in answers] == [ConnectionRefusedError, ConnectionRefusedError]


async def test_unknown_commit_tells_what_counts_if_it_did() -> None:
    """When nobody knows whether a group is committed, each is told its answer in that case; a refusal stands."""
    # given
    group = grouped(Doubling(), CommitUnknownError("gone"))
    # when
    answers = await asyncio.gather(group.run(1), group.run(BAD), group.run(2), return_exceptions=True)
    # then
    assert [getattr(answer, "result", None) for answer in answers] == [2, None, 4]
    assert [type(answer) for answer in answers] == [OutcomeUnknownError, Problem, OutcomeUnknownError]


async def test_work_of_who_has_left_is_not_done() -> None:
    """A request that is cancelled while it waits for its turn is left out."""
    # given
    work, database = Doubling(), FakeDatabase()
    group = GroupCommit[int, int](cast("Database", database), work)
    database.free.clear()
    gone, stays = (asyncio.create_task(group.run(number)) for number in (1, 2))
    await asyncio.sleep(0)
    # when
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    database.free.set()
    # then
    assert await stays == 4
    assert work.groups == [[2]]


async def test_turn_that_does_not_come_in_time_never_comes() -> None:
    """Whoever is told that nothing was done can rely on it."""
    # given
    work, database = Doubling(), FakeDatabase()
    group = GroupCommit[int, int](cast("Database", database), work)
    database.free.clear()
    # when
    with pytest.raises(BusyError):
        await group.run(1, patience=0)
    database.free.set()
    # then
    assert await group.run(2) == 4
    assert work.groups == [[2]]


async def test_work_that_has_begun_and_is_not_answered_has_an_unknown_outcome() -> None:
    """Nobody waits for ever for work that has begun, and nobody is told that it was not done."""

    async def never(_: Transaction, given: Sequence[int]) -> Sequence[int]:
        await asyncio.Event().wait()
        return given

    # given
    group = GroupCommit[int, int](cast("Database", FakeDatabase()), never)
    # when, then
    with pytest.raises(OutcomeUnknownError):
        await group.run(1, patience=0.01)
    assert group._committing is not None
    group._committing.cancel()


async def test_too_many_are_turned_away() -> None:
    """No more wait than can be worked on; whoever comes then is told so at once."""
    # given
    database = FakeDatabase()
    group = GroupCommit[int, int](cast("Database", database), Doubling())
    database.free.clear()
    first = asyncio.create_task(group.run(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(group.run(number)) for number in range(1, MAX_WAITING + 1)]
    await asyncio.sleep(0)
    # when, then
    with pytest.raises(BusyError):
        await group.run(-3)
    database.free.set()
    assert await asyncio.gather(first, *waiting) == [2 * number for number in range(MAX_WAITING + 1)]


async def test_who_has_gone_is_not_waited_for() -> None:
    """A request that is cancelled does not keep the others from their answers."""
    # given
    group = grouped(Doubling())
    gone = asyncio.create_task(group.run(1))
    stays = asyncio.create_task(group.run(2))
    await asyncio.sleep(0)
    # when
    gone.cancel()
    # then
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_requests_that_share_a_transaction_keep_their_traces() -> None:
    """Each carries its own; the work that is done for all of them has none."""

    async def look(_: Transaction, given: Sequence[Keyed]) -> Sequence[tuple[str | None, str | None]]:
        return [(one.trace, current()) for one in given]

    async def ask(number: int) -> tuple[str | None, str | None]:
        span = NonRecordingSpan(SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(1)))
        context.attach(trace.set_span_in_context(span))
        return await group.run(Keyed("ann", "key", "body"))

    group = GroupCommit[Keyed, tuple[str | None, str | None]](cast("Database", FakeDatabase()), look)
    answers = await asyncio.gather(*(asyncio.create_task(ask(number)) for number in (1, 2)))
    assert answers == [(f"00-{number:032x}-{number:016x}-01", None) for number in (1, 2)]
