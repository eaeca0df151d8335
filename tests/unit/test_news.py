"""Processes of a service tell each other what has moved."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from pamqp.commands import Basic

from chassis.broker.burst import Parcel
from chassis.errors import NotPublishedError
from chassis.run.news import MAX_TOLD, News
from chassis.run.waiters import Waiters

ONE = UUID(int=1)
LONG = 10.0


def said(body: bytes, user_id: str = "lamp") -> Any:
    """A message of a process."""
    return SimpleNamespace(body=body, header=SimpleNamespace(properties=Basic.Properties(user_id=user_id)))


class Street:
    """Carries what a process says to all of them, as the exchange does."""

    def __init__(self) -> None:
        self.processes: list[News] = []
        self.said: list[dict[str, Any]] = []
        self.new = asyncio.Event()
        self.takes = True

    async def deliver(self, parcel: Parcel) -> None:
        """Carry it."""
        if not self.takes:
            raise NotPublishedError("no")
        self.said.append(json.loads(parcel.body))
        for one in self.processes:
            await one._hear(said(parcel.body))
        self.new.set()

    async def until(self, count: int) -> None:
        """Wait until so much was said."""
        async with asyncio.timeout(LONG):
            while len(self.said) < count:
                self.new.clear()
                await self.new.wait()


@asynccontextmanager
async def living(*processes: News) -> AsyncIterator[None]:
    """These processes are at work while the context lasts."""
    tasks = [asyncio.create_task(one.serve()) for one in processes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_process_that_is_alone_only_says_that_it_lives() -> None:
    """Nobody needs to know what has moved in it."""
    street = Street()
    alone = News("lamp", "lamp", street, Waiters())
    street.processes = [alone]

    async with living(alone):
        await street.until(1)
        alone.tell([ONE])
        await asyncio.sleep(0)

    assert [one["moved"] for one in street.said] == [[]]


async def test_wait_is_ended_by_what_another_process_has_done() -> None:
    """As soon as it has said so, and not only when the waiting one looks by itself."""
    street, waiters, seen = Street(), Waiters(), list[str]()
    waiters.is_told = True
    here, there = News("lamp", "lamp", street, waiters), News("lamp", "lamp", street, Waiters())
    street.processes = [here, there]

    async def look() -> str | None:
        return seen[0] if seen else None

    async with living(here, there):
        await street.until(2)
        waiting = asyncio.create_task(waiters.until(ONE, look, LONG))
        await asyncio.sleep(0)
        seen.append("done")
        there.tell([ONE])
        assert await waiting == "done"

    assert [str(ONE)] in [one["moved"] for one in street.said]


async def test_process_that_comes_is_told_what_has_moved_lately() -> None:
    """It may have looked before that, and nobody knew yet that it is there."""
    street, waiters = Street(), Waiters()
    here, there = News("lamp", "lamp", street, waiters), News("lamp", "lamp", street, Waiters())
    waiters.is_told = True
    street.processes = [here, there]
    looks, seen = 0, asyncio.Event()

    async def look() -> str | None:
        nonlocal looks
        looks += 1
        seen.set()
        return "done" if looks > 1 else None

    waiting = asyncio.create_task(waiters.until(ONE, look, LONG))
    await seen.wait()
    there.tell([ONE])
    async with living(here, there):
        assert await waiting == "done"


def test_what_has_moved_is_remembered_within_bounds() -> None:
    """A process that is never joined by another does not grow."""
    one = News("lamp", "lamp", Street(), Waiters())
    one.tell(UUID(int=number) for number in range(2 * MAX_TOLD))
    assert list(one._recent) == [UUID(int=number) for number in range(MAX_TOLD, 2 * MAX_TOLD)]


async def test_broker_that_takes_nothing_ends_no_process() -> None:
    """News are said again when it does, and what they would have told is looked for in the end."""
    street = Street()
    street.takes = False
    one = News("lamp", "lamp", street, Waiters())
    task = asyncio.create_task(one.serve())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_nobody_understands_is_no_news() -> None:
    """It is logged, and forgotten."""
    one = News("lamp", "lamp", Street(), Waiters())
    for body in (b"", b"[]", b'{"process": "p", "moved": ["x"]}'):
        await one._hear(said(body))
    assert not one._others()


async def test_what_another_service_says_is_no_news() -> None:
    """It may write to the exchange too, and could keep a process busy with sagas that never moved."""
    one = News("lamp", "lamp", Street(), Waiters())
    body = json.dumps({"process": "p", "moved": []}).encode()

    await one._hear(said(body, user_id="oven"))
    assert not one._others()
    await one._hear(said(body))
    assert one._others() == ["p"]
