"""What payment_svc says about a checkout as a whole: it keeps the checkout, so it publishes these."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime

from contracts.event import Checkout, Points, Reason, SeatId, Timed, is_past, upcaster


class Requested(Checkout, Timed, service="payment"):
    """A user asked to pay; `amount` comes from the payment's own row, and nobody may act after `deadline`."""

    amount: Points


class Overdue(Checkout, service="payment"):
    """The checkout should have ended at `deadline`, and payment_svc does not know how: who does is asked."""

    amount: Points
    deadline: AwareDatetime

    def is_past(self, now: datetime) -> bool:
        """Whether the deadline has passed at `now` for the one who is asked, too."""
        return is_past(self.deadline, now)


class Completed(Checkout, service="payment", version=2):
    """The seats are the user's; the payment stands and may be told to the outside."""

    amount: Points
    seat_ids: tuple[SeatId, ...]
    completed_at: AwareDatetime


@upcaster(Completed, version=1)
def name_no_seats(completed: dict[str, Any]) -> dict[str, Any]:
    """Version 1 did not name the seats, so they are not named: only seat_svc could tell which they were."""
    return completed | {"seat_ids": []}


class Failed(Checkout, service="payment", end=True, told=True):
    """Everything that the checkout had done is undone; the hold stands as before."""

    reason: Reason
