"""What can happen next in a world, each under a name that means the same in every run.

A list of such names is a complete and readable account of a run, and whoever finds a bad one can keep it as a test.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

from contracts.event import Event, Timed
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus
from reservation_svc.models import Reservation, Status
from seat_svc.models import Seat, SeatStatus
from tests.simulation.outside import STEPS, id_of
from tests.simulation.scenario import FAILURES, Safeguard, Trouble, Wish
from tests.simulation.world import PASSES, World

Happening = Callable[[World], None]
Named = Iterator[tuple[str, Happening]]

UNDER_NO_CLOCK = ("payment.send",)
"""Steps after the pivot that no clock asks about: what is parked there waits for a person."""

REMEMBERED = ("seat.hold", "seat.reserve")
"""Steps that only their inbox keeps from doing an old thing once more, until its deadline does."""


def plain(world: World) -> dict[str, Happening]:
    """What happens when all goes well; in which order is up to the broker."""
    return dict(_plain(world))


def trouble(world: World) -> dict[str, Happening]:
    """What an adversary may add, as long as its budget lasts."""
    return dict(_trouble(world)) if world.trouble < world.scenario.max_trouble else {}


def _plain(world: World) -> Named:
    yield from _starts(world)
    for name, (queue, event_id) in _messages(world):
        yield f"deliver {name}", partial(World.deliver, queue=queue, event_ids=[event_id])
    for queue, event_ids in _batches(world):
        yield f"deliver all to {queue} in one batch", partial(World.deliver, queue=queue, event_ids=event_ids)
    for service, database in world.databases.items():
        if database.outbox:
            yield f"sweep {service}", partial(World.sweep, service=service)
    for row in world.rows(Seat):
        if row.status == SeatStatus.WITHDRAWN:
            yield f"return seat {row.seat_id}", partial(World.put_back, seat_id=row.seat_id)


def _trouble(world: World) -> Named:
    for kind in world.scenario.trouble:
        if kind in PASSES:
            yield str(kind), partial(World.wait, trouble=kind)
        elif kind is Trouble.WITHDRAW:
            yield from _withdrawals(world)
        elif kind is Trouble.OUTDATED_LOOK:
            yield from _outdated_looks(world)
        elif kind is Trouble.REPLAY:
            yield from _replays(world)
        elif kind in (Trouble.DISCARD, Trouble.DUPLICATE):
            yield from _handling(world, kind)
        else:
            yield from _failures(world, kind)


def _outdated_looks(world: World) -> Named:
    for payment_id in _due(world, Status.CONFIRMED):
        name = f"{world.names[payment_id]} expires, {Trouble.OUTDATED_LOOK}"
        yield name, partial(World.expire, payment_id=payment_id, trouble=Trouble.OUTDATED_LOOK)


def _handling(world: World, kind: Trouble) -> Named:
    """What happens to a message by itself: it comes twice, or it is lost where a clock will notice."""
    happening = World.duplicate if kind is Trouble.DUPLICATE else World.discard
    for name, (queue, event_id) in _messages(world):
        if kind is Trouble.DUPLICATE or queue not in UNDER_NO_CLOCK:
            yield f"{kind} {name}", partial(happening, queue=queue, event_id=event_id)


def _failures(world: World, kind: Trouble) -> Named:
    """The same as when all goes well, but in the middle of it something breaks."""
    if kind is not Trouble.RAISE_FIRST:  # of one message, the first is any
        for name, (queue, event_id) in _messages(world):
            yield f"deliver {name}, {kind}", partial(World.deliver, queue=queue, event_ids=[event_id], trouble=kind)
    for queue, event_ids in _batches(world):
        name = f"deliver all to {queue} in one batch, {kind}"
        yield name, partial(World.deliver, queue=queue, event_ids=event_ids, trouble=kind)
    if kind in FAILURES:
        for name, start in _starts(world):
            yield f"{name}, {kind}", partial(start, trouble=kind)


def _starts(world: World) -> Iterator[tuple[str, partial[None]]]:
    """Fans who ask for seats or want to pay, and holds whose time is up."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    for wish in world.scenario.wishes:
        if id_of(wish.name) not in world.names:
            yield f"{wish.name} asks for {_listed(wish)}", partial(World.ask, wish=wish)
        elif _may_check_out(world, wish, payments.get(id_of(wish.name))):
            yield f"{wish.name} checks out", partial(World.check_out, wish=wish)
    for payment_id in _due(world, Status.TEMP):
        yield f"{world.names[payment_id]} expires", partial(World.expire, payment_id=payment_id)
    if world.scenario.is_asked:
        yield from asked(world)


