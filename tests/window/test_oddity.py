"""What should not be in a saga is named, and what may be is not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.window.sagas import BEGUN, REFUSING, chased, checkout, hold, named, refund
from tests.window.telling import kinds, told
from window.message import Message

ENDED_WELL = checkout()
FAILED = checkout(fails_at="seat.reserve")
LATER = BEGUN + timedelta(seconds=2)

WHOLE = {
    "completed": ENDED_WELL,
    "not delivered": checkout(fails_at="payment.send"),
    "chased": chased(),
    "opened": hold(),
    "lapsed": hold(lapses=True),
    "no seat": hold(fails_at="seat.hold"),
    "no payment": hold(fails_at="payment.publish"),
    "given up": hold(given_up="given-up"),
    "called off": hold(given_up="called-off"),
    "refunded": refund(),
    "refund not delivered": refund(is_told=False),
    "refund of what was called off": refund(revoked="called-off"),
    "refund asked about": refund(is_asked=True),
    "refund too late": refund(kept="too-late"),
    "refund of what was revoked and returned": refund(revoked="seat-withdrawn", kept="evening-begun"),
    "refund too late, asked about": refund(kept="too-late", is_asked=True),
} | {f"refused at {step}": checkout(fails_at=step) for step in REFUSING}


@pytest.mark.parametrize("messages", WHOLE.values(), ids=WHOLE.keys())
def test_a_saga_as_declared_is_never_odd(messages: Sequence[Message]) -> None:
    """Not at its end, and not at any time before."""
    assert [kinds(told(messages[:seen])) for seen in range(1, len(messages) + 1)] == [[]] * len(messages)


def later(message: Message, **changes: object) -> Message:
    """The same said again later, as another event."""
    values = {"event_id": named(f"later {message.event}"), "occurred_at": LATER, "seen_at": LATER, **changes}
    return replace(message, **values)  # type: ignore[arg-type]  # any field may change


def test_an_event_of_no_choreography_is_odd() -> None:
    """Nothing is known of it."""
    assert kinds(told([*ENDED_WELL[:3], later(ENDED_WELL[2], event="seat.stolen")])) == ["unknown-event"]


def test_an_event_of_another_choreography_is_odd() -> None:
    """One saga has events of one choreography."""
    assert kinds(told([*ENDED_WELL[:1], later(hold()[0])])) == ["foreign-event", "begun-twice"]


def test_an_event_said_by_another_service_is_odd() -> None:
    """Only its own service may say it, and the text says which."""
    story = told([ENDED_WELL[0], replace(ENDED_WELL[1], service="seat")])
    assert kinds(story) == ["wrong-service"]
    assert story.oddities[0].text == "point.spent was said by seat, and only point may say it"
    assert story.oddities[0].event_id == ENDED_WELL[1].event_id


def test_a_cause_that_nobody_saw_is_odd() -> None:
    """What is missing is named by what it led to."""
    story = told([ENDED_WELL[0], *ENDED_WELL[2:]])
    assert kinds(story) == ["unseen-cause"]
    assert "reservation.confirmed" in story.oddities[0].text


def test_a_cause_that_leads_elsewhere_is_odd() -> None:
    """Nobody pays because a checkout was asked for."""
    assert kinds(told([ENDED_WELL[0], replace(ENDED_WELL[3], cause=ENDED_WELL[0].event_id)])) == ["wrong-cause"]


def test_an_event_without_a_cause_is_odd_where_only_an_answer_says_it() -> None:
    """Points are not spent by themselves."""
    assert kinds(told([ENDED_WELL[0], replace(ENDED_WELL[1], cause=None)])) == ["wrong-cause"]


def test_an_event_said_again_with_other_words_is_odd() -> None:
    """The same id is the same event."""
    changed = replace(ENDED_WELL[1], body=ENDED_WELL[1].body.replace("300", "3"), seen_at=LATER)
    assert kinds(told([*ENDED_WELL[:2], changed])) == ["changed"]


def test_a_second_start_is_odd() -> None:
    """A saga begins once."""
    assert kinds(told([ENDED_WELL[0], later(ENDED_WELL[0])])) == ["begun-twice"]


def test_a_step_that_answers_twice_is_odd() -> None:
    """It sold the seats, and refused to."""
    refused = later(FAILED[4], cause=ENDED_WELL[3].event_id)
    story = told([*ENDED_WELL[:5], refused])
    assert kinds(story) == ["two-answers"]
    assert story.oddities[0].text == "seat.reserve answered payment.paid twice: seat.reserved, then seat.rejected"


def test_the_same_answer_under_two_ids_is_odd() -> None:
    """Points may have been spent twice."""
    assert kinds(told([*ENDED_WELL[:2], later(ENDED_WELL[1])])) == ["two-answers"]


def test_a_compensation_without_its_step_is_odd() -> None:
    """There was nothing to refund."""
    refused = replace(checkout(fails_at="reservation.confirm")[3], cause=ENDED_WELL[0].event_id)
    story = told([ENDED_WELL[0], refused])
    assert "undone-undone" in kinds(story)
    assert "undoes point.spend" in next(one.text for one in story.oddities if one.kind == "undone-undone")


def test_a_compensation_whose_beginning_was_not_seen_is_no_oddity_of_its_own() -> None:
    """What it undoes may be what was not seen."""
    assert kinds(told(FAILED[5:])) == ["unseen-cause"]


def test_two_ends_are_odd() -> None:
    """A checkout has not both completed and failed."""
    assert kinds(told([*ENDED_WELL, later(FAILED[-1], cause=None)])) == ["wrong-cause", "two-ends"]


def test_the_first_of_two_ends_counts() -> None:
    """What came to be is not changed by what should not have been said."""
    assert told([*ENDED_WELL, later(FAILED[-1], cause=None)]).outcome == "completed"


def test_the_same_end_again_is_no_second_end() -> None:
    """A hold that is closed says so to everybody who asks."""
    closed = hold(lapses=True)
    assert "two-ends" not in kinds(told([*closed, later(closed[-1], cause=closed[-2].event_id)]))


def test_a_refusal_after_completion_is_odd() -> None:
    """The seats are sold for good."""
    refused = later(FAILED[4], cause=ENDED_WELL[3].event_id)
    assert "after-end" in kinds(told([*ENDED_WELL, refused]))


def test_a_sale_after_failure_is_odd() -> None:
    """All was undone, and then somebody sold."""
    failed = checkout(fails_at="reservation.confirm")
    sold = later(ENDED_WELL[4], cause=None)
    story = told([*failed, later(ENDED_WELL[3], cause=None), replace(sold, cause=named("later payment.paid"))])
    assert kinds(story).count("after-end") == 2


def test_a_late_refusal_after_failure_is_not_odd() -> None:
    """A step that was stuck finds the checkout undone and refuses; that is undone again."""
    chased_ = chased()
    spent = later(ENDED_WELL[1], occurred_at=BEGUN + timedelta(seconds=1))
    refused = later(
        checkout(fails_at="reservation.confirm")[2], cause=spent.event_id, occurred_at=BEGUN.replace(minute=9)
    )
    assert kinds(told([*chased_, spent, refused])) == []


def test_an_answer_to_the_clock_after_the_end_is_not_odd() -> None:
    """The one who is asked answers every time."""
    asked = later(chased()[1])
    again = later(ENDED_WELL[4], cause=asked.event_id, occurred_at=LATER + timedelta(seconds=1))
    assert kinds(told([*ENDED_WELL, asked, again])) == []


def test_a_refusal_to_the_clock_after_completion_is_odd() -> None:
    """Whoever has sold the seats cannot refuse to sell them, whoever asks."""
    asked = later(chased()[1])
    refused = later(FAILED[4], cause=asked.event_id, occurred_at=LATER + timedelta(seconds=1))
    reverted = later(FAILED[5], cause=refused.event_id, occurred_at=LATER + timedelta(seconds=2))
    assert kinds(told([*ENDED_WELL, asked, refused, reverted])) == ["after-end", "after-end"]


def test_a_forward_event_repeated_after_failure_is_odd() -> None:
    """All was undone, and then points were spent once more."""
    assert kinds(told([*FAILED, later(FAILED[1])])) == ["two-answers", "after-end"]


def test_a_hold_that_lapses_twice_is_not_odd() -> None:
    """The clock says it again until everything is given back."""
    messages = hold(lapses=True)
    again = replace(
        messages[4], event_id=named("lapse again"), occurred_at=messages[4].occurred_at + timedelta(seconds=1)
    )
    cancelled = later(messages[5], cause=again.event_id, occurred_at=again.occurred_at)
    assert kinds(told([*messages, again, cancelled])) == []


def test_a_refund_that_is_answered_again_is_not_odd() -> None:
    """Behind the pivot every step answers every time, whoever was slower: the clock, or what it asked about."""
    messages = refund()
    slow, fast = messages[1:4], refund(is_asked=True)[1:]
    again = [later(one, cause=cause.event_id) for one, cause in zip(slow, [messages[0], *slow], strict=False)]
    chain = [replace(one, cause=again[place - 1].event_id if place else one.cause) for place, one in enumerate(again)]
    asked = [replace(one, event_id=named(f"asked {place}")) for place, one in enumerate(fast)]
    told_by_clock = [
        replace(one, cause=asked[place - 1].event_id if place else None) for place, one in enumerate(asked)
    ]
    end = max(one.occurred_at for one in told_by_clock)
    late = [replace(one, occurred_at=end + timedelta(seconds=1 + place)) for place, one in enumerate(chain)]

    assert kinds(told([messages[0], *told_by_clock, *late])) == []


def test_seats_that_are_kept_after_the_points_are_back_are_odd() -> None:
    """A refund has not both completed and failed."""
    kept = refund(kept="too-late")
    refused = later(kept[1], cause=refund()[0].event_id, occurred_at=BEGUN + timedelta(minutes=2))
    assert "after-end" in kinds(told([*refund(), refused]))


def test_seats_that_come_after_their_hold_was_given_up_are_not_odd() -> None:
    """They were on their way, and are given back as well."""
    requested, held, published, *_ = hold()
    over = hold(given_up="given-up")[4:]
    soon = [replace(one, occurred_at=BEGUN + timedelta(milliseconds=place)) for place, one in enumerate(over)]
    again = [later(one, cause=published.event_id if not place else None) for place, one in enumerate(over)]
    chain = [again[0], *(replace(one, cause=before.event_id) for before, one in pairwise(again))]

    assert kinds(told([requested, *soon, held, published, *chain])) == []


def test_seats_that_come_after_an_open_hold_was_given_up_are_odd() -> None:
    """They were held already."""
    messages = hold(given_up="given-up")
    again = later(messages[2], cause=messages[1].event_id, occurred_at=BEGUN + timedelta(hours=1))
    assert "after-end" in kinds(told([*messages, again]))


def test_a_call_about_seats_that_are_sold_is_not_odd() -> None:
    """It is said again until the refund has taken the seats."""
    called = hold(given_up="called-off")[4]
    again = later(called, event_id=named("again"))
    story = told([*hold(), called, again])
    assert kinds(story) == []
    assert story.outcome == "temp"
    assert story.waits == ()
