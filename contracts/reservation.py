"""What reservation_svc says."""

from pydantic import AwareDatetime

from contracts.event import Checkout, Hold, Points, Reason, Refund, Refusal, SeatId, Timed


class Requested(Hold, Timed):
    """A user asked for these seats, and nobody may hold them after `deadline`."""

    seat_ids: tuple[SeatId, ...]


class Opened(Hold, end=True):
    """The seats are the user's to pay for until `expires_at`."""

    expires_at: AwareDatetime


class Closed(Hold, end=True, told=True):
    """The hold is over and nothing of it is left anywhere."""

    reason: Reason


class Expired(Hold):
    """The hold's time ran out, unpaid or not even opened; everything that it took is to be given back."""

    seat_ids: tuple[SeatId, ...]
    reason: Reason


class GivenUp(Hold):
    """The user gave the hold back, or its seats were revoked; everything that it took is to be given back."""

    seat_ids: tuple[SeatId, ...]
    reason: Reason


class Confirmed(Checkout, Timed):
    """The reservation of these seats is confirmed; `amount` is the sum of their prices."""

    amount: Points
    seat_ids: tuple[SeatId, ...]


class Rejected(Checkout, Refusal):
    """The reservation could not be confirmed."""


class Reverted(Checkout):
    """The reservation is back to what it was before `confirmed`."""

    reason: Reason


class Cancelled(Refund):
    """The reservation that the checkout had confirmed is no more; `amount` is the sum of its prices."""

    amount: Points
    reason: Reason
