"""A story says how far a saga has come, which way it goes and how it ended."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.window.sagas import BEGUN, PATIENCE, REFUSING, back, chased, checkout, hold, parked, refund, rests
from tests.window.telling import SOON, events, told
from window.message import Message
from window.story import Way

ENDED_WELL = checkout()
FAILED = checkout(fails_at="seat.reserve")


def test_a_completed_checkout_is_told_whole() -> None:
    """Every event has the step that said it, and nothing is left to wait for."""
    story = told(ENDED_WELL)
    assert [one.step for one in story.happenings] == [
        "payment.request",
        "point.spend",
        "reservation.confirm",
        "payment.pay",
        "seat.reserve",
        "payment.complete",
        "payment.send",
    ]
    assert (story.saga, story.way, story.outcome, story.reason) == ("checkout", Way.ENDED, "completed", None)
    assert not story.waits
    assert not story.oddities


def test_the_times_of_a_story_are_those_of_its_events() -> None:
    """It begins with the first, ends with the end, and its deadline is the one that the events carry."""
    story = told(ENDED_WELL)
    assert story.begun_at == ENDED_WELL[0].occurred_at
    assert story.last_at == story.ended_at == ENDED_WELL[-1].occurred_at
    assert story.deadline == BEGUN + PATIENCE


def test_causes_are_linked_by_index() -> None:
    """Each event of a checkout was caused by the one before it."""
    assert [one.cause for one in told(ENDED_WELL).happenings] == [None, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("step", REFUSING)
def test_a_refused_checkout_ends_failed(step: str) -> None:
    """Whoever refuses, the saga goes back to its beginning and says why."""
    story = told(checkout(fails_at=step, reason="for-a-test"))
    refusals = [one.step for one in story.happenings if one.is_refusal]
    assert refusals == [step]
    assert (story.way, story.outcome, story.reason) == (Way.ENDED, "failed", "for-a-test")
    assert not story.waits
    assert not story.oddities


def test_a_compensation_points_at_what_it_undoes() -> None:
    """The way back mirrors the way out."""
    story = told(FAILED)
    undone = {one.step: story.happenings[one.undoes].step for one in story.happenings if one.undoes is not None}
    assert undone == {
        "payment.revert": "payment.pay",
        "reservation.revert": "reservation.confirm",
        "point.refund": "point.spend",
        "payment.close": "payment.request",
    }


def test_a_refusal_is_never_undone() -> None:
    """A step that only refused did nothing that a compensation could take back."""
    refused = checkout(fails_at="payment.pay")
    asked = replace(chased()[1], occurred_at=BEGUN + timedelta(seconds=1))
    again = replace(FAILED[4], cause=asked.event_id, occurred_at=BEGUN + timedelta(seconds=2))
    reverted = replace(FAILED[5], occurred_at=BEGUN + timedelta(seconds=3))
    story = told([*refused, asked, again, reverted])
    assert (story.happenings[-1].step, story.happenings[-1].undoes) == ("payment.revert", None)
    assert not story.oddities


def test_each_event_has_its_own_way() -> None:
    """A refusal turns back, and the end is an end."""
    ways = [one.way for one in told(FAILED).happenings]
    assert ways == [Way.OUT] * 4 + [Way.BACK] * 4 + [Way.ENDED]


@pytest.mark.parametrize(("seen", "way"), [(1, Way.OUT), (4, Way.OUT), (5, Way.BACK), (8, Way.BACK), (9, Way.ENDED)])
def test_the_way_of_a_saga_turns_with_the_refusal(seen: int, way: Way) -> None:
    """It goes out until somebody refuses, and back until it has ended."""
    assert told(FAILED[:seen]).way is way


def test_a_saga_under_way_has_neither_outcome_nor_end() -> None:
    """What has not ended became nothing yet."""
    story = told(ENDED_WELL[:4])
    assert (story.outcome, story.ended_at) == (None, None)


def test_a_delivery_refused_for_good_completes_with_its_reason() -> None:
    """The seats are sold all the same, and the story says why nobody was told."""
    story = told(checkout(fails_at="payment.send", reason="platform-refused"))
    assert (story.outcome, story.reason) == ("completed", "platform-refused")


def test_an_opened_hold_has_ended() -> None:
    """The user may pay for the seats."""
    story = told(hold())
    assert (story.saga, story.way, story.outcome) == ("hold", Way.ENDED, "temp")


@pytest.mark.parametrize("step", ["seat.hold", "payment.publish"])
def test_a_refused_hold_is_closed(step: str) -> None:
    """A refused hold goes back in its own choreography."""
    story = told(hold(fails_at=step))
    assert (story.way, story.outcome, story.reason) == (Way.ENDED, "rejected, expired or cancelled", "seat-taken")
    assert not story.oddities


def test_a_lapse_takes_an_ended_hold_back() -> None:
    """Between the lapse and the second end the hold is on its way back, and has no outcome."""
    messages = hold(lapses=True)
    story = told(messages[:5])
    assert (story.way, story.outcome, story.ended_at, story.reason) == (Way.BACK, None, None, "hold-expired")
    assert [one.step for one in story.waits] == ["payment.cancel"]


def test_a_lapsed_hold_ends_again() -> None:
    """The second end counts, and is not odd."""
    story = told(hold(lapses=True))
    assert (story.way, story.outcome) == (Way.ENDED, "rejected, expired or cancelled")
    assert story.ended_at == story.last_at
    assert not story.oddities


@pytest.mark.parametrize("reason", ["given-up", "called-off"])
def test_a_hold_that_is_given_up_ends_again(reason: str) -> None:
    """It was open, and the story says why it is not any more, whoever gave it up."""
    story = told(hold(given_up=reason))
    assert (story.way, story.outcome, story.reason) == (Way.ENDED, "rejected, expired or cancelled", reason)
    assert story.ended_at == story.last_at
    assert not story.waits


@pytest.mark.parametrize("options", [{}, {"is_asked": True}, {"revoked": "called-off"}, {"is_told": False}], ids=str)
def test_a_refund_takes_back_what_its_checkout_did(options: dict[str, Any]) -> None:
    """Step by step, whoever began it, and whether its request was heard or a clock had to ask."""
    story = told(refund(**options), BEGUN + timedelta(minutes=2))
    taken_back = [one.reverses for one in story.happenings if one.reverses]
    assert taken_back[-3:] == ["reservation.confirm", "point.spend", "payment.pay"]
    assert (story.saga, story.way, story.outcome, story.reason) == ("refund", Way.ENDED, "completed", _why(options))
    assert not story.waits


def _why(options: dict[str, Any]) -> str | None:
    return "gone" if options.get("is_told") is False else options.get("revoked", "asked-for")


@pytest.mark.parametrize("revoked", [None, "seat-withdrawn"])
def test_a_refused_refund_undoes_its_beginning(revoked: str | None) -> None:
    """Also where it was called for."""
    story = told(refund(kept="evening-begun", revoked=revoked))
    assert (story.way, story.outcome, story.reason) == (Way.ENDED, "failed", "evening-begun")
    assert [one.undoes for one in story.happenings] == [None, None, 0]


def test_a_clock_that_asks_leads_back_without_being_odd() -> None:
    """Where nobody has done anything, there is nothing that a compensation would undo."""
    story = told(chased(), BEGUN + timedelta(minutes=1))
    assert [one.step for one in story.happenings][1:3] == ["payment.chase", "seat.decide"]
    assert (story.way, story.outcome, story.reason) == (Way.ENDED, "failed", "deadline-passed")
    assert not story.waits
    assert not story.oddities


def test_a_repeated_event_is_one_happening() -> None:
    """What was said three times happened once."""
    story = told([*ENDED_WELL, ENDED_WELL[2], replace(ENDED_WELL[2], number=99)])
    assert len(story.happenings) == len(ENDED_WELL)
    assert [one.copies for one in story.happenings] == [1, 1, 3, 1, 1, 1, 1]
    assert not story.oddities


def test_an_event_seen_only_on_its_way_to_another_attempt_has_happened() -> None:
    """Whoever failed with it has heard it."""
    messages = ENDED_WELL[:1]
    story = told([*messages, rests(ENDED_WELL[1], "reservation.confirm")])
    assert events(story) == ["checkout.requested", "point.spent"]
    assert story.happenings[1].copies == 0
    assert not story.oddities


def test_an_effect_comes_after_its_cause_though_its_clock_is_behind() -> None:
    """Clocks of services may be apart; causes are not."""
    slow = [replace(one, occurred_at=one.occurred_at - timedelta(seconds=4)) for one in ENDED_WELL[1:2]]
    story = told([*ENDED_WELL[:1], *slow, *ENDED_WELL[2:]])
    assert events(story) == events(told(ENDED_WELL))
    assert story.begun_at == slow[0].occurred_at


def test_what_did_not_cause_each_other_comes_in_time() -> None:
    """Without a cause the time decides."""
    late, early = replace(ENDED_WELL[2], cause=None), replace(ENDED_WELL[1], cause=None)
    assert events(told([late, early])) == ["point.spent", "reservation.confirmed"]


def test_at_the_same_time_the_number_decides() -> None:
    """What the archive saw first comes first."""
    first = replace(ENDED_WELL[2], cause=None, occurred_at=BEGUN, number=1)
    second = replace(ENDED_WELL[1], cause=None, occurred_at=BEGUN, number=2)
    assert events(told([second, first])) == ["reservation.confirmed", "point.spent"]


def test_causes_in_a_circle_are_cut() -> None:
    """Two events that claim to have caused each other are told all the same."""
    one, other = ENDED_WELL[1], ENDED_WELL[2]
    story = told([replace(one, cause=other.event_id), other])
    assert events(story) == ["point.spent", "reservation.confirmed"]
    assert [happening.cause for happening in story.happenings] == [None, 0]
    assert [odd.kind for odd in story.oddities] == ["cycle"]


def test_an_event_that_caused_itself_is_told() -> None:
    """The smallest circle is cut as well."""
    one = ENDED_WELL[1]
    assert events(told([replace(one, cause=one.event_id)])) == ["point.spent"]


def test_a_story_needs_a_message() -> None:
    """Of nothing there is nothing to tell."""
    with pytest.raises(ValueError, match="without a message"):
        told([])


def test_attempts_stand_at_what_the_step_came_to() -> None:
    """A step that failed twice and then answered has both attempts at its answer."""
    heard = ENDED_WELL[2]
    retried = [rests(heard, "payment.pay", attempt=1), rests(heard, "payment.pay", attempt=2, after=5.2)]
    story = told([*ENDED_WELL, *retried, back(heard, "payment.pay", attempt=2)])
    assert [one.number for one in story.happenings[3].attempts] == [1, 2]
    assert [len(one.attempts) for one in story.happenings] == [0, 0, 0, 2, 0, 0, 0]


def test_an_attempt_seen_twice_is_one() -> None:
    """A redelivery to the window is no failure of the step."""
    failed = rests(ENDED_WELL[2], "payment.pay")
    assert len(told([*ENDED_WELL, failed, failed]).happenings[3].attempts) == 1


def test_an_attempt_that_parked_rests_for_nothing() -> None:
    """What is parked comes back by no delay."""
    story = told([*ENDED_WELL, parked(ENDED_WELL[2], "payment.pay")])
    assert story.happenings[3].attempts[0].delay is None


def test_a_saga_of_unknown_events_has_no_choreography() -> None:
    """It is told as far as anything is known of it."""
    story = told([replace(ENDED_WELL[0], event="no.event")])
    assert (story.saga, story.happenings[0].step, story.way) == ("?", None, Way.OUT)


def test_a_message_without_a_saga_is_told_under_its_own_id() -> None:
    """Somebody may still want to look at it."""
    lone: Message = replace(ENDED_WELL[0], saga_id=None)
    assert told([lone], SOON).saga_id == lone.event_id
