"""Sagas are found by what they name and listed by their state, a page at a time."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.window import sagas
from tests.window.archive import Archive
from window.looks import Filter

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "text", ["7", "seat-withdrawn", "11", str(sagas.named("payment of two")), str(sagas.named("two"))]
)
async def test_a_saga_is_found_by_what_it_names(archive: Archive, text: str) -> None:
    """By user, reason, seat, payment and its own id."""
    await archive.hear(*sagas.recent("two", seats=(11, 12), fails_at="seat.reserve"))
    await archive.hear(*sagas.recent("other", seats=(13,), user="8"))

    assert [row.saga_id for row in await archive.found(text=text)] == [sagas.named("two")]
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
    await archive.hear(*sagas.recent("done"))
    await archive.hear(*sagas.recent("failed", fails_at="point.spend"))
    parked, rests = sagas.recent("parked")[0], sagas.recent("rests")[0]
    if state in ("out", "late"):
        first = sagas.checkout(name="waits", begun_at=datetime.now(UTC))[0]
        past = datetime(2026, 1, 1, tzinfo=UTC)
        late = sagas.checkout(name="late", begun_at=past)[0]
        await archive.hear(late if state == "late" else first)
    else:
        await archive.hear(parked, sagas.parked(parked, "point.spend"))
        await archive.hear(rests, sagas.rests(rests, "point.spend"))

    wanted = [sagas.named(name) for name in names]
    assert [row.saga_id for row in await archive.found(state=state)] == wanted
    assert [row.saga_id for row in await archive.found(state=state, saga="checkout")] == wanted
    assert await archive.found(state=state, saga="hold") == []


async def test_pages_go_on_from_a_key(archive: Archive) -> None:
    """No saga is left out or shown twice, with and without a text."""
    for number in range(7):
        await archive.hear(*sagas.recent(f"saga {number}"))

    for wanted in (Filter(), Filter(text="7")):
        pages, after = [], None
        while page := await archive.looks.sagas(wanted, after, 3):
            pages.append([row.saga_id for row in page])
            after = page[-1].key
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [saga_id for page in pages for saga_id in page] == [
            sagas.named(f"saga {number}") for number in reversed(range(7))
        ]


@pytest.mark.parametrize("state", ["late", "odd", "parked", "retrying", "out"])
@pytest.mark.parametrize("text", ["7", str(sagas.named("payment of rare")), str(sagas.named("rare"))])
async def test_a_rare_state_is_found_among_many_of_one_name(archive: Archive, state: str, text: str) -> None:
    """By user, payment and its own id, page after page, and no other saga."""
    await archive.hear(*sagas.recent("done"), *sagas.recent("done as well"))
    done = sagas.recent("rare")
    rare = {
        "late": sagas.recent("rare", begun_at=datetime(2026, 1, 1, tzinfo=UTC))[:1],
        "odd": [*done, replace(done[1], number=99, event_id=uuid4(), cause=done[-1].event_id)],
        "parked": [first := sagas.recent("rare")[0], sagas.parked(first, "point.spend")],
        "retrying": [first, sagas.rests(first, "point.spend")],
        "out": [first],
    }[state]
    await archive.hear(*sagas.recent("of another", user="8"), *rare)

    (row,) = await archive.found(state=state, text=text)

    assert row.saga_id == sagas.named("rare")
    assert await archive.looks.sagas(Filter(text=text, state=state), row.key, 10) == []
    assert await archive.found(state=state, text="nobody") == []
    assert [one.saga_id for one in await archive.found(state=state, user="7")] == [sagas.named("rare")]
    assert await archive.found(state=state, user="8") == []
