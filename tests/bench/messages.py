"""The messages of one checkout, as the services publish them: for what the broker alone can do, and to begin one."""

from datetime import UTC, datetime, timedelta

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store.outbox import Outgoing
from chassis.telemetry.tracing import traceparent_after
from contracts import checkout, payment, point, reservation, seat
from contracts.event import Event
from tests.bench.rows import CHECKOUT, PAYMENT, PRICE, id_of, user_of


def requested(number: int) -> Outgoing:
    """What begins the checkout with this number; its deadline is far away."""
    return _outgoing(_request(number), None)


def of_checkout(number: int) -> list[Outgoing]:
    """Everything that is said in a checkout that is completed and delivered, in its order."""
    request = _request(number)
    spent = point.Spent.after(request)
    confirmed = reservation.Confirmed.after(spent, seat_ids=(number,))
    paid = payment.Paid.after(confirmed)
    reserved = seat.Reserved.after(paid)
    completed = checkout.Completed.after(reserved, completed_at=datetime.now(UTC))
    said: list[Event] = [request, spent, confirmed, paid, reserved, completed, payment.Sent.after(completed)]
    return [_outgoing(event, request) for event in said]


def _request(number: int) -> checkout.Requested:
    return checkout.Requested(
        checkout_id=id_of(CHECKOUT, number),
        payment_id=id_of(PAYMENT, number),
        user_id=user_of(number),
        amount=PRICE,
        deadline=datetime.now(UTC) + timedelta(hours=1),
    )


def _outgoing(event: Event, first: Event | None) -> Outgoing:
    cause = None if first in (None, event) else new_id()
    return Outgoing.of(Envelope(event, new_id(), cause, datetime.now(UTC), traceparent_after(None, event.saga_id)))
