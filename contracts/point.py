"""What point_svc says."""

from contracts.event import Checkout, Points, Reason, Refund, Refusal, Timed


class Spent(Checkout, Timed):
    """The price left the user's wallet."""

    amount: Points


class Rejected(Checkout, Refusal):
    """Nothing was spent."""


class Unspent(Checkout):
    """There is nothing to put back: the checkout has not spent, and never will."""

    reason: Reason


class Refunded(Checkout):
    """What `spent` took is back in the wallet."""

    amount: Points
    reason: Reason


class Repaid(Refund):
    """What `spent` took is back in the wallet, long after."""

    amount: Points
    reason: Reason
