"""What must hold whenever everything has come to rest, asked of rows and of the platform's own log."""

from collections import Counter
from collections.abc import Iterator

from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Kind
from contracts.checkout import Overdue
from contracts.event import Timed
from contracts.seat import Reserved
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Refund, RefundStatus
from point_svc.models import EntryType, PointHistory, Wallet
from reservation_svc.models import Reservation, Status
from seat_svc.models import ConcertDate, Seat, SeatStatus
from tests.simulation.outside import STEPS
from tests.simulation.purchases import one_purchase, one_way_back, platform, platform_in_turn
from tests.simulation.world import World

WAS_PAID = (PaymentStatus.PAID, PaymentStatus.REFUNDED)
OWNING = (Status.TEMP, Status.CONFIRMED)
CHANGE = {EntryType.CHARGE: 1, EntryType.REFUND: 1, EntryType.USE: -1}

REQUESTS = {event for step in STEPS.values() if step.kind is Kind.START for event in step.says}


def violations(world: World) -> list[str]:
    """What is wrong, one sentence each; empty when nothing is."""
    return [
        f"{name}: {what}"
        for name, invariant in (
            ("I1 money", _money),
            ("I2 one owner", _one_owner),
            ("I3 sold seats", _sold_seats),
            ("I4 checkouts and refunds end", _all_end),
            ("I5 failed checkouts leave nothing", _nothing_left),
            ("I6 platform", platform),
            ("I6 platform in turn", platform_in_turn),
            ("I7 nothing is parked", _nothing_parked),
            ("I8 nothing waits", _nothing_waits),
            ("I11 one purchase", one_purchase),
            ("I12 one purchase and its way back", one_way_back),
            ("I13 called-off evenings are over", _called_off),
            ("holds agree", _holds_agree),
            ("dates are nobody's to change", _dates_stay),
            ("deadlines hold", _deadlines_hold),
            ("messages stay as they are", _messages_unchanged),
            ("nobody waits in a circle", _no_deadlock),
        )
        for what in invariant(world)
    ]


def _money(world: World) -> Iterator[str]:
    history = world.rows(PointHistory)
    charged = sum(entry.amount for entry in history if entry.type == EntryType.CHARGE)
    paid = sum(row.total_price for row in world.rows(Payment) if row.status == PaymentStatus.PAID)
    balances = sum(wallet.balance for wallet in world.rows(Wallet))
    if balances + paid != charged:
        yield f"balances {balances} + paid {paid} are not the charged {charged}"
    for wallet in world.rows(Wallet):
        moved = sum(CHANGE[entry.type] * entry.amount for entry in history if entry.user_id == wallet.user_id)
        if wallet.balance != moved or wallet.balance < 0:
            yield f"{wallet.user_id} has {wallet.balance}, the history says {moved}"


def _one_owner(world: World) -> Iterator[str]:
    owned = Counter(row.seat_id for row in world.rows(Reservation) if row.status in OWNING)
    for seat_id, owners in owned.items():
        if owners > 1:
            yield f"seat {seat_id} has {owners} owners"


def _sold_seats(world: World) -> Iterator[str]:
    """The three services that know of a sale agree on it, seat by seat."""
    paid = {row.payment_id for row in world.rows(Payment) if row.status == PaymentStatus.PAID}
    confirmed = {(row.payment_id, row.seat_id) for row in world.rows(Reservation) if row.status == Status.CONFIRMED}
    sold = {(row.holder, row.seat_id) for row in world.rows(Seat) if row.status == SeatStatus.RESERVED}
    if confirmed != sold:
        yield f"{len(confirmed - sold)} confirmed seats are not sold, {len(sold - confirmed)} sold are not confirmed"
    if paid != {payment_id for payment_id, _ in confirmed}:
        yield "the paid payments are not those of the confirmed reservations"


def _all_end(world: World) -> Iterator[str]:
    for row in world.rows(Checkout):
        if row.status == CheckoutStatus.PENDING:
            yield f"{world.names[row.checkout_id]} is still pending"
    for wanted in world.rows(Refund):
        if wanted.status == RefundStatus.PENDING:
            yield f"{world.names[wanted.refund_id]} is still pending"


def _nothing_left(world: World) -> Iterator[str]:
    """Points are back, and nothing that could still be paid for names a checkout that has failed."""
    failed = {row.checkout_id for row in world.rows(Checkout) if row.status == CheckoutStatus.FAILED}
    for checkout_id in failed:
        entries = [entry for entry in world.rows(PointHistory) if entry.checkout_id == checkout_id]
        if sum(CHANGE[entry.type] * entry.amount for entry in entries) != 0:
            yield f"{world.names[checkout_id]} failed, and its points are not back"
    for row in world.rows(Payment):
        if (row.status in WAS_PAID) != (row.paid_at is not None):
            yield f"a Payment is {row.status}, and was paid at {row.paid_at}"
    rows: list[Payment | Reservation] = [*world.rows(Payment), *world.rows(Reservation)]
    for named in rows:
        if named.checkout_id in failed and named.status not in (PaymentStatus.CANCELLED, Status.EXPIRED):
            yield f"{world.names[named.checkout_id]} failed, and a {type(named).__name__} is still {named.status}"


