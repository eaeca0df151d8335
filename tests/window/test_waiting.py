"""A story says which step has not answered which event."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.window.sagas import BEGUN, back, chased, checkout, hold, named, parked, refund, rests
from tests.window.telling import told
from window.story import Story

ENDED_WELL = checkout()
FAILED = checkout(fails_at="seat.reserve")


def pairs(story: Story) -> list[tuple[str, str]]:
    """Each wait as step and event."""
    return [(one.step, one.event) for one in story.waits]


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (1, "point.spend"),
        (2, "reservation.confirm"),
        (3, "payment.pay"),
        (4, "seat.reserve"),
        (5, "payment.complete"),
        (6, "payment.send"),
    ],
)
def test_a_checkout_waits_for_its_next_step(seen: int, step: str) -> None:
    """The last event waits for whoever hears it."""
    assert pairs(told(ENDED_WELL[:seen])) == [(step, ENDED_WELL[seen - 1].event)]


@pytest.mark.parametrize(
    ("seen", "step"), [(5, "payment.revert"), (6, "reservation.revert"), (7, "point.refund"), (8, "payment.close")]
)
def test_a_checkout_on_its_way_back_waits_for_a_compensation(seen: int, step: str) -> None:
    """The way back waits like the way out."""
    assert pairs(told(FAILED[:seen])) == [(step, FAILED[seen - 1].event)]


def test_a_wait_counts_from_when_it_was_said() -> None:
    """Since then the step could have answered."""
    assert told(ENDED_WELL[:4]).waits[0].since == ENDED_WELL[3].occurred_at


def test_a_clock_ahead_makes_no_wait_shorter_than_it_was_seen() -> None:
    """What the window has seen cannot have been said later."""
    ahead = replace(ENDED_WELL[0], occurred_at=BEGUN + timedelta(hours=1))
    assert told([ahead]).waits[0].since == ahead.seen_at


def test_a_wait_has_what_failed() -> None:
    """Attempts at what has not been answered stand at the wait."""
    story = told([*ENDED_WELL[:3], rests(ENDED_WELL[2], "payment.pay")])
    assert [(one.number, one.delay) for one in story.waits[0].attempts] == [(1, "5s")]
    assert not story.waits[0].is_parked


def test_a_parked_message_waits_for_a_person() -> None:
    """The wait says so."""
    story = told([*ENDED_WELL[:3], rests(ENDED_WELL[2], "payment.pay"), parked(ENDED_WELL[2], "payment.pay", after=6)])
    assert story.waits[0].is_parked
    assert len(story.waits[0].attempts) == 2


def test_a_parked_message_put_back_is_parked_no_more() -> None:
    """The step has it again."""
    heard = ENDED_WELL[2]
    story = told([*ENDED_WELL[:3], parked(heard, "payment.pay"), back(heard, "payment.pay", after=60)])
    assert not story.waits[0].is_parked


def test_what_is_parked_waits_also_after_the_end() -> None:
    """It lies there, whoever has gone on without it."""
    story = told([*FAILED, parked(FAILED[0], "seat.reserve")])
    assert pairs(story) == [("seat.reserve", "checkout.requested")]


def test_a_step_that_answered_owes_nothing_to_a_repetition() -> None:
    """A sale that is said again, because a clock asked, is not completed again."""
    asked = chased()[1]
    again = replace(ENDED_WELL[4], event_id=named("again"), cause=asked.event_id)
    overdue = replace(asked, occurred_at=BEGUN + timedelta(seconds=1))
    story = told([*ENDED_WELL[:6], overdue, again])
    assert pairs(story) == [("payment.send", "checkout.completed")]
    assert not story.oddities


def test_a_forward_step_owes_nothing_once_all_is_undone() -> None:
    """A request that nobody heard before the clock decided is dead."""
    assert not told(chased()).waits


def test_a_clock_that_asked_for_nothing_is_forgotten_after_the_end() -> None:
    """Whoever is asked too early says nothing."""
    assert not told([*ENDED_WELL, chased()[1]]).waits


def test_several_hearers_are_several_waits() -> None:
    """Each saga that the clock asks about waits for the step and for the answer."""
    assert pairs(told(chased()[:2])) == [("point.spend", "checkout.requested"), ("seat.decide", "checkout.overdue")]


def test_an_event_that_nobody_hears_waits_for_nobody() -> None:
    """An end is heard by no step."""
    assert not told(ENDED_WELL[-1:]).waits
    assert not told([replace(ENDED_WELL[0], event="no.event")]).waits


def test_an_ended_saga_may_still_wait_on_its_way_out() -> None:
    """What is forward after a forward end is owed."""
    branch = replace(hold()[1], event_id=named("branch"), cause=hold()[0].event_id)
    first = [one for one in hold() if one.event != "payment.published"]
    assert ("payment.publish", "seat.held") in pairs(told([*first, branch]))


def test_a_refund_waits_for_its_next_step() -> None:
    """Whether its request is to be heard, or the clock's question."""
    messages = refund(is_asked=True)
    assert pairs(told(messages[:1])) == [("seat.vacate", "refund.requested")]
    assert pairs(told(messages[:2])) == [("seat.vacate", "refund.requested"), ("seat.vouch", "refund.overdue")]
    assert pairs(told(messages[:3])) == [("reservation.cancel", "seat.vacated")]


def test_a_call_is_not_waited_for() -> None:
    """It may concern nobody."""
    called = hold(given_up="called-off")[4]
    assert pairs(told([*hold()[:3], called])) == [("reservation.open", "payment.published")]
