"""What a runtime does to the tasks in its background."""

import asyncio

import pytest

from chassis.run import runtime

WITHIN = 5


async def test_task_ends_although_it_swallowed_its_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may be refused in the moment in which a process is told to stop."""
    # given
    monkeypatch.setattr(runtime, "CANCEL_AGAIN", 0.01)
    waiting = asyncio.Event()

    async def swallow() -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = asyncio.create_task(swallow())
    await waiting.wait()
    # when
    async with asyncio.timeout(WITHIN):
        await runtime.cancelled([task])
    # then
    assert task.cancelled()


async def test_task_that_failed_is_ended() -> None:
    """Its error is nobody's any more."""

    async def fail() -> None:
        raise ConnectionRefusedError

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    await runtime.cancelled([task])
    assert isinstance(task.exception(), ConnectionRefusedError)
    await runtime.cancelled([])
