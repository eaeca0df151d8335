"""The archive keeps what was seen once, and tells it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.window import sagas
from tests.window.archive import Archive, as_arrived, as_seen
from window import auditing
from window.broker_numbers import QueueNumbers
from window.reading import seen
from window.store_looks import NEWEST
from window.story import Way

NOW = datetime.now(UTC)


async def test_a_saga_is_told_from_the_archive(archive: Archive) -> None:
    """Its story has all of its events, and its row says how it ended."""
    messages = sagas.recent("one")
    await archive.hear(*messages)

    story = await archive.looks.story(sagas.named("one"))
    (row,) = await archive.found()

    assert story is not None
    assert [one.message.event for one in story.happenings] == [one.event for one in messages]
    assert (row.saga_id, row.saga, row.way, row.outcome) == (sagas.named("one"), "checkout", Way.ENDED, "completed")
    assert (row.events, row.last_event, row.oddities, row.is_late) == (len(messages), "payment.sent", 0, False)


async def test_what_is_delivered_again_is_not_stored_again(archive: Archive) -> None:
    """A batch that was stored and not acknowledged comes again as a whole."""
    batch = [as_seen(one) for one in sagas.recent("one")]
    await archive.storing.store(batch)
    await archive.storing.store(batch)
    await archive.tell()

    assert await archive.pool.fetchval("SELECT count(*) FROM message") == len(batch)
    story = await archive.looks.story(sagas.named("one"))
    assert story is not None
    assert {one.copies for one in story.happenings} == {1}


async def test_telling_in_pieces_tells_the_same(archive: Archive) -> None:
    """However the messages come in, the row is that of the whole, and nothing is counted twice."""
    now = datetime.now(UTC)
    for message in sagas.recent("one", fails_at="seat.reserve", begun_at=now):
        await archive.hear(message)
    await archive.hear(*sagas.recent("two", fails_at="seat.reserve", begun_at=now))

    one, two = sorted(await archive.found(), key=lambda row: row.key)
    assert replace(one, saga_id=two.saga_id, key=two.key) == two
    minutes = await archive.looks.hour()
    assert (sum(one.begun for one in minutes), sum(one.failed for one in minutes)) == (2, 2)


async def test_a_saga_is_late_without_any_message(archive: Archive) -> None:
    """Its time runs out, and it is told anew."""
    now = datetime.now(UTC)
    await archive.hear(sagas.checkout(begun_at=now)[0])
    assert not (await archive.found())[0].is_late

    await archive.retelling.round(now + timedelta(minutes=2))

    assert [row.is_late for row in await archive.found(state="late")] == [True]


async def test_what_is_put_aside_is_listed_until_it_comes_back(archive: Archive) -> None:
    """What rests has a time, what is parked has none; both are counted with their step."""
    one, two = sagas.recent("one")[0], sagas.recent("two")[0]
    await archive.hear(one, sagas.rests(one, "point.spend"), two, sagas.parked(two, "point.spend"))

    parked, resting = await archive.looks.put_aside(None, 10)
    assert (parked.message.event_id, parked.until) == (two.event_id, None)
    assert (resting.message.event_id, resting.until is not None) == (one.event_id, True)
    assert [each.message for each in await archive.looks.put_aside(parked.message.number, 10)] == [resting.message]
    numbers = (await archive.looks.steps())["point.spend"]
    assert (numbers.retrying, numbers.parked) == (1, 1)

    await archive.hear(sagas.back(one, "point.spend"), sagas.back(two, "point.spend", attempt=2))
    assert await archive.looks.put_aside(None, 10) == []


async def test_what_was_discarded_is_listed_no_more(archive: Archive) -> None:
    """At the step that had put it aside, and at no other."""
    one = sagas.recent("one")[0]
    await archive.hear(one, sagas.parked(one, "point.spend"), sagas.parked(one, "payment.pay"))
    await archive.looks.discarded("point.spend", one.event_id)
    assert [each.message.step for each in await archive.looks.put_aside(None, 10)] == ["payment.pay"]


async def test_rubbish_is_kept_and_does_not_hinder_the_rest(archive: Archive) -> None:
    """In one batch with a saga."""
    rubbish = [seen(as_arrived(message)._replace(headers={}, body=b"\xff\0"), NOW) for message in sagas.recent("x")]
    await archive.storing.store([*rubbish, *(as_seen(one) for one in sagas.recent("one"))])
    await archive.tell()

    assert [row.saga_id for row in await archive.found()] == [sagas.named("one")]
    assert await archive.pool.fetchval("SELECT count(*) FROM message WHERE event = '?'") == len(rubbish)


async def test_a_message_that_the_database_refuses_is_left_out_alone(archive: Archive) -> None:
    """Whatever gets past the reader, its neighbours are stored."""
    good = as_seen(sagas.recent("one")[0])
    bad = replace(as_seen(sagas.recent("two")[0]), message=replace(good.message, event="\0" * 99))

    await archive.storing.store([bad, good, bad])

    assert await archive.pool.fetchval("SELECT count(*) FROM message") == 1


async def test_steps_have_a_rate_and_the_queues_numbers(archive: Archive) -> None:
    """From the last minute, and from the broker if it answers."""
    archive.broker.known = {"point.spend": QueueNumbers(312, 0, 0.1)}
    await archive.hear(*sagas.recent("one"))

    numbers = (await archive.looks.steps())["point.spend"]
    assert (numbers.backlog, numbers.consumers) == (312, 0)
    assert numbers.rate == pytest.approx(1 / 60)
    assert numbers.milliseconds == pytest.approx(20, rel=0.2)

    archive.broker.known = None
    assert (await archive.looks.steps())["point.spend"].backlog is None


async def test_sagas_in_flight_come_with_the_oldest_first(archive: Archive) -> None:
    """What has ended is not among them."""
    await archive.hear(*sagas.recent("done"))
    await archive.hear(sagas.recent("first")[0])
    await archive.hear(sagas.recent("second")[0])

    assert [row.saga_id for row in await archive.looks.slowest(10)] == [sagas.named("first"), sagas.named("second")]


async def test_points_that_vanish_are_found(archive: Archive) -> None:
    """The audit agrees with sagas that are whole, and names the one that has lost its refund."""
    await archive.hear(*sagas.recent("good", fails_at="seat.reserve"))
    assert all(one.holds for one in await archive.looks.audit())

    lost = [one for one in sagas.recent("bad", fails_at="seat.reserve") if one.event != "point.refunded"]
    end = replace(lost[-1], cause=lost[-2].event_id)
    await archive.hear(*lost[:-1], end)
    findings = {one.rule: one for one in await archive.looks._auditing.judge(datetime.now(UTC))}

    assert not findings["points"].holds
    assert list(findings["points"].sagas) == [sagas.named("bad")]


async def test_what_is_old_goes(archive: Archive) -> None:
    """After the time that it is kept, and not before."""
    old = sagas.checkout(name="old", begun_at=NOW - timedelta(days=8))
    await archive.hear(*old, sagas.parked(old[0], "point.spend"))
    await archive.hear(*sagas.recent("new"))

    assert await archive.purging.purge() > len(old)

    assert [row.saga_id for row in await archive.found()] == [sagas.named("new")]
    assert await archive.looks.story(sagas.named("old")) is None
    assert await archive.looks.put_aside(None, 10) == []
    assert [row.saga_id for row in await archive.found(text="7")] == [sagas.named("new")]


async def test_news_wake_whoever_waits(archive: Archive) -> None:
    """The number of the newest message grows."""
    before = await archive.retelling.moved(NEWEST, 0.01)
    await archive.hear(*sagas.recent("one"))

    assert await archive.looks.moved(before) > before


async def test_an_event_has_all_its_sightings(archive: Archive) -> None:
    """The newest last."""
    message = sagas.recent("one")[0]
    await archive.hear(message, sagas.rests(message, "point.spend"))

    found = await archive.looks.message(sagas.named("one"), message.event_id)

    assert [one.place for one in found] == ["said", "resting"]
    assert found[0].headers
    assert await archive.looks.message(uuid4(), message.event_id) == []


async def test_nobody_waits_for_a_long_judgement(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks gets the last one, and whoever judges for good goes on."""
    monkeypatch.setattr(auditing, "SOON", 0.0)
    known = await archive.looks.audit()
    monkeypatch.setattr(auditing.Auditing, "judge", None)

    assert await archive.looks.audit() is known
