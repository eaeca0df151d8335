"""What payment_svc says about a checkout as a whole: it keeps the checkout, so it publishes these."""

from typing import Any

from pydantic import AwareDatetime

from contracts.event import Checkout, Points, Reason, SeatId, Timed, upcaster


class Requested(Checkout, Timed, service="payment"):
    """A user asked to pay; `amount` comes from the payment's own row, and nobody may act after `deadline`."""

    amount: Points


class Completed(Checkout, service="payment", version=2):
    """The seats are the user's; the payment stands and may be told to the outside."""

    amount: Points
    seat_ids: tuple[SeatId, ...]
    completed_at: AwareDatetime


@upcaster(Completed, version=1)
def name_no_seats(completed: dict[str, Any]) -> dict[str, Any]:
    """Version 1 did not name the seats; which they were, the payment can tell."""
    return completed | {"seat_ids": []}


class Failed(Checkout, service="payment", end=True):
    """Everything that the checkout had done is undone; the hold stands as before."""

    reason: Reason
