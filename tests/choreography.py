"""The three choreographies, written out by hand once: what the tests believe of them is here, or follows from it."""

HEARS_AND_SAYS = {
    # the hold
    "seat.hold": ("reservation.requested", "seat.held / seat.hold-rejected"),
    "payment.publish": ("seat.held", "payment.published / payment.publish-rejected"),
    "reservation.open": ("payment.published", "reservation.opened / reservation.expired / reservation.given-up"),
    # its way back: from a refusal, or (the last two) from a hold whose time is up, or that nobody wants any more
    "reservation.reject": ("seat.hold-rejected / seat.released", "reservation.closed"),
    "payment.cancel": ("reservation.expired / reservation.given-up", "payment.cancelled"),
    "reservation.revoke": ("seat.revoked", "reservation.given-up"),
    "seat.release": ("payment.publish-rejected / payment.cancelled", "seat.released"),
    "payment.announce": ("reservation.closed", "payment.closure-sent / payment.closure-send-failed"),
    # the checkout
    "point.spend": ("checkout.requested", "point.spent / point.rejected"),
    "reservation.confirm": ("point.spent", "reservation.confirmed / reservation.rejected"),
    "payment.pay": ("reservation.confirmed", "payment.paid / payment.rejected"),
    "seat.reserve": ("payment.paid", "seat.reserved / seat.rejected"),
    "payment.complete": ("seat.reserved", "checkout.completed"),
    "payment.send": ("checkout.completed", "payment.sent / payment.send-failed"),
    # its way back
    "payment.revert": ("seat.rejected", "payment.reverted"),
    "reservation.revert": ("payment.rejected / payment.reverted", "reservation.reverted"),
    "point.refund": ("reservation.rejected / reservation.reverted", "point.refunded / point.unspent"),
    "payment.close": ("point.rejected / point.refunded / point.unspent", "checkout.failed"),
    "payment.notify": ("checkout.failed", "payment.failure-sent / payment.failure-send-failed"),
    # what the clock asks about a checkout that nobody has ended
    "seat.decide": ("checkout.overdue", "seat.reserved / seat.rejected"),
    # the refund, begun by a request or by what is called out
    "payment.revoke": ("seat.revoked", "refund.requested"),
    "seat.vacate": ("refund.requested", "seat.vacated / seat.kept"),
    "reservation.cancel": ("seat.vacated", "reservation.cancelled"),
    "point.repay": ("reservation.cancelled", "point.repaid"),
    "payment.settle": ("point.repaid", "refund.completed"),
    "payment.tell": ("refund.completed", "payment.refund-sent / payment.refund-send-failed"),
    # its way back, and what the clock asks
    "payment.keep": ("seat.kept", "refund.failed"),
    "seat.vouch": ("refund.overdue", "seat.vacated / seat.kept"),
}
BEGUN = {
    "reservation.request": "reservation.requested",
    "reservation.expire": "reservation.expired / reservation.given-up",
    "reservation.give_up": "reservation.given-up",
    "reservation.revoke": "reservation.given-up",
    "seat.revoke": "seat.revoked",
    "payment.request": "checkout.requested",
    "payment.chase": "checkout.overdue",
    "payment.give_back": "refund.requested",
    "payment.revoke": "refund.requested",
    "payment.chase_refund": "refund.overdue",
}
UNDOES = {
    "seat.release": "seat.hold",
    "payment.cancel": "payment.publish",
    "reservation.reject": "reservation.request",
    "reservation.expire": "reservation.open",
    "reservation.give_up": "reservation.open",
    "reservation.revoke": "reservation.open",
    "point.refund": "point.spend",
    "reservation.revert": "reservation.confirm",
    "payment.revert": "payment.pay",
    "payment.close": "payment.request",
    "payment.keep": "payment.give_back",
}
REVERSES = {
    "seat.vacate": "seat.reserve",
    "reservation.cancel": "reservation.confirm",
    "point.repay": "point.spend",
    "payment.settle": "payment.pay",
}
PIVOT = "seat.reserve"
PIVOTS = [PIVOT, "seat.vacate"]
EFFECTS = ["payment.send", "payment.notify", "payment.announce", "payment.tell"]
ENDS = {
    *("reservation.opened", "reservation.closed", "payment.closure-sent", "payment.closure-send-failed"),
    *("payment.sent", "payment.send-failed", "checkout.failed", "payment.failure-sent", "payment.failure-send-failed"),
    *("payment.refund-sent", "payment.refund-send-failed", "refund.failed"),
}
TOLD = {"reservation.closed", "checkout.failed"}
"""The ends of which the platform is told"""


def names(cell: str) -> set[str]:
    """The names in a cell of the table."""
    return set(cell.split(" / "))


def exchange(event: str) -> str:
    """The service that says an event: what is about a checkout or a refund as a whole is said by payment_svc."""
    return "payment" if event.startswith(("checkout.", "refund.")) else event.partition(".")[0]


def heard_by(step: str) -> list[str]:
    """The events that a step hears."""
    return sorted(names(HEARS_AND_SAYS[step][0]))


def way_out() -> dict[str, str]:
    """The steps from the request of a checkout to the pivot, and what each of them hears."""
    steps: dict[str, str] = {}
    event = BEGUN["payment.request"]
    while PIVOT not in steps:
        (step,) = (one for one, (hears, _) in HEARS_AND_SAYS.items() if event in names(hears))
        steps[step] = event
        event = HEARS_AND_SAYS[step][1].partition(" / ")[0]
    return steps


def completed() -> list[str]:
    """What is said in a checkout that completes."""
    return [*way_out().values(), "seat.reserved", "checkout.completed", "payment.sent"]


def way_back(step: str) -> list[str]:
    """What is said in a checkout once this step has refused, to the end, where each has something to undo."""
    said = [HEARS_AND_SAYS[step][1].partition(" / ")[2]]
    while said[-1] not in ENDS - TOLD:
        (following,) = (says for hears, says in HEARS_AND_SAYS.values() if said[-1] in names(hears))
        said.append(following.partition(" / ")[0])
    return said
