"""How payment_svc tells the platform of what is no payment, and what comes before what."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from contracts import checkout, payment, point, refund, reservation
from contracts.event import Event
from payment_svc.models import Delivery, DeliveryStatus, Notice, PaymentStatus
from payment_svc.notices import announce, is_last, is_next, is_paid, notify, tell
from payment_svc.platform import PlatformUnavailableError
from payment_svc.steps import cancel, close, request
from tests.unit.examples import (
    CHECKOUT_ID,
    DEADLINE,
    NOW,
    OTHER_CHECKOUT_ID,
    PAYMENT_ID,
    REFUND_ID,
    a_checkout,
    a_payment,
    an,
)
from tests.unit.test_payment_send import FakePlatform

Effect = Callable[[Any, FakePlatform], Awaitable[tuple[Event, Notice]]]
EFFECTS: list[tuple[Effect, Event, UUID, str, type[Event], type[Event]]] = [
    (notify, an(checkout.Failed), CHECKOUT_ID, "checkout.failed", payment.FailureSent, payment.FailureSendFailed),
    (announce, an(reservation.Closed), PAYMENT_ID, "hold.closed", payment.ClosureSent, payment.ClosureSendFailed),
    (tell, an(refund.Completed), REFUND_ID, "payment.refunded", payment.RefundSent, payment.RefundSendFailed),
]
ANSWERED = Notice(notice_id=OTHER_CHECKOUT_ID, payment_id=PAYMENT_ID, kind="some", status=DeliveryStatus.SENT)
BEFORE = a_checkout(checkout_id=OTHER_CHECKOUT_ID)


@pytest.mark.parametrize(("effect", "event", "notice_id", "kind", "sent", "_refused"), EFFECTS)
async def test_platform_is_told_under_the_id_of_what_ended(
    effect: Effect, event: Event, notice_id: UUID, kind: str, sent: type[Event], _refused: type[Event]
) -> None:
    """What it has answered is written down."""
    # given
    platform = FakePlatform(None)
    # when
    said, notice = await effect(event, platform)
    # then
    assert said == an(sent)
    assert platform.asked == [notice_id]
    assert platform.kinds == [kind]
    assert (notice.notice_id, notice.payment_id, notice.kind) == (notice_id, PAYMENT_ID, kind)
    assert (notice.status, notice.reason, notice.refused) == (DeliveryStatus.SENT, None, None)


@pytest.mark.parametrize(("effect", "event", "_id", "_kind", "_sent", "refused"), EFFECTS)
async def test_refusal_for_good_is_kept_with_what_was_refused(
    effect: Effect, event: Event, _id: UUID, _kind: str, _sent: type[Event], refused: type[Event]
) -> None:
    """So that an operator can have it told again."""
    # when
    said, notice = await effect(event, FakePlatform("platform-gone"))
    # then
    assert said == an(refused, reason="platform-gone")
    assert (notice.status, notice.reason) == (DeliveryStatus.FAILED, "platform-gone")
    assert type(event).model_validate_json(str(notice.refused)) == event


@pytest.mark.parametrize(("effect", "event"), [one[:2] for one in EFFECTS])
async def test_platform_that_is_down_is_asked_again(effect: Effect, event: Event) -> None:
    """What may work later is raised."""
    with pytest.raises(PlatformUnavailableError):
        await effect(event, FakePlatform(PlatformUnavailableError("the platform answered 503")))


@pytest.mark.parametrize("ended", [an(checkout.Completed), an(checkout.Failed)], ids=lambda event: event.name)
def test_end_of_a_checkout_waits_for_that_of_the_one_before(ended: checkout.Completed | checkout.Failed) -> None:
    """Until that is answered; a first one waits for nothing, nor does one of which nothing is left."""
    attempt = a_checkout(follows=OTHER_CHECKOUT_ID)

    assert not is_next(ended, attempt, BEFORE, None)
    assert is_next(ended, attempt, BEFORE, ANSWERED)
    assert is_next(ended, attempt, None, None)
    assert is_next(ended, None, None, None)


def test_end_of_a_hold_waits_for_that_of_its_last_checkout() -> None:
    """A hold that was refused has no payment, and so no checkout."""
    closed, owed = an(reservation.Closed), a_payment(PaymentStatus.CANCELLED, last_outcome_id=OTHER_CHECKOUT_ID)

    assert not is_last(closed, owed, BEFORE, None)
    assert is_last(closed, owed, BEFORE, ANSWERED)
    assert is_last(closed, owed, None, None)
    assert is_last(closed, None, None, None)


@pytest.mark.parametrize("status", DeliveryStatus)
def test_refund_waits_for_the_payment(status: DeliveryStatus) -> None:
    """Until the platform has taken it: one that it has refused may still be sent again, and must not come after."""
    completed, sold = an(refund.Completed), a_checkout()
    answer = Delivery(checkout_id=CHECKOUT_ID, payment_id=PAYMENT_ID, status=status)

    assert not is_paid(completed, sold, None)
    assert is_paid(completed, sold, answer) == (status is DeliveryStatus.SENT)
    assert is_paid(completed, None, None)


def test_checkout_follows_the_one_that_failed_before_it() -> None:
    """A first one follows nothing."""
    # given
    owed = a_payment()
    _, first = request(owed, OTHER_CHECKOUT_ID, DEADLINE, NOW)
    # when
    close(an(point.Rejected, checkout_id=OTHER_CHECKOUT_ID), first, owed, NOW)
    _, second = request(owed, CHECKOUT_ID, DEADLINE, NOW)
    # then
    assert (first.follows, second.follows) == (None, OTHER_CHECKOUT_ID)


def test_end_of_a_hold_comes_after_the_checkout_that_it_caught() -> None:
    """That one is bound to fail, and comes back to close itself."""
    # given
    owed, attempt = a_payment(PaymentStatus.PROCESSING, last_outcome_id=OTHER_CHECKOUT_ID), a_checkout()
    # when
    cancel(an(reservation.Expired), owed)
    # then
    assert owed.last_outcome_id == CHECKOUT_ID
    close(an(point.Refunded), attempt, owed, NOW)
    assert (owed.status, owed.last_outcome_id) == (PaymentStatus.CANCELLED, CHECKOUT_ID)


@pytest.mark.parametrize("last", [None, OTHER_CHECKOUT_ID])
def test_end_of_a_hold_comes_after_the_last_checkout_that_failed(last: UUID | None) -> None:
    """The payment remembers it, if there was any."""
    owed = a_payment(last_outcome_id=last)

    cancel(an(reservation.Expired), owed)

    assert owed.last_outcome_id == last
