"""What payment_svc tells the external platform: each outcome under an id of its own, and in order for each payment.

The platform stores a webhook once by its id, so to tell it again is harmless. Whose turn it is, rows say: an outcome
waits until the one before it is answered for good. One of which no row is left was answered long ago.
"""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from chassis import By, Via
from contracts import checkout, payment, refund, reservation
from payment_svc.models import Checkout, Delivery, DeliveryStatus, Notice, Payment
from payment_svc.platform import Platform

CheckoutBefore = Annotated[Checkout | None, By("checkout_id", of="follows"), Via("attempt")]
AnswerBefore = Annotated[Notice | None, By("notice_id", of="follows"), Via("attempt")]
LastCheckout = Annotated[Checkout | None, By("checkout_id", of="last_outcome_id"), Via("owed")]
LastAnswer = Annotated[Notice | None, By("notice_id", of="last_outcome_id"), Via("owed")]
Outcome = checkout.Failed | reservation.Closed | refund.Completed


class Webhook(StrEnum):
    """The types of webhooks."""

    PAID = "payment.paid"
    REFUNDED = "payment.refunded"
    FAILED = "checkout.failed"
    CLOSED = "hold.closed"


async def send(completed: checkout.Completed, platform: Platform) -> tuple[payment.Sent | payment.SendFailed, Delivery]:
    """Tell the external platform about the payment. The checkout's id makes a repetition harmless."""
    refusal = await platform.deliver(completed.checkout_id, Webhook.PAID, completed)
    status = DeliveryStatus.FAILED if refusal else DeliveryStatus.SENT
    answered = Delivery(
        checkout_id=completed.checkout_id,
        payment_id=completed.payment_id,
        status=status,
        reason=refusal,
        refused=completed.model_dump_json() if refusal else None,
    )
    if refusal:
        return payment.SendFailed.after(completed, reason=refusal), answered
    return payment.Sent.after(completed), answered


async def notify(
    failed: checkout.Failed, platform: Platform
) -> tuple[payment.FailureSent | payment.FailureSendFailed, Notice]:
    """Tell the external platform about a checkout that failed. Its id makes a repetition harmless."""
    answered = await _told(platform, failed.checkout_id, Webhook.FAILED, failed)
    if answered.reason:
        return payment.FailureSendFailed.after(failed, reason=answered.reason), answered
    return payment.FailureSent.after(failed), answered


async def announce(
    closed: reservation.Closed, platform: Platform
) -> tuple[payment.ClosureSent | payment.ClosureSendFailed, Notice]:
    """Tell the external platform that a hold is over, and why. The payment's id makes a repetition harmless."""
    answered = await _told(platform, closed.payment_id, Webhook.CLOSED, closed)
    if answered.reason:
        return payment.ClosureSendFailed.after(closed, reason=answered.reason), answered
    return payment.ClosureSent.after(closed), answered


async def tell(
    completed: refund.Completed, platform: Platform
) -> tuple[payment.RefundSent | payment.RefundSendFailed, Notice]:
    """Tell the external platform about the refund. The refund's id makes a repetition harmless."""
    answered = await _told(platform, completed.refund_id, Webhook.REFUNDED, completed)
    if answered.reason:
        return payment.RefundSendFailed.after(completed, reason=answered.reason), answered
    return payment.RefundSent.after(completed), answered


def is_next(
    ended: checkout.Completed | checkout.Failed, attempt: Checkout | None, before: CheckoutBefore, answer: AnswerBefore
) -> bool:
    """The end of a checkout is told after that of the checkout that it follows."""
    return before is None or answer is not None


def is_last(closed: reservation.Closed, owed: Payment | None, before: LastCheckout, answer: LastAnswer) -> bool:
    """The end of a hold is told after those of all checkouts that have tried to pay it."""
    return before is None or answer is not None


def is_paid(completed: refund.Completed, sold: Checkout | None, answer: Delivery | None) -> bool:
    """A refund is told after the payment; one that was refused for good waits until an operator has sent it again."""
    return sold is None or (answer is not None and answer.status == DeliveryStatus.SENT)


async def _told(platform: Platform, notice_id: UUID, kind: Webhook, outcome: Outcome) -> Notice:
    """What the platform has answered."""
    refusal = await platform.deliver(notice_id, kind, outcome)
    return Notice(
        notice_id=notice_id,
        payment_id=outcome.payment_id,
        kind=kind,
        status=DeliveryStatus.FAILED if refusal else DeliveryStatus.SENT,
        reason=refusal,
        refused=outcome.model_dump_json() if refusal else None,
    )
