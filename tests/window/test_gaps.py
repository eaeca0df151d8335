"""A gap is noted for as long as its trouble lasts, and with what was lost in it."""

from datetime import UTC, datetime

from tests.window import sagas
from tests.window.archive import Archive
from window.broker_numbers import QueueNumbers

NOW = datetime.now(UTC)


async def test_a_gap_lasts_as_long_as_its_trouble(archive: Archive) -> None:
    """A queue that is full, gone or not bound everywhere misses something; a silent broker says nothing."""
    bound = archive.broker.bound_to
    await archive.hear(*sagas.recent("one"))
    await archive.gaps.look()
    assert await archive.looks.gaps() == []

    for known, exchanges in (
        ({"window.events": QueueNumbers(999_999, 1, 0.99)}, bound),
        ({}, set[str]()),
        ({"window.events": QueueNumbers(0, 1, 0.0)}, {"point"}),
    ):
        archive.broker.known, archive.broker.bound_to = known, exchanges
        await archive.gaps.look()
        await archive.gaps.look()
    archive.broker.known = None
    await archive.gaps.look()
    assert await archive.pool.fetchval("SELECT count(*) FROM gap WHERE until IS NULL") == 1
    archive.broker.known, archive.broker.bound_to = {"window.events": QueueNumbers(0, 1, 0.0)}, bound
    await archive.gaps.look()

    gaps = await archive.looks.gaps()
    assert len(gaps) == 3
    assert await archive.pool.fetchval("SELECT count(*) FROM gap WHERE until IS NULL") == 0
    assert await archive.looks.filled(gaps[0].number, "ops")
    assert not await archive.looks.filled(gaps[0].number, "ops")


async def test_what_is_taken_out_of_the_queue_is_a_gap(archive: Archive) -> None:
    """Once the numbers of the broker are at rest: more came in than was acknowledged and is there."""
    await _counted(archive, published=10, acknowledged=10)
    assert await archive.looks.gaps() == []

    await archive.gaps.look()
    archive.broker.known = {"window.events": QueueNumbers(3, 0, 0.0, 30, 10)}
    await archive.gaps.look()
    assert await archive.looks.gaps() == []  # it may have been counted while it moved
    await archive.gaps.look()
    (gap,) = await archive.looks.gaps()
    await archive.gaps.look()

    assert (gap.lost, gap.why, gap.filled_at) == (17, "messages were taken away", None)
    assert gap.since < gap.until
    assert len(await archive.looks.gaps()) == 1
    assert await archive.looks.filled(gap.number, "ops")
    (gap,) = await archive.looks.gaps()
    assert gap.filled_by == "ops"


async def test_a_broker_that_counts_anew_has_lost_nothing(archive: Archive) -> None:
    """Its node was started anew, with what the queue held, or without."""
    await _counted(archive, published=100, acknowledged=90)
    for published, acknowledged, messages in ((0, 0, 10), (5, 10, 5), (0, 0, 0)):
        await _counted(archive, published, acknowledged, messages)

    assert [one.lost for one in await archive.looks.gaps()] == []


async def test_what_a_full_queue_drops_is_counted_to_its_gap(archive: Archive) -> None:
    """One trouble, one gap."""
    await _counted(archive, published=0, acknowledged=0)
    archive.broker.known = {"window.events": QueueNumbers(100, 0, 1.0, 130, 0)}
    await archive.gaps.look()
    await archive.gaps.look()

    (gap,) = await archive.looks.gaps()
    assert (gap.lost, gap.why) == (30, "the queue is full")


async def _counted(archive: Archive, published: int, acknowledged: int, messages: int = 0) -> None:
    """The broker counts so, and has done so for a while."""
    archive.broker.known = {"window.events": QueueNumbers(messages, 1, 0.0, published, acknowledged)}
    await archive.gaps.look()
    await archive.gaps.look()
