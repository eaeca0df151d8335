"""Sagas as the window sees them: every event is one of the contracts, so every body is real."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from contracts import checkout as checkouts
from contracts import payment, point, reservation, seat
from contracts import refund as refunds
from contracts.event import Event
from contracts.refund import Asker
from contracts.seat import PricedSeat
from window.message import Message, Place

BEGUN = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
STEP = timedelta(milliseconds=20)
"""From one event to the next"""
PATIENCE = timedelta(seconds=30)
"""From the beginning to the deadline"""


def named(name: object) -> UUID:
    """An id that is the same for the same name."""
    return uuid5(NAMESPACE_OID, str(name))


@dataclass
class Telling:
    """The messages of one saga, one after the other."""

    begun_at: datetime = BEGUN
    first: int = 1
    messages: list[Message] = field(default_factory=list)

    def say(self, event: Event, cause: Message | None = None) -> Message:
        """Say an event one step after the last."""
        at = self.begun_at + STEP * len(self.messages)
        message = Message(
            number=self.first + len(self.messages),
            place=Place.SAID,
            event_id=named(f"{event.saga_id}/{event.name}/{len(self.messages)}"),
            saga_id=event.saga_id,
            event=event.name,
            version=event.says,
            service=event.service,
            cause=cause.event_id if cause else None,
            occurred_at=at,
            seen_at=at + timedelta(milliseconds=5),
            headers={"ce-type": f"{event.name}.v{event.says}"},
            body=event.written(),
        )
        self.messages.append(message)
        return message


def checkout(
    seats: Sequence[int] = (1, 2),
    amount: int = 300,
    *,
    name: str = "one",
    payment_name: str | None = None,
    user: str = "7",
    begun_at: datetime = BEGUN,
    deadline: datetime | None = None,
    fails_at: str | None = None,
    reason: str = "seat-withdrawn",
    first: int = 1,
) -> list[Message]:
    """The messages of a checkout that completed, or was refused at the step `fails_at` and undone."""
    event: Event = checkouts.Requested(
        checkout_id=named(name),
        payment_id=named(payment_name or f"payment of {name}"),
        user_id=user,
        amount=amount,
        deadline=deadline or begun_at + PATIENCE,
    )
    telling = Telling(begun_at, first)
    said = telling.say(event)
    values: dict[type[Event], dict[str, Any]] = {
        reservation.Confirmed: {"seat_ids": tuple(seats)},
        checkouts.Completed: {"completed_at": begun_at},
    }
    for step, (done, refused) in _OUT.items():
        if step == fails_at and refused:
            return _back(telling, refused.after(event, reason=reason), said, amount)
        event = done.after(event, **values.get(done, {}))
        said = telling.say(event, said)
    return telling.messages


_OUT: Mapping[str, tuple[type[Event], type[Event] | None]] = {
    "point.spend": (point.Spent, point.Rejected),
    "reservation.confirm": (reservation.Confirmed, reservation.Rejected),
    "payment.pay": (payment.Paid, payment.Rejected),
    "seat.reserve": (seat.Reserved, seat.Rejected),
    "payment.complete": (checkouts.Completed, None),
    "payment.send": (payment.Sent, payment.SendFailed),
}
REFUSING = ("point.spend", "reservation.confirm", "payment.pay", "seat.reserve")
"""The steps at which a checkout can fail"""


def recent(name: str, **options: Any) -> list[Message]:
    """A checkout that began just now."""
    return checkout(name=name, **({"begun_at": datetime.now(UTC)} | options))


def chased(amount: int = 300, *, name: str = "one", begun_at: datetime = BEGUN) -> list[Message]:
    """A checkout whose request nobody heard: the clock asked, the seats were refused, and there was nothing to undo."""
    deadline = begun_at + PATIENCE
    requested = checkouts.Requested(
        checkout_id=named(name), payment_id=named(f"payment of {name}"), user_id="7", amount=amount, deadline=deadline
    )
    telling = Telling(begun_at)
    telling.say(requested)
    telling.begun_at = deadline + timedelta(seconds=11)
    overdue = checkouts.Overdue.after(requested)
    said = telling.say(overdue)
    return _back(telling, seat.Rejected.after(overdue, reason="deadline-passed"), said)


def hold(
    seats: Sequence[int] = (1, 2),
    price: int = 150,
    *,
    name: str = "payment of one",
    user: str = "7",
    begun_at: datetime = BEGUN,
    fails_at: str | None = None,
    lapses: bool = False,
    given_up: str | None = None,
    reason: str = "seat-taken",
) -> list[Message]:
    """The messages of a hold that was opened, or refused at the step `fails_at`.

    Or one whose time has run out, or that was given up after it was opened: by its user, or because of `called-off`.
    """
    telling = Telling(begun_at)
    requested = reservation.Requested(
        payment_id=named(name), user_id=user, seat_ids=tuple(seats), deadline=begun_at + PATIENCE
    )
    said = telling.say(requested)
    if fails_at == "seat.hold":
        return _closed(telling, seat.HoldRejected.after(requested, reason=reason), said)
    held = seat.Held.after(requested, seats=tuple(PricedSeat(seat_id=one, price=price) for one in seats))
    said = telling.say(held, said)
    if fails_at == "payment.publish":
        refusal = payment.PublishRejected.after(held, seat_ids=tuple(seats), reason=reason)
        return _released(telling, refusal, telling.say(refusal, said))
    published = payment.Published.after(held, total_price=price * len(seats))
    said = telling.say(published, said)
    telling.say(reservation.Opened.after(published, expires_at=begun_at + timedelta(minutes=5)), said)
    if lapses:
        telling.begun_at = begun_at + timedelta(minutes=5)
        return _lapsed(telling, reservation.Expired.after(requested, reason="hold-expired"), None)
    if given_up:
        called = None
        if given_up != "given-up":
            called = telling.say(seat.Revoked(payment_id=requested.payment_id, reason=given_up))
        return _lapsed(telling, reservation.GivenUp.after(requested, reason=given_up), called)
    return telling.messages


def refund(
    seats: Sequence[int] = (1, 2),
    amount: int = 300,
    *,
    name: str = "back",
    of: str = "one",
    payment_name: str | None = None,
    user: str = "7",
    begun_at: datetime = BEGUN + timedelta(minutes=1),
    kept: str | None = None,
    revoked: str | None = None,
    is_asked: bool = False,
    is_told: bool = True,
) -> list[Message]:
    """The messages of a refund of the checkout `of` that completed, or whose seats were `kept` for a reason.

    It was begun by a call where its seats were `revoked`, and its request was never heard where it `is_asked` about.
    """
    telling = Telling(begun_at)
    requested = refunds.Requested(
        refund_id=named(name),
        checkout_id=named(of),
        payment_id=named(payment_name or f"payment of {of}"),
        user_id=user,
        asked_by=Asker.OPERATOR if revoked else Asker.BUYER,
        reason=revoked or "asked-for",
    )
    said = telling.say(requested)
    if revoked:
        said = telling.messages[0] = replace(said, cause=named(f"call of {of}"))
    event: Event = requested
    if is_asked:
        event = refunds.Overdue.after(requested)
        said = telling.say(event)
    if kept:
        event = seat.Kept.after(event, reason=kept)
        telling.say(refunds.Failed.after(event), telling.say(event, said))
        return telling.messages
    for done in _taken_back(event, seats, amount, is_told=is_told):
        said = telling.say(done, said)
    return telling.messages


def _taken_back(event: Event, seats: Sequence[int], amount: int, *, is_told: bool) -> Iterator[Event]:
    vacated = seat.Vacated.after(event, seat_ids=tuple(seats))
    cancelled = reservation.Cancelled.after(vacated, amount=amount)
    repaid = point.Repaid.after(cancelled)
    completed = refunds.Completed.after(repaid, completed_at=BEGUN)
    yield from (vacated, cancelled, repaid, completed)
    yield payment.RefundSent.after(completed) if is_told else payment.RefundSendFailed.after(completed, reason="gone")


def rests(
    message: Message,
    step: str,
    *,
    attempt: int = 1,
    delay: str = "5s",
    error: str = "LockNotAvailableError: busy",
    after: float = 0.1,
) -> Message:
    """The message on its way to another attempt."""
    seen_at = message.seen_at + timedelta(seconds=after)
    return replace(
        message,
        number=message.number + 1000 + attempt,
        place=Place.RESTING,
        step=step,
        attempt=attempt,
        delay=delay,
        error=error,
        seen_at=seen_at,
    )


def parked(message: Message, step: str, *, attempt: int = 1, after: float = 0.1) -> Message:
    """The message on its way to those that need a person."""
    return replace(rests(message, step, attempt=attempt, after=after), place=Place.PARKED, delay=None)


def back(message: Message, step: str, *, attempt: int = 1, after: float = 5.0) -> Message:
    """The message on its way back to the step."""
    return replace(rests(message, step, attempt=attempt, after=after), place=Place.BACK)


def _back(telling: Telling, event: Event, cause: Message, spent: int | None = None) -> list[Message]:
    """Refuse, and undo what the refusal undoes."""
    said = telling.say(event, cause)
    if isinstance(event, payment.SendFailed):
        return telling.messages
    if isinstance(event, seat.Rejected):
        event = payment.Reverted.after(event)
        said = telling.say(event, said)
    if isinstance(event, payment.Rejected | payment.Reverted):
        event = reservation.Reverted.after(event)
        said = telling.say(event, said)
    if isinstance(event, reservation.Rejected | reservation.Reverted):
        event = point.Refunded.after(event, amount=spent) if spent else point.Unspent.after(event)
        said = telling.say(event, said)
    telling.say(checkouts.Failed.after(event), said)
    return telling.messages


def _lapsed(telling: Telling, over: reservation.Expired | reservation.GivenUp, call: Message | None) -> list[Message]:
    cancelled = payment.Cancelled.after(over)
    return _released(telling, cancelled, telling.say(cancelled, telling.say(over, call)))


def _released(telling: Telling, lost: Event, cause: Message) -> list[Message]:
    return _closed(telling, seat.Released.after(lost), cause)


def _closed(telling: Telling, lost: Event, cause: Message) -> list[Message]:
    telling.say(reservation.Closed.after(lost), telling.say(lost, cause))
    return telling.messages
