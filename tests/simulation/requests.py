"""What fans, operators and clocks ask of the services of a world."""

from collections.abc import Callable, Collection
from itertools import count
from uuid import UUID

from chassis.store.transaction import Transaction
from payment_svc.models import Checkout, Payment, PaymentStatus
from payment_svc.steps import service as payment
from reservation_svc.models import Reservation
from reservation_svc.steps import service as reservation
from seat_svc.models import Seat, SeatStatus
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


def _next_checkout(world: World, wish: Wish) -> UUID:
    taken = {row.checkout_id for row in world.rows(Checkout)} | world.asked
    return world.name(next(name for n in count(1) if id_of(name := f"{wish.name}/{n}") not in taken))


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


def withdraw(world: World, seat_id: int) -> None:
    """An operator takes a seat off sale."""
    world.count(Trouble.WITHDRAW)
    _operate(world, seat_id, lambda row: row.status != SeatStatus.WITHDRAWN, Seat.withdraw)


def put_back(world: World, seat_id: int) -> None:
    """An operator puts a withdrawn seat back."""
    _operate(world, seat_id, lambda row: row.status == SeatStatus.WITHDRAWN, Seat.put_back)


def _operate(world: World, seat_id: int, fits: Callable[[Seat], bool], change: Callable[[Seat], None]) -> None:
    """What an operator does to a seat that is not sold."""

    async def work(transaction: Transaction) -> None:
        (row,) = await transaction.lock(Seat, "seat_id", [seat_id])
        if row.status != SeatStatus.RESERVED and fits(row):
            change(row)

    world.request(seat, work, None)
