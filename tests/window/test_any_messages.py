"""Whatever part of a saga is seen, in whatever order, there is a story, and always the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.window.sagas import BEGUN, REFUSING, back, chased, checkout, hold, named, parked, rests
from tests.window.telling import CHOREOGRAPHY, SOON, told
from window.conservation import facts_of, judge
from window.message import Message, Place
from window.rendering import as_json, as_mermaid, as_text
from window.story import Story

COMPLETED = checkout()
SAGAS = [
    [*COMPLETED, rests(COMPLETED[2], "payment.pay"), back(COMPLETED[2], "payment.pay")],
    *(checkout(fails_at=step) for step in REFUSING),
    [*chased(), parked(chased()[0], "point.spend")],
    hold(),
    hold(lapses=True),
]
FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def seen(draw: st.DrawFn) -> list[Message]:
    """Some messages of a saga, some of them twice, in any order."""
    messages = draw(st.sampled_from(SAGAS))
    chosen = draw(st.lists(st.sampled_from(messages), min_size=1, max_size=2 * len(messages)))
    return draw(st.permutations(chosen))


MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(
    [BEGUN, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
IDS = st.sampled_from([named(number) for number in range(6)])
HOSTILE = st.builds(
    Message,
    number=st.integers(0, 5),
    place=st.sampled_from(Place),
    event_id=IDS,
    saga_id=st.none() | IDS,
    event=st.sampled_from([*sorted(CHOREOGRAPHY.events), "?"]) | st.text(max_size=5),
    version=st.integers(),
    service=st.sampled_from(["point", "seat"]) | st.text(max_size=5),
    cause=st.none() | IDS,
    occurred_at=MOMENTS,
    seen_at=MOMENTS,
    step=st.none() | st.sampled_from(sorted(CHOREOGRAPHY.steps)) | st.text(max_size=5),
    attempt=st.integers(0, 9),
    delay=st.none() | st.sampled_from(["5s", "no delay"]),
    error=st.none() | st.text(max_size=5),
    body=st.sampled_from(
        ["", "{}", "[", '{"deadline": "0001-01-01T00:00:00+14:00", "amount": -1, "seat_ids": [true, "x", 1]}']
    )
    | st.text(max_size=5),
)


def shown(story: Story) -> None:
    """Make of it all that can be made."""
    as_text(story, SOON, None, CHOREOGRAPHY.delays)
    as_json(story, SOON)
    as_mermaid(story)
    judge([facts_of(story, CHOREOGRAPHY)], SOON)


@FEW
@given(seen())
def test_any_part_of_a_saga_has_a_story(messages: Sequence[Message]) -> None:
    """Nothing that is missing or comes twice breaks it."""
    shown(told(messages))


@FEW
@given(seen(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(messages: list[Message], random: st.DataObject) -> None:
    """Sorted otherwise, the same is told."""
    shuffled = list(messages)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    assert told(shuffled) == told(messages)


@FEW
@given(seen())
def test_repetitions_change_nothing_but_the_copies(messages: list[Message]) -> None:
    """A story with everything said once more is the same story."""
    once, twice = told(messages), told([*messages, *messages])
    assert [replace(one, copies=0) for one in twice.happenings] == [replace(one, copies=0) for one in once.happenings]
    assert replace(twice, happenings=()) == replace(once, happenings=())


@FEW
@given(seen())
def test_causes_come_before_their_effects(messages: list[Message]) -> None:
    """However much is missing."""
    happenings = told(messages).happenings
    places = {one.message.event_id: place for place, one in enumerate(happenings)}
    for place, one in enumerate(happenings):
        assert one.cause == (places.get(one.message.cause) if one.message.cause else None)
        assert one.cause is None or one.cause < place


@FEW
@given(seen(), st.lists(st.integers(-5, 5), min_size=4, max_size=4))
def test_clocks_apart_change_no_cause_and_no_end(messages: list[Message], seconds: list[int]) -> None:
    """Each service may have its own time."""
    apart = dict(zip(CHOREOGRAPHY.services, seconds, strict=True))
    moved = [replace(one, occurred_at=one.occurred_at + timedelta(seconds=apart[one.service])) for one in messages]
    here, there = told(messages), told(moved)
    assert {one.message.event_id: one.step for one in here.happenings} == {
        one.message.event_id: one.step for one in there.happenings
    }
    assert here.saga == there.saga


@FEW
@given(st.lists(HOSTILE, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_messages_of_anybody_have_a_story(messages: list[Message], random: st.DataObject) -> None:
    """Cycles, forgeries, the first and the last moment of all: it is told, and always in the same way."""
    story = told(messages)
    shown(story)
    shuffled = list(messages)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    assert told(shuffled).oddities == story.oddities