def asked(world: World) -> Iterator[tuple[str, partial[None]]]:
    """What the clocks ask about, because it should have ended."""
    for attempt in world.rows(Checkout):
        if attempt.is_overdue(world.now):
            yield (
                f"{world.names[attempt.checkout_id]} is asked about",
                partial(World.chase, checkout_id=attempt.checkout_id),
            )
    unanswered = (row for row in world.rows(Reservation) if row.status != Status.TEMP and row.is_due(world.now))
    for payment_id in dict.fromkeys(row.payment_id for row in unanswered):
        yield f"{world.names[payment_id]} is asked about", partial(World.expire, payment_id=payment_id)


def _may_check_out(world: World, wish: Wish, owed: Payment | None) -> bool:
    """Whether `POST /checkouts` would take it: the payment is there, and nobody speaks for it."""
    free = {PaymentStatus.PUBLISHED}
    if Safeguard.SEMANTIC_LOCK in world.scenario.without:
        free |= {PaymentStatus.PROCESSING, PaymentStatus.PAID}
    attempts = sum(row.payment_id == id_of(wish.name) for row in world.rows(Checkout))
    return owed is not None and owed.status in free and attempts < wish.checkouts


def _due(world: World, status: Status) -> dict[UUID, None]:
    """Holds in this state whose time is up."""
    rows = (row for row in world.rows(Reservation) if row.status == status)
    return dict.fromkeys(row.payment_id for row in rows if row.expires_at is not None and row.expires_at <= world.now)


def _messages(world: World) -> Iterator[tuple[str, tuple[str, UUID]]]:
    """The messages that wait, in the order of their arrival."""
    seen: set[str] = set()
    for queue, event_id in world.pending:
        name = _name(world, queue, event_id)
        while name in seen:
            name += " again"
        seen.add(name)
        yield name, (queue, event_id)


def _batches(world: World) -> Iterator[tuple[str, list[UUID]]]:
    """Queues with several messages, a message that waits twice counting twice."""
    waiting = defaultdict(list)
    for queue, event_id in world.pending.elements():
        waiting[queue].append(event_id)
    return ((queue, event_ids) for queue, event_ids in waiting.items() if len(event_ids) > 1)


def _withdrawals(world: World) -> Named:
    for row in world.rows(Seat):
        if row.status not in (SeatStatus.WITHDRAWN, SeatStatus.RESERVED):
            yield f"{Trouble.WITHDRAW} {row.seat_id}", partial(World.withdraw, seat_id=row.seat_id)


def _replays(world: World) -> Named:
    """Messages of sagas that have ended, so long ago that the inbox has forgotten them."""
    over = {row.checkout_id for row in world.rows(Checkout) if row.status != CheckoutStatus.PENDING}
    over |= {row.payment_id for row in world.rows(Reservation) if row.status in (Status.REJECTED, Status.EXPIRED)}
    handled = {key for database in world.databases.values() for key in database.inbox}
    for event_id, envelope in world.envelopes.items():
        if envelope.event.saga_id in over:
            for queue in STEPS:
                if (queue, event_id) in handled and not _is_remembered(world, queue, envelope.event):
                    name = _name(world, queue, event_id)
                    yield f"{Trouble.REPLAY} {name}", partial(World.replay, queue=queue, event_id=event_id)


def _is_remembered(world: World, queue: str, event: Event) -> bool:
    """Whether the inbox must not have forgotten it yet."""
    return queue in REMEMBERED and isinstance(event, Timed) and world.now < event.deadline


def _name(world: World, queue: str, event_id: UUID) -> str:
    event = world.envelopes[event_id].event
    return f"{event.name} of {world.names[event.saga_id]} to {queue}"


def _listed(wish: Wish) -> str:
    return f"seat {' and '.join(map(str, wish.seat_ids))}"
