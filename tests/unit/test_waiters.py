"""A request waits for what a step commits."""

import asyncio
from uuid import UUID

import pytest

from chassis.run import waiters as module
from chassis.run.waiters import Waiters

ONE, OTHER = UUID(int=1), UUID(int=2)
FOREVER = 60.0


@pytest.fixture(autouse=True)
def _nobody_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not woken sleeps on."""
    monkeypatch.setattr(module, "UNTOLD", FOREVER)


class Watched:
    """Something that a request looks at, and that lets a test know when it has been looked at."""

    def __init__(self) -> None:
        self.value: str | None = None
        self.looks = 0
        self.looked = asyncio.Event()

    async def look(self) -> str | None:
        """What there is to see now."""
        self.looks += 1
        self.looked.set()
        return self.value

    async def until_looked(self) -> None:
        """Wait for somebody to look once more."""
        await self.looked.wait()
        self.looked.clear()


async def test_what_is_there_is_seen_at_once() -> None:
    """Nobody has to be notified of what happened before the request came."""
    # given
    watched = Watched()
    watched.value = "done"
    # when
    seen = await Waiters().until(ONE, watched.look, FOREVER)
    # then
    assert seen == "done"
    assert watched.looks == 1


async def test_news_wake_those_who_wait_for_them() -> None:
    """A request looks again when its saga has news, and sees what is there then."""
    # given
    signals, watched = Waiters(), Watched()
    waiting = asyncio.create_task(signals.until(ONE, watched.look, FOREVER))
    await watched.until_looked()
    # when
    watched.value = "done"
    signals.notify([OTHER, ONE])
    # then
    assert await waiting == "done"


async def test_news_that_change_nothing_leave_it_waiting() -> None:
    """A look that sees nothing yet is followed by another."""
    # given
    signals, watched = Waiters(), Watched()
    waiting = asyncio.create_task(signals.until(ONE, watched.look, FOREVER))
    await watched.until_looked()
    # when
    signals.notify([ONE])
    await watched.until_looked()
    # then
    assert not waiting.done()
    watched.value = "done"
    signals.notify([ONE])
    assert await waiting == "done"


async def test_news_during_a_look_are_not_lost() -> None:
    """What happens between a look and the wait after it leads to another look."""
    # given
    signals, watched = Waiters(), Watched()

    async def look() -> str | None:
        seen = await watched.look()
        if watched.looks == 1:
            watched.value = "done"
            signals.notify([ONE])
        return seen

    # when, then
    assert await signals.until(ONE, look, FOREVER) == "done"


async def test_a_request_looks_by_itself_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another replica did is seen without news."""
    # given
    monkeypatch.setattr(module, "UNTOLD", 0)
    watched = Watched()
    waiting = asyncio.create_task(Waiters().until(ONE, watched.look, FOREVER))
    await watched.until_looked()
    # when
    watched.value = "done"
    # then
    assert await waiting == "done"


async def test_several_may_wait_for_one_saga() -> None:
    """All of them are woken."""
    # given
    signals, first, second = Waiters(), Watched(), Watched()
    waiting = [asyncio.create_task(signals.until(ONE, one.look, FOREVER)) for one in (first, second)]
    await asyncio.gather(first.until_looked(), second.until_looked())
    # when
    first.value = second.value = "done"
    signals.notify([ONE])
    # then
    assert await asyncio.gather(*waiting) == ["done", "done"]


async def test_nobody_waits_longer_than_asked() -> None:
    """When the time is up there is nothing to see."""
    assert await Waiters().until(ONE, Watched().look, seconds=0) is None


async def test_what_is_not_waited_for_any_more_is_forgotten() -> None:
    """However a wait ends, it leaves nothing behind, and news for nobody are no error."""
    # given
    signals, watched = Waiters(), Watched()
    waiting = asyncio.create_task(signals.until(ONE, watched.look, FOREVER))
    await watched.until_looked()
    # when
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await signals.until(OTHER, watched.look, seconds=0)
    signals.notify([ONE, OTHER])
    # then
    assert not signals._waiting


async def test_nobody_waits_beyond_the_end_of_the_process() -> None:
    """Whoever waits when the process is asked to end looks once more, and goes; so does whoever comes later."""
    # given
    signals, watched = Waiters(), Watched()
    waiting = asyncio.create_task(signals.until(ONE, watched.look, FOREVER))
    await watched.until_looked()
    # when
    signals.end()
    # then
    assert await waiting is None
    assert watched.looks == 2
    assert await signals.until(OTHER, watched.look, FOREVER) is None
