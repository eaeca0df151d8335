"""What payment_svc says about a refund as a whole: it keeps the refund, so it publishes these."""

from enum import StrEnum

from pydantic import AwareDatetime

from contracts.event import Points, Reason, Refund


class Asker(StrEnum):
    """Who wants a refund: the evening's own rules bind a buyer, and an operator less."""

    BUYER = "buyer"
    OPERATOR = "operator"


class Requested(Refund, service="payment"):
    """A payment is to be given back; `reason` is why somebody wants it."""

    asked_by: Asker
    reason: Reason


class Overdue(Refund, service="payment"):
    """The refund should have ended, and payment_svc does not know how: who does is asked."""

    asked_by: Asker
    reason: Reason


class Completed(Refund, service="payment"):
    """The points are back in the wallet, and nothing of the sale is left; the outside may be told."""

    amount: Points
    reason: Reason
    completed_at: AwareDatetime


class Failed(Refund, service="payment", end=True):
    """Nothing was given back; the payment stands as before."""

    reason: Reason
