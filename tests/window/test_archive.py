"""The archive keeps what was seen once, tells it, and finds it again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.window import sagas
from tests.window.archive import Archive, as_arrived, as_seen
from window import auditing
from window.broker_numbers import QueueNumbers
from window.looks import Filter, Summary
from window.message import Message
from window.reading import seen
from window.store_looks import NEWEST
from window.story import Way

NOW = datetime.now(UTC)


def _checkout(name: str, **options: object) -> list[Message]:
    return sagas.checkout(name=name, **({"begun_at": datetime.now(UTC)} | options))  # type: ignore[arg-type]


async def _found(archive: Archive, limit: int = 50, **wanted: str) -> list[Summary]:
    return list(await archive.looks.sagas(Filter(**wanted), None, limit))


async def test_a_saga_is_told_from_the_archive(archive: Archive) -> None:
    """Its story has all of its events, and its row says how it ended."""
    messages = _checkout("one")
    await archive.hear(*messages)

    story = await archive.looks.story(sagas.named("one"))
    (row,) = await _found(archive)

    assert story is not None
    assert [one.message.event for one in story.happenings] == [one.event for one in messages]
    assert (row.saga_id, row.saga, row.way, row.outcome) == (sagas.named("one"), "checkout", Way.ENDED, "completed")
    assert (row.events, row.last_event, row.oddities, row.is_late) == (len(messages), "payment.sent", 0, False)


async def test_what_is_delivered_again_is_not_stored_again(archive: Archive) -> None:
    """A batch that was stored and not acknowledged comes again as a whole."""
    batch = [as_seen(one) for one in _checkout("one")]
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
    for message in _checkout("one", fails_at="seat.reserve", begun_at=now):
        await archive.hear(message)
    await archive.hear(*_checkout("two", fails_at="seat.reserve", begun_at=now))

    one, two = sorted(await _found(archive), key=lambda row: row.key)
    assert replace(one, saga_id=two.saga_id, key=two.key) == two
    minutes = await archive.looks.hour()
    assert (sum(one.begun for one in minutes), sum(one.failed for one in minutes)) == (2, 2)


@pytest.mark.parametrize(
    "text", ["7", "seat-withdrawn", "11", str(sagas.named("payment of two")), str(sagas.named("two"))]
)
async def test_a_saga_is_found_by_what_it_names(archive: Archive, text: str) -> None:
    """By user, reason, seat, payment and its own id."""
    await archive.hear(*_checkout("two", seats=(11, 12), fails_at="seat.reserve"))
    await archive.hear(*_checkout("other", seats=(13,), user="8"))

    assert [row.saga_id for row in await _found(archive, text=text)] == [sagas.named("two")]
    assert await archive.looks.resolve(text) == [sagas.named("two")]


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("completed", ["done"]),
        ("failed", ["failed"]),
        ("ended", ["failed", "done"]),
        ("out", ["waits"]),
        ("late", ["late"]),
        ("back", []),
        ("parked", ["parked"]),
        ("retrying", ["rests"]),
        ("no such state", []),
    ],
)
async def test_sagas_are_listed_by_their_state(archive: Archive, state: str, names: list[str]) -> None:
    """The newest first, with and without the kind of saga."""
    await archive.hear(*_checkout("done"))
    await archive.hear(*_checkout("failed", fails_at="point.spend"))
    parked, rests = _checkout("parked")[0], _checkout("rests")[0]
    if state in ("out", "late"):
        first = sagas.checkout(name="waits", begun_at=datetime.now(UTC))[0]
        past = datetime(2026, 1, 1, tzinfo=UTC)
        late = sagas.checkout(name="late", begun_at=past)[0]
        await archive.hear(late if state == "late" else first)
    else:
        await archive.hear(parked, sagas.parked(parked, "point.spend"))
        await archive.hear(rests, sagas.rests(rests, "point.spend"))

    wanted = [sagas.named(name) for name in names]
    assert [row.saga_id for row in await _found(archive, state=state)] == wanted
    assert [row.saga_id for row in await _found(archive, state=state, saga="checkout")] == wanted
    assert await _found(archive, state=state, saga="hold") == []


async def test_pages_go_on_from_a_key(archive: Archive) -> None:
    """No saga is left out or shown twice, with and without a text."""
    for number in range(7):
        await archive.hear(*_checkout(f"saga {number}"))

    for wanted in (Filter(), Filter(text="7")):
        pages, after = [], None
        while page := await archive.looks.sagas(wanted, after, 3):
            pages.append([row.saga_id for row in page])
            after = page[-1].key
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [saga_id for page in pages for saga_id in page] == [
            sagas.named(f"saga {number}") for number in reversed(range(7))
        ]


async def test_a_saga_is_late_without_any_message(archive: Archive) -> None:
    """Its time runs out, and it is told anew."""
    now = datetime.now(UTC)
    await archive.hear(sagas.checkout(begun_at=now)[0])
    assert not (await _found(archive))[0].is_late

    await archive.retelling.round(now + timedelta(minutes=2))

    assert [row.is_late for row in await _found(archive, state="late")] == [True]


async def test_what_is_put_aside_is_listed_until_it_comes_back(archive: Archive) -> None:
    """What rests has a time, what is parked has none; both are counted with their step."""
    one, two = _checkout("one")[0], _checkout("two")[0]
    await archive.hear(one, sagas.rests(one, "point.spend"), two, sagas.parked(two, "point.spend"))

    parked, resting = await archive.looks.put_aside(None, 10)
    assert (parked.message.event_id, parked.until) == (two.event_id, None)
    assert (resting.message.event_id, resting.until is not None) == (one.event_id, True)
    assert [each.message for each in await archive.looks.put_aside(parked.message.number, 10)] == [resting.message]
    numbers = (await archive.looks.steps())["point.spend"]
    assert (numbers.retrying, numbers.parked) == (1, 1)

    await archive.hear(sagas.back(one, "point.spend"), sagas.back(two, "point.spend", attempt=2))
    assert await archive.looks.put_aside(None, 10) == []


async def test_rubbish_is_kept_and_does_not_hinder_the_rest(archive: Archive) -> None:
    """In one batch with a saga."""
    rubbish = [seen(as_arrived(message)._replace(headers={}, body=b"\xff\0"), NOW) for message in _checkout("x")]
    await archive.storing.store([*rubbish, *(as_seen(one) for one in _checkout("one"))])
    await archive.tell()

    assert [row.saga_id for row in await _found(archive)] == [sagas.named("one")]
    assert await archive.pool.fetchval("SELECT count(*) FROM message WHERE event = '?'") == len(rubbish)


async def test_a_message_that_the_database_refuses_is_left_out_alone(archive: Archive) -> None:
    """Whatever gets past the reader, its neighbours are stored."""
    good = as_seen(_checkout("one")[0])
    bad = replace(as_seen(_checkout("two")[0]), message=replace(good.message, event="\0" * 99))

    await archive.storing.store([bad, good, bad])

    assert await archive.pool.fetchval("SELECT count(*) FROM message") == 1


async def test_steps_have_a_rate_and_the_queues_numbers(archive: Archive) -> None:
    """From the last minute, and from the broker if it answers."""
    archive.broker.known = {"point.spend": QueueNumbers(312, 0, 0.1)}
    await archive.hear(*_checkout("one"))

    numbers = (await archive.looks.steps())["point.spend"]
    assert (numbers.backlog, numbers.consumers) == (312, 0)
    assert numbers.rate == pytest.approx(1 / 60)
    assert numbers.milliseconds == pytest.approx(20, rel=0.2)

    archive.broker.known = None
    assert (await archive.looks.steps())["point.spend"].backlog is None


async def test_sagas_in_flight_come_with_the_oldest_first(archive: Archive) -> None:
    """What has ended is not among them."""
    await archive.hear(*_checkout("done"))
    await archive.hear(_checkout("first")[0])
    await archive.hear(_checkout("second")[0])

    assert [row.saga_id for row in await archive.looks.slowest(10)] == [sagas.named("first"), sagas.named("second")]


async def test_a_gap_lasts_as_long_as_its_trouble(archive: Archive) -> None:
    """A queue that is full, gone or not bound everywhere misses something; a silent broker says nothing."""
    bound = archive.broker.bound_to
    await archive.hear(*_checkout("one"))
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


async def test_points_that_vanish_are_found(archive: Archive) -> None:
    """The audit agrees with sagas that are whole, and names the one that has lost its refund."""
    await archive.hear(*_checkout("good", fails_at="seat.reserve"))
    assert all(one.holds for one in await archive.looks.audit())

    lost = [one for one in _checkout("bad", fails_at="seat.reserve") if one.event != "point.refunded"]
    end = replace(lost[-1], cause=lost[-2].event_id)
    await archive.hear(*lost[:-1], end)
    findings = {one.rule: one for one in await archive.looks._auditing.judge(datetime.now(UTC))}

    assert not findings["points"].holds
    assert list(findings["points"].sagas) == [sagas.named("bad")]


async def test_what_is_old_goes(archive: Archive) -> None:
    """After the time that it is kept, and not before."""
    old = sagas.checkout(name="old", begun_at=NOW - timedelta(days=8))
    await archive.hear(*old, sagas.parked(old[0], "point.spend"))
    await archive.hear(*_checkout("new"))

    assert await archive.purging.purge() > len(old)

    assert [row.saga_id for row in await _found(archive)] == [sagas.named("new")]
    assert await archive.looks.story(sagas.named("old")) is None
    assert await archive.looks.put_aside(None, 10) == []
    assert [row.saga_id for row in await _found(archive, text="7")] == [sagas.named("new")]


async def test_news_wake_whoever_waits(archive: Archive) -> None:
    """The number of the newest message grows."""
    before = await archive.retelling.moved(NEWEST, 0.01)
    await archive.hear(*_checkout("one"))

    assert await archive.looks.moved(before) > before


async def test_an_event_has_all_its_sightings(archive: Archive) -> None:
    """The newest last."""
    message = _checkout("one")[0]
    await archive.hear(message, sagas.rests(message, "point.spend"))

    found = await archive.looks.message(sagas.named("one"), message.event_id)

    assert [one.place for one in found] == ["said", "resting"]
    assert found[0].headers
    assert await archive.looks.message(uuid4(), message.event_id) == []


@pytest.mark.parametrize("state", ["late", "odd", "parked", "retrying", "out"])
@pytest.mark.parametrize("text", ["7", str(sagas.named("payment of rare")), str(sagas.named("rare"))])
async def test_a_rare_state_is_found_among_many_of_one_name(archive: Archive, state: str, text: str) -> None:
    """By user, payment and its own id, page after page, and no other saga."""
    await archive.hear(*_checkout("done"), *_checkout("done as well"))
    rare = {
        "late": _checkout("rare", begun_at=datetime(2026, 1, 1, tzinfo=UTC))[:1],
        "odd": [*(done := _checkout("rare")), replace(done[1], number=99, event_id=uuid4(), cause=done[-1].event_id)],
        "parked": [first := _checkout("rare")[0], sagas.parked(first, "point.spend")],
        "retrying": [first, sagas.rests(first, "point.spend")],
        "out": [first],
    }[state]
    await archive.hear(*_checkout("of another", user="8"), *rare)

    (row,) = await _found(archive, state=state, text=text)

    assert row.saga_id == sagas.named("rare")
    assert await archive.looks.sagas(Filter(text=text, state=state), row.key, 10) == []
    assert await _found(archive, state=state, text="nobody") == []
    assert [one.saga_id for one in await _found(archive, state=state, user="7")] == [sagas.named("rare")]
    assert await _found(archive, state=state, user="8") == []


async def test_nobody_waits_for_a_long_judgement(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks gets the last one, and whoever judges for good goes on."""
    monkeypatch.setattr(auditing, "SOON", 0.0)
    known = await archive.looks.audit()
    monkeypatch.setattr(auditing.Auditing, "judge", None)

    assert await archive.looks.audit() is known
