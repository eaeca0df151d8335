"""What a restored service has forgotten is found, and held against what others have heard, without any database."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chassis.choreography.recollection import Known, Verdict, judged, matched, says_by_clock, starting
from chassis.choreography.step import Step
from chassis.errors import DeclarationError
from contracts import checkout, payment, point, reservation, seat
from contracts.event import Event
from payment_svc.steps import service as payment_steps
from point_svc.steps import service as point_steps
from reservation_svc.steps import remember, request
from reservation_svc.steps import service as reservation_steps
from seat_svc.steps import service as seat_steps
from tests.unit.examples import CHECKOUT_ID, NOW, PAYMENT_ID, an


def known(event: type[Event], seconds: float, saga_id: UUID = CHECKOUT_ID) -> Known:
    """An event that was said so long after the beginning."""
    return Known(uuid4(), saga_id, event.name, NOW + timedelta(seconds=seconds))


def step(steps: Sequence[Step], name: str) -> Step:
    """The step of this name."""
    return next(one for one in steps if one.name == name)


def test_forgotten_event_belongs_to_its_cause() -> None:
    """The only cause that a step can have had is the one."""
    spend = step(point_steps.steps, "spend")
    cause, effect = known(checkout.Requested, 0), known(point.Spent, 1)

    assert matched(point_steps, [(spend, cause)], [effect]) == {("point.spend", cause.event_id): effect}


def test_step_that_answers_twice_is_told_apart_by_time() -> None:
    """Each answer belongs to the cause that it followed most closely."""
    refund = step(point_steps.steps, "refund")
    causes = [known(reservation.Rejected, 0), known(reservation.Reverted, 2)]
    effects = [known(point.Refunded, 2.01), known(point.Refunded, 0.01)]

    found = matched(point_steps, [(refund, one) for one in causes], effects)

    assert found["point.refund", causes[0].event_id] == effects[1]
    assert found["point.refund", causes[1].event_id] == effects[0]


def test_two_steps_that_say_the_same_are_told_apart_by_time() -> None:
    """The pivot and its answer both say that seats are sold."""
    reserve, decide = step(seat_steps.steps, "reserve"), step(seat_steps.steps, "decide")
    paid, overdue = known(payment.Paid, 0), known(checkout.Overdue, 70)
    sold, sold_still = known(seat.Reserved, 0.1), known(seat.Reserved, 70.1)

    found = matched(seat_steps, [(reserve, paid), (decide, overdue)], [sold_still, sold])

    assert found == {("seat.reserve", paid.event_id): sold, ("seat.decide", overdue.event_id): sold_still}


def test_event_before_its_cause_is_none_of_its_own() -> None:
    """But clocks may differ by as much as everybody puts up with."""
    spend, cause = step(point_steps.steps, "spend"), known(checkout.Requested, 10)

    assert matched(point_steps, [(spend, cause)], [known(point.Spent, 6)])
    assert not matched(point_steps, [(spend, cause)], [known(point.Spent, 4)])


def test_what_a_clock_says_is_no_evidence() -> None:
    """A hold that ran out later was open before: its step is not blamed for what the clock has said."""
    open_, published = step(reservation_steps.steps, "open"), known(payment.Published, 0, PAYMENT_ID)

    assert says_by_clock(reservation_steps) == {reservation.Expired.name, reservation.GivenUp.name}
    assert not matched(reservation_steps, [(open_, published)], [known(reservation.Expired, 1, PAYMENT_ID)])


@pytest.mark.parametrize(
    ("outcome", "evidence", "verdict"),
    [
        (point.Spent.name, point.Spent, Verdict.AGREES),
        (point.Spent.name, None, Verdict.AGREES),
        (None, None, Verdict.AGREES),
        (point.Spent.name, point.Rejected, Verdict.STANDS),
        (None, seat.Rejected, Verdict.STANDS),
        (point.Rejected.name, point.Spent, Verdict.DIFFERS),
        (None, seat.Held, Verdict.DIFFERS),
    ],
)
def test_what_others_have_heard_is_binding(outcome: str | None, evidence: type[Event] | None, verdict: Verdict) -> None:
    """A refusal stands, whatever would be said now; what was done has to be done again or needs a person."""
    assert judged(outcome, evidence) is verdict


def test_request_is_made_again_from_what_was_held() -> None:
    """The seats and the deadline are in what seat_svc has said, so the request comes out as it was."""
    held = an(seat.Held)
    asked = request(held.payment_id, held.user_id, [priced.seat_id for priced in held.seats], held.deadline)

    again = remember(held, [])

    assert again is not None
    assert (again[0], [row.seat_id for row in again[1]]) == (asked[0], [row.seat_id for row in asked[1]])
    assert remember(held, again[1]) is None


def test_every_start_can_be_recalled() -> None:
    """Whatever a request begins has a step that begins it again for a database that has forgotten it."""
    for service in (point_steps, reservation_steps, payment_steps, seat_steps):
        assert {one.queue for one in starting(service).values()} == service.recalls.keys()


def test_recall_says_what_its_start_says() -> None:
    """A function that says something else is refused when it is declared."""

    def other(held: seat.Held) -> reservation.Expired:
        raise NotImplementedError

    with pytest.raises(DeclarationError, match="has to say what the start"):
        reservation_steps.recall(request)(other)
