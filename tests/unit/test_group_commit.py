"""Requests that come at the same time share a transaction, and answer each for itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, cast

import pytest

from chassis.errors import CommitUnknownError
from chassis.store.database import Database
from chassis.store.group_commit import MAX_GROUP, GroupCommit
from chassis.store.transaction import Transaction
from chassis.web.problem import Problem

BAD, CULPRIT = -1, -2


class FakeDatabase:
    """Runs work without a transaction, one after the other, and may be out of reach."""

    def __init__(self, outage: Exception | None = None) -> None:
        self.outage = outage

    async def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """The result of the work."""
        await asyncio.sleep(0)
        if self.outage:
            raise self.outage
        return await work(None)


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
    group = grouped(work, CommitUnknownError("gone"))
    # when
    answers = await asyncio.gather(group.run(1), group.run(2), return_exceptions=True)
    # then
    assert [type(answer) for answer in answers] == [CommitUnknownError, CommitUnknownError]


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
