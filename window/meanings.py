"""Meanings: which events move points, seats and deliveries. Conservation needs to know, and no published file says it.

This table is all that the window knows of what services do. A test holds that every name in it is published.
"""

from collections.abc import Mapping
from enum import StrEnum


class Meaning(StrEnum):
    """What an event says about what must not get lost."""

    SPENDS = "spends"
    REFUNDS = "refunds"
    PAYS = "pays"
    UNPAYS = "unpays"
    """Takes back what was paid, or sees to it that it never is"""
    SELLS = "sells"
    RELEASES = "releases"
    COMPLETES = "completes"
    REPAYS = "repays"
    """Puts back what a completed checkout has spent"""
    GIVES_BACK = "gives-back"
    """A payment is refunded: what was paid is not any more"""
    DELIVERS = "delivers"
    GIVES_UP = "gives-up"
    """Tried to deliver and was refused for good"""


MEANINGS: Mapping[str, Meaning] = {
    "point.spent": Meaning.SPENDS,
    "point.refunded": Meaning.REFUNDS,
    "payment.paid": Meaning.PAYS,
    "payment.reverted": Meaning.UNPAYS,
    "seat.reserved": Meaning.SELLS,
    "seat.released": Meaning.RELEASES,
    "seat.vacated": Meaning.RELEASES,
    "checkout.completed": Meaning.COMPLETES,
    "point.repaid": Meaning.REPAYS,
    "refund.completed": Meaning.GIVES_BACK,
    "payment.sent": Meaning.DELIVERS,
    "payment.refund-sent": Meaning.DELIVERS,
    "payment.send-failed": Meaning.GIVES_UP,
    "payment.refund-send-failed": Meaning.GIVES_UP,
}

AMOUNT = "amount"
"""The field of what spends, refunds, pays, repays or gives back that says how much"""
SEATS = "seat_ids"
"""The field of what sells that says which seats"""
HOLDER = "payment_id"
"""The field of what sells or releases that says in whose name"""
