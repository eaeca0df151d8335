"""What must hold of each purchase, and of each that was taken back: everybody knows the same one."""

from collections import Counter
from collections.abc import Iterator

from contracts import refund
from contracts.checkout import Completed
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Refund, RefundStatus
from payment_svc.notices import Webhook
from point_svc.models import EntryType, PointHistory
from reservation_svc.models import Reservation
from seat_svc.models import Seat
from tests.simulation.world import World

AGREED = ("checkout_id", "payment_id", "user_id", "amount")
"""What a refund and what is told of it have in common"""


def platform(world: World) -> Iterator[str]:
    """It knows each outcome, once, and nothing else of the kind."""
    failed = {row.checkout_id for row in world.rows(Checkout) if row.status == CheckoutStatus.FAILED}
    outcomes = (
        (Webhook.PAID, {row.checkout_id for row in _purchases(world)}),
        (Webhook.REFUNDED, {row.refund_id for row in _refunds(world)}),
        (Webhook.FAILED, failed),
        (Webhook.CLOSED, {row.payment_id for row in world.rows(Reservation) if row.is_over}),
    )
    for kind, ended in outcomes:
        told = {key for key, one in world.platform.deliveries.items() if one.kind == kind}
        for one in ended ^ told:
            yield f"the platform {'knows' if one in told else 'does not know'} {kind} of {world.names[one]}"


def platform_in_turn(world: World) -> Iterator[str]:
    """It is told of a payment in the order in which things came to an end.

    A hold that was given up before it was opened has ended then, whatever is paid for it later in vain.
    """
    opened = {row.payment_id for row in world.rows(Reservation) if row.price is not None}
    told = {key: place for place, key in enumerate(world.platform.deliveries)}
    before = [(row.checkout_id, row.refund_id) for row in _refunds(world)]
    before += [(row.follows, row.checkout_id) for row in world.rows(Checkout) if row.follows is not None]
    owed = [row for row in world.rows(Payment) if row.payment_id in opened]
    before += [(row.last_outcome_id, row.payment_id) for row in owed if row.last_outcome_id is not None]
    for first, then in before:
        if first in told and then in told and told[first] > told[then]:
            yield f"the platform knew of {world.names[then]} before {world.names[first]}"


def one_purchase(world: World) -> Iterator[str]:
    """What each service knows of a completed checkout, and what the platform was told, is the same purchase."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    stories, refunded = world.platform.told(Webhook.PAID, Completed), {row.checkout_id for row in _refunds(world)}
    for row in (one for one in _purchases(world) if one.checkout_id not in refunded):
        name = world.names[row.checkout_id]
        entries = [entry for entry in world.rows(PointHistory) if entry.checkout_id == row.checkout_id]
        if [(one.type, one.amount, one.user_id) for one in entries] != [(EntryType.USE, row.amount, row.user_id)]:
            yield f"{name} completed for {row.amount}, and its points moved otherwise"
        paid = payments[row.payment_id]
        if not paid.is_paid_by(row.checkout_id) or paid.total_price != row.amount:
            yield f"{name} completed for {row.amount}, and its payment is {paid.status} for {paid.total_price}"
        held = [one for one in world.rows(Reservation) if one.payment_id == row.payment_id]
        if {one.is_confirmed_by(row.checkout_id) for one in held} != {True}:
            yield f"{name} completed, and its reservation is not confirmed by it"
        if sum(one.price or 0 for one in held) != row.amount:
            yield f"{name} completed for {row.amount}, and its seats were held for another price"
        sold = {one.seat_id: one.price for one in world.rows(Seat) if one.is_reserved_by(row.payment_id)}
        if sold.keys() != {one.seat_id for one in held}:
            yield f"{name} completed, and its seats are not sold to it"
        if (cost := sum(sold.values())) != row.amount:
            yield f"{name} completed for {row.amount}, and its seats cost {cost}"
        told = stories.get(row.checkout_id)
        if told is None or (told.payment_id, told.user_id, told.amount) != (row.payment_id, row.user_id, row.amount):
            yield f"{name} completed for {row.amount}, and the platform was told otherwise"
        if told is not None and set(told.seat_ids) != sold.keys():
            yield f"{name} completed, and the platform was told other seats"


def one_way_back(world: World) -> Iterator[str]:
    """Of a completed checkout that was refunded nothing is left but its history, which is that of one purchase."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    purchases = {row.checkout_id: row for row in _purchases(world)}
    paid, given_back = (
        world.platform.told(Webhook.PAID, Completed),
        world.platform.told(Webhook.REFUNDED, refund.Completed),
    )
    for back in _refunds(world):
        checkout_id = back.checkout_id
        name, row = world.names[checkout_id], purchases.get(checkout_id)
        if row is None or (row.payment_id, row.user_id, row.amount) != (back.payment_id, back.user_id, back.amount):
            yield f"{name} was refunded for {back.amount}, and was no such purchase"
        entries = [entry for entry in world.rows(PointHistory) if entry.checkout_id == checkout_id]
        moved = Counter((one.type, one.amount, one.user_id) for one in entries)
        if moved != Counter((kind, back.amount, back.user_id) for kind in (EntryType.USE, EntryType.REFUND)):
            yield f"{name} was refunded for {back.amount}, and its points moved otherwise"
        owed = payments[back.payment_id]
        known = owed.status, owed.checkout_id, owed.refund_id, owed.total_price
        if known != (PaymentStatus.REFUNDED, checkout_id, back.refund_id, back.amount):
            yield f"{name} was refunded, and its payment is {owed.status} for {owed.total_price}"
        held = [one for one in world.rows(Reservation) if one.payment_id == back.payment_id]
        if {one.is_cancelled_of(checkout_id) for one in held} != {True}:
            yield f"{name} was refunded, and its reservation is not cancelled"
        if any(one.holder == back.payment_id for one in world.rows(Seat)):
            yield f"{name} was refunded, and has seats"
        told, later = paid.get(checkout_id), given_back.get(back.refund_id)
        if told is None or (told.amount, set(told.seat_ids)) != (back.amount, {one.seat_id for one in held}):
            yield f"{name} completed for {back.amount}, and the platform was told otherwise"
        if later is None or any(getattr(later, one) != getattr(back, one) for one in AGREED):
            yield f"{name} was refunded for {back.amount}, and the platform was told otherwise"


def _purchases(world: World) -> list[Checkout]:
    return [row for row in world.rows(Checkout) if row.status == CheckoutStatus.COMPLETED]


def _refunds(world: World) -> list[Refund]:
    return [row for row in world.rows(Refund) if row.status == RefundStatus.COMPLETED]
