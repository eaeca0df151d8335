"""What begins something in a world: what fans and operators want, and what clocks and jobs find to do."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from uuid import UUID

from contracts.refund import Asker
from payment_svc.models import Checkout, CheckoutStatus, Payment, Refund, RefundStatus
from reservation_svc.models import Reservation, Status
from seat_svc.models import Seat
from tests.simulation import requests
from tests.simulation.outside import id_of
from tests.simulation.scenario import Wish
from tests.simulation.world import World

Beginnings = Iterator[tuple[str, partial[None]]]


def starts(world: World) -> Beginnings:
    """Fans who ask for seats, want to pay or want it no more, and what clocks and jobs do."""
    statuses = {row.payment_id: row.status for row in world.rows(Payment)}
    attempts = Counter(row.payment_id for row in world.rows(Checkout))
    for wish in world.scenario.wishes:
        if id_of(wish.name) not in world.names:
            yield f"{wish.name} asks for {_listed(wish)}", partial(requests.ask, wish=wish)
        elif attempts[id_of(wish.name)] < wish.checkouts and statuses.get(id_of(wish.name)) in requests.free(world):
            yield f"{wish.name} checks out", partial(requests.check_out, wish=wish)
    yield from _takings_back(world)
    for payment_id in due(world, Status.TEMP):
        yield f"{world.names[payment_id]} expires", partial(requests.expire, payment_id=payment_id)
    yield from calls(world)
    if world.scenario.is_asked:
        yield from asked(world)


def _takings_back(world: World) -> Beginnings:
    """Fans who give back what they hold or have bought, and operators who do it for them."""
    live = {row.payment_id for row in world.rows(Reservation) if row.is_on_its_way or row.status == Status.CONFIRMED}
    paid = {row.payment_id: row.checkout_id for row in world.rows(Payment) if row.status in requests.paid(world)}
    completed = {row.checkout_id for row in world.rows(Checkout) if row.status == CheckoutStatus.COMPLETED}
    asked_for = Counter((row.payment_id, row.asked_by) for row in world.rows(Refund))
    for wish in world.scenario.wishes:
        payment_id = id_of(wish.name)
        if wish.gives_up and payment_id in live:
            yield f"{wish.name} gives the hold back", partial(requests.give_up, payment_id=payment_id)
        if (checkout_id := paid.get(payment_id)) in completed and checkout_id is not None:
            for asker, most in ((Asker.BUYER, wish.refunds), (Asker.OPERATOR, wish.operator_refunds)):
                if asked_for[payment_id, asker] < most:
                    name = f"{asker} wants {world.names[checkout_id]} back"
                    yield name, partial(requests.give_back, checkout_id=checkout_id, asked_by=asker)


def calls(world: World) -> Beginnings:
    """Whom the job of seat_svc tells that their seats are revoked."""
    now = world.clock("seat")
    due = (row.holder for row in world.rows(Seat) if row.revoke_at is not None and row.revoke_at <= now)
    for payment_id in dict.fromkeys(due):
        if payment_id is not None:
            yield f"{world.names[payment_id]} is revoked", partial(requests.revoke, payment_id=payment_id)


def asked(world: World) -> Beginnings:
    """What the clocks ask about, because it should have ended."""
    for attempt in world.rows(Checkout):
        if attempt.is_overdue(world.clock("payment")):
            yield (
                f"{world.names[attempt.checkout_id]} is asked about",
                partial(requests.chase, checkout_id=attempt.checkout_id),
            )
    for wanted in world.rows(Refund):
        if wanted.is_overdue(world.clock("payment")):
            yield (
                f"{world.names[wanted.refund_id]} is asked about",
                partial(requests.chase_refund, refund_id=wanted.refund_id),
            )
    now = world.clock("reservation")
    unanswered = (row for row in world.rows(Reservation) if row.status != Status.TEMP and row.is_due(now))
    for payment_id in dict.fromkeys(row.payment_id for row in unanswered):
        yield f"{world.names[payment_id]} is asked about", partial(requests.expire, payment_id=payment_id)


def due(world: World, status: Status) -> dict[UUID, None]:
    """Holds in this state whose time is up."""
    rows = (row for row in world.rows(Reservation) if row.status == status)
    now = world.clock("reservation")
    return dict.fromkeys(row.payment_id for row in rows if row.expires_at is not None and row.expires_at <= now)


def _listed(wish: Wish) -> str:
    return f"seat {' and '.join(map(str, wish.seat_ids))}"


def is_waiting(world: World) -> bool:
    """Whether a clock waits for the end of something."""
    checkouts = any(row.status == CheckoutStatus.PENDING for row in world.rows(Checkout))
    refunds = any(row.status == RefundStatus.PENDING for row in world.rows(Refund))
    return checkouts or refunds or any(row.ask_at is not None for row in world.rows(Reservation))


def is_revoking(world: World) -> bool:
    """Whether somebody has seats who cannot keep them, and is to be told, perhaps again."""
    return any(row.revoke_at is not None for row in world.rows(Seat))
