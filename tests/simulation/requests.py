"""What fans, operators and clocks ask of the services of a world."""

from collections.abc import Callable, Collection
from functools import partial
from itertools import count
from uuid import UUID

from chassis.store.transaction import Transaction
from contracts.refund import Asker
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Refund
from payment_svc.steps import service as payment
from reservation_svc.models import Reservation
from reservation_svc.steps import service as reservation
from seat_svc.api import _put_back, _withdraw
from seat_svc.models import CALLED_OFF, ConcertDate, Seat, SeatStatus
from seat_svc.steps import service as seat
from tests.simulation.outside import STEPS, id_of
from tests.simulation.scenario import CHECKOUT_TIME, Safeguard, Trouble, Wish
from tests.simulation.world import World


def ask(world: World, wish: Wish, trouble: Trouble | None = None) -> None:
    """`POST /reservations`."""
    wished = (world.name(wish.name), wish.user_id, wish.seat_ids, world.clock("reservation") + CHECKOUT_TIME)

    async def work(transaction: Transaction) -> None:
        transaction.apply(STEPS["reservation.request"].function(*wished))

    world.request(reservation, work, trouble)


def check_out(world: World, wish: Wish, trouble: Trouble | None = None) -> None:
    """`POST /checkouts`, which refuses a payment that somebody else speaks for."""
    payment_id, checkout_id = id_of(wish.name), _next_checkout(world, wish)
    now = world.clock("payment")
    deadline = now + CHECKOUT_TIME
    world.asked.add(checkout_id)

    async def work(transaction: Transaction) -> None:
        (owed,) = await transaction.lock(Payment, "payment_id", [payment_id])
        if owed.status in free(world):
            transaction.apply(STEPS["payment.request"].function(owed, checkout_id, deadline, now))

    world.request(payment, work, trouble, lambda _: world.asked.discard(checkout_id))


def free(world: World) -> Collection[PaymentStatus]:
    """The states of a payment in which it can be checked out."""
    unlocked = Safeguard.SEMANTIC_LOCK in world.scenario.without
    return [PaymentStatus.PUBLISHED, *([PaymentStatus.PROCESSING, PaymentStatus.PAID] if unlocked else [])]


def paid(world: World) -> Collection[PaymentStatus]:
    """The states of a payment in which it can be given back."""
    unlocked = Safeguard.SEMANTIC_LOCK in world.scenario.without
    return [PaymentStatus.PAID, *([PaymentStatus.REFUNDING] if unlocked else [])]


def _next_checkout(world: World, wish: Wish) -> UUID:
    taken = {row.checkout_id for row in world.rows(Checkout)} | world.asked
    return world.name(next(name for n in count(1) if id_of(name := f"{wish.name}/{n}") not in taken))


def give_up(world: World, payment_id: UUID, trouble: Trouble | None = None) -> None:
    """`DELETE /reservations/{payment_id}`, which refuses a hold that a checkout has."""

    async def work(transaction: Transaction) -> None:
        rows = await transaction.lock(Reservation, "payment_id", [payment_id])
        transaction.apply(STEPS["reservation.give_up"].function(rows, world.clock("reservation")))

    world.request(reservation, work, trouble)


def give_back(world: World, checkout_id: UUID, asked_by: Asker, trouble: Trouble | None = None) -> None:
    """`POST /checkouts/{checkout_id}/refund`, which refuses one that has not completed or that is being refunded."""
    refund_id, now = _next_refund(world, checkout_id, asked_by), world.clock("payment")
    world.asked.add(refund_id)

    async def work(transaction: Transaction) -> None:
        (attempt,) = await transaction.find(Checkout, "checkout_id", [checkout_id])
        (owed,) = await transaction.lock(Payment, "payment_id", [attempt.payment_id])
        if attempt.status == CheckoutStatus.COMPLETED and owed.status in paid(world):
            reason = f"asked-by-{asked_by}"
            transaction.apply(STEPS["payment.give_back"].function(owed, refund_id, asked_by, reason, now))

    world.request(payment, work, trouble, lambda _: world.asked.discard(refund_id))


def _next_refund(world: World, checkout_id: UUID, asked_by: Asker) -> UUID:
    taken = {row.refund_id for row in world.rows(Refund)} | world.asked
    names = (f"{world.names[checkout_id]} back to {asked_by} {number}" for number in count(1))
    return world.name(next(name for name in names if id_of(name) not in taken))


def expire(world: World, payment_id: UUID, trouble: Trouble | None = None) -> None:
    """The clock of the holds judges one of them."""

    async def work(transaction: Transaction) -> None:
        rows = await transaction.lock(Reservation, "payment_id", [payment_id])
        transaction.apply(STEPS["reservation.expire"].function(rows, world.clock("reservation")))

    world.request(reservation, work, trouble)


def chase(world: World, checkout_id: UUID, trouble: Trouble | None = None) -> None:
    """The clock of the checkouts looks at one of them."""

    async def work(transaction: Transaction) -> None:
        (attempt,) = await transaction.lock(Checkout, "checkout_id", [checkout_id])
        transaction.apply(STEPS["payment.chase"].function(attempt, world.clock("payment")))

    world.request(payment, work, trouble)


def chase_refund(world: World, refund_id: UUID, trouble: Trouble | None = None) -> None:
    """The clock of the refunds looks at one of them."""

    async def work(transaction: Transaction) -> None:
        (wanted,) = await transaction.lock(Refund, "refund_id", [refund_id])
        transaction.apply(STEPS["payment.chase_refund"].function(wanted, world.clock("payment")))

    world.request(payment, work, trouble)


def revoke(world: World, payment_id: UUID, trouble: Trouble | None = None) -> None:
    """The job of seat_svc tells one payment that it cannot keep its seats."""

    async def work(transaction: Transaction) -> None:
        rows = await transaction.lock(Seat, "holder", [payment_id])
        transaction.apply(STEPS["seat.revoke"].function(rows, world.clock("seat")))

    world.request(seat, work, trouble)


def call_off(world: World, date_id: int, trouble: Trouble | None = None) -> None:
    """`POST /operations/dates/{date_id}/cancel`, as its statements in SQL do it."""
    now = world.clock("seat")

    async def work(transaction: Transaction) -> None:
        (evening,) = await transaction.lock(ConcertDate, "date_id", [date_id])
        evening.called_off_at = now
        for row in await transaction.lock(Seat, "date_id", [date_id]):
            row.revoked, row.revoke_at = CALLED_OFF, now if row.holder else None
            if row.status != SeatStatus.RESERVED:
                row.withdraw()

    world.request(seat, work, trouble)


def withdraw(world: World, seat_id: int, trouble: Trouble) -> None:
    """An operator takes a seat off sale, or back from whoever has bought it."""
    world.count(trouble)
    now = world.clock("seat")

    _operate(world, seat_id, partial(_withdraw, now=now))


def put_back(world: World, seat_id: int) -> None:
    """An operator puts a seat back, on sale or to whoever has it."""
    _operate(world, seat_id, _put_back)


def _operate(world: World, seat_id: int, change: Callable[[Seat], None]) -> None:
    """What an operator does to a seat whose evening is not called off."""

    async def work(transaction: Transaction) -> None:
        (row,) = await transaction.lock(Seat, "seat_id", [seat_id])
        if not row.is_called_off:
            change(row)

    world.request(seat, work, None)