def _called_off(world: World) -> Iterator[str]:
    """Nobody has a seat of an evening that was called off, and nobody can."""
    over = {row.date_id for row in world.rows(ConcertDate) if row.called_off_at is not None}
    for row in world.rows(Seat):
        if row.date_id in over and (row.status, row.holder) != (SeatStatus.WITHDRAWN, None):
            yield f"seat {row.seat_id} is {row.status}, of an evening that was called off"


def _nothing_waits(world: World) -> Iterator[str]:
    for queue, event_id in world.pending:
        name = world.envelopes[event_id].event.name
        yield f"{name} waits in {queue}: {world.errors.get((queue, event_id))!r}"
    for service, database in world.databases.items():
        if database.outbox:
            yield f"the outbox of {service} holds {len(database.outbox)}"


def _nothing_parked(world: World) -> Iterator[str]:
    for (queue, event_id), error in world.parked.items():
        yield f"{world.envelopes[event_id].event.name} is parked by {queue}: {error}"


def _messages_unchanged(world: World) -> Iterator[str]:
    """What arrives is what was said, with its ids, its cause and its trace, also when it comes back from a retry."""
    for queue, event_id in world.altered:
        yield f"{world.envelopes[event_id].event.name} came to {queue} as something else"


def _no_deadlock(world: World) -> Iterator[str]:
    """Whoever locks several rows does so in an order in which nobody can wait for whoever waits for it."""
    for service, server in world.servers.items():
        for deadlock in server.deadlocks:
            yield f"a deadlock in the database of {service}: {deadlock}"


def _holds_agree(world: World) -> Iterator[str]:
    """What reservation, payment and seats say about one hold fits together."""
    payments = {row.payment_id: row for row in world.rows(Payment)}
    for payment_id, name in world.names.items():
        rows = [row for row in world.rows(Reservation) if row.payment_id == payment_id]
        held = {row.seat_id for row in world.rows(Seat) if row.holder == payment_id}
        if not rows:
            if held:
                yield f"{name} holds {sorted(held)} without a reservation"
            continue
        wanted = {row.seat_id for row in rows}
        statuses = {row.status for row in rows}
        owed = payments[payment_id].status if payment_id in payments else None
        if (statuses, owed) not in _AGREEMENTS:
            yield f"{name} is {_listed(statuses)}, its payment {owed}"
        elif held != (wanted if statuses <= set(OWNING) else set()):
            yield f"{name} is {_listed(statuses)}, and holds {sorted(held)} of {sorted(wanted)}"


_AGREEMENTS = [
    ({Status.TEMP}, PaymentStatus.PUBLISHED),
    ({Status.CONFIRMED}, PaymentStatus.PAID),
    ({Status.CANCELLED}, PaymentStatus.REFUNDED),
    ({Status.CANCELLED}, PaymentStatus.CANCELLED),
    ({Status.CANCELLED}, None),
    ({Status.EXPIRED}, PaymentStatus.CANCELLED),
    ({Status.EXPIRED}, None),
    ({Status.REJECTED}, None),
]


def _listed(statuses: set[Status]) -> str:
    return " and ".join(sorted(statuses))


def _dates_stay(world: World) -> Iterator[str]:
    """Neither a sale nor an operator writes the row of an evening, which all of its sales would wait for."""
    for date in world.rows(ConcertDate):
        if (date.status, date.open_seats) != _UNTOUCHED:
            yield f"date {date.date_id} says {date.status}, {date.open_seats}: somebody writes it"


_UNTOUCHED = (ConcertDate.model_fields["status"].default, ConcertDate.model_fields["open_seats"].default)


def _is_answer(world: World, envelope: Envelope) -> bool:
    """Whether it was said again because a clock asked."""
    cause = world.envelopes.get(envelope.causation_id) if envelope.causation_id else None
    return cause is not None and isinstance(cause.event, Overdue)


def _deadlines_hold(world: World) -> Iterator[str]:
    """No step on the way to an open hold or to the sale, nor the sale itself, happened after its deadline.

    A request may be late, because it had to wait for its turn; the first step refuses it then.
    """
    deadlines = {row.checkout_id: row.deadline for row in world.rows(Checkout)}
    for envelope in world.envelopes.values():
        event, deadline = envelope.event, None
        if isinstance(event, Timed) and type(event) not in REQUESTS:
            deadline = event.deadline
        elif isinstance(event, Reserved) and not _is_answer(world, envelope):
            deadline = deadlines[event.checkout_id]
        if deadline is not None and envelope.occurred_at >= deadline:
            yield f"{event.name} of {world.names[event.saga_id]} was said after its deadline"
