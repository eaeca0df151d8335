"""What payment_svc says about a payment."""

from contracts.event import Checkout, Hold, Points, Reason, Refund, Refusal, SeatId, Timed
from contracts.seat import PricedSeat


class Published(Hold):
    """A payment over `total_price`, the sum of the prices of `seats`, can now be paid."""

    seats: tuple[PricedSeat, ...]
    total_price: Points


class PublishRejected(Hold, Refusal):
    """No payment was made for the held seats."""

    seat_ids: tuple[SeatId, ...]


class Cancelled(Hold):
    """The payment can never be paid any more."""

    seat_ids: tuple[SeatId, ...]
    reason: Reason


class Paid(Checkout, Timed):
    """The payment is paid."""

    amount: Points
    seat_ids: tuple[SeatId, ...]


class Rejected(Checkout, Refusal):
    """The payment was not paid."""


class Reverted(Checkout):
    """The payment is no longer paid, and still spoken for by the checkout."""

    reason: Reason


class Sent(Checkout, end=True):
    """The external platform has the payment."""


class SendFailed(Checkout, end=True):
    """The external platform refuses this delivery for good; a person has to look."""

    reason: Reason


class FailureSent(Checkout, end=True):
    """The external platform knows that the checkout failed."""


class FailureSendFailed(Checkout, end=True):
    """The external platform refuses to hear of the failed checkout for good; a person has to look."""

    reason: Reason


class ClosureSent(Hold, end=True):
    """The external platform knows that the hold is over."""


class ClosureSendFailed(Hold, end=True):
    """The external platform refuses to hear of the end of the hold for good; a person has to look."""

    reason: Reason


class RefundSent(Refund, end=True):
    """The external platform knows that the payment was refunded."""


class RefundSendFailed(Refund, end=True):
    """The external platform refuses to hear of the refund for good; a person has to look."""

    reason: Reason
