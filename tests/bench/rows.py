"""Rows in bulk: checkouts that can be made, that have just begun, or that ended long ago, each known by a number.

Every checkout has a fan, a wallet with exactly the price in it, a payment and one seat of its own, so that nothing
is refused. Seats are spread over many dates, neighbouring numbers over different ones, or all on one hot evening.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

PRICE = 50_000
SEATS_OF_A_DATE = 100
PAYMENT, CHECKOUT, RESERVATION, CHARGE, USE, EVENT = range(1, 7)
"""What an id made from a number is the id of."""


@dataclass(frozen=True)
class State:
    """How far the checkouts have come, as the statuses of their rows; None where there is no such row yet."""

    checkout: str | None
    payment: str | None
    reservation: str | None
    seat: str
    seats_of_a_date: int = SEATS_OF_A_DATE

    @property
    def is_over(self) -> bool:
        """Whether the points are spent and the platform has been told."""
        return self.checkout == "COMPLETED"


FREE = State(None, None, None, "AVAILABLE")
OPEN = State(None, "PUBLISHED", "TEMP", "OCCUPIED")
BEGUN = State("PENDING", "PROCESSING", "TEMP", "OCCUPIED")
OVER = State("COMPLETED", "PAID", "CONFIRMED", "RESERVED")

HEARD = {
    "point": {"point.spend": "checkout.requested"},
    "reservation": {"reservation.confirm": "point.spent"},
    "payment": {
        "payment.pay": "reservation.confirmed",
        "payment.complete": "seat.reserved",
        "payment.send": "checkout.completed",
    },
    "seat": {"seat.reserve": "payment.paid"},
}
"""The steps that a completed checkout passes, and what each of them heard."""


def id_of(kind: int, number: int) -> UUID:
    """The id of something of the checkout with this number; smaller than every id that a service makes."""
    return UUID(f"{kind:08x}-0000-7000-8000-{number:012x}")


def user_of(number: int) -> str:
    """The fan who makes the checkout with this number."""
    return f"fan-{number}"


def statements(state: State) -> Mapping[str, Sequence[str]]:
    """By service, the statements that insert the rows of the checkouts $1 to $2."""
    if state.payment is None:
        return {"seat": _catalogue(state)}
    return {
        "point": [_wallets(state), _movements("CHARGE", CHARGE), *([_movements("USE", USE)] if state.is_over else [])],
        "reservation": [_reservations(state)],
        "payment": [_payments(state), *([_checkouts(state)] if state.checkout else [])],
        "seat": _catalogue(state),
    }


def traces() -> Mapping[str, Sequence[str]]:
    """By service, the statements that insert what completed checkouts leave beside the rows that they are about."""
    inboxes = {service: [_inbox(step, heard) for step, heard in steps.items()] for service, steps in HEARD.items()}
    return inboxes | {"payment": [*inboxes["payment"], _deliveries(), _answers()]}


def removals() -> Mapping[str, Sequence[str]]:
    """By service, the statements that delete all rows of the completed checkouts $1 to $2."""
    fans = "user_id IN (SELECT 'fan-' || n FROM generate_series($1::bigint, $2::bigint) n)"
    inbox = _delete("inbox", "saga_id", CHECKOUT)
    return {
        "point": [
            f"DELETE FROM wallet WHERE {fans}",  # noqa: S608  # names from the code, here and below
            _delete("point_history", "entry_id", CHARGE),
            _delete("point_history", "entry_id", USE),
            inbox,
        ],
        "reservation": [_delete("reservation", "reservation_id", RESERVATION), inbox],
        "payment": [
            _delete("payment", "payment_id", PAYMENT),
            _delete("checkout", "checkout_id", CHECKOUT),
            _delete("delivery", "checkout_id", CHECKOUT),
            f"DELETE FROM idempotency WHERE {fans}",  # noqa: S608
            inbox,
        ],
        "seat": [
            "DELETE FROM seat WHERE seat_id BETWEEN $1 AND $2",
            "DELETE FROM concert_date WHERE date_id BETWEEN $1 AND $2",
            inbox,
        ],
    }


def _id(kind: int, number: str = "n") -> str:
    return f"('{kind:08x}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


def _insert(table: str, **values: object) -> str:
    numbers = "generate_series($1::bigint, $2::bigint) n"
    return f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(map(str, values.values()))} FROM {numbers}"  # noqa: S608


def _delete(table: str, column: str, kind: int) -> str:
    return f"DELETE FROM {table} WHERE {column} BETWEEN {_id(kind, '$1::bigint')} AND {_id(kind, '$2::bigint')}"  # noqa: S608


def _wallets(state: State) -> str:
    return _insert("wallet", user_id="'fan-' || n", balance=0 if state.is_over else PRICE)


def _movements(kind: str, id_kind: int) -> str:
    spent = kind == "USE"
    return _insert(
        "point_history",
        entry_id=_id(id_kind),
        user_id="'fan-' || n",
        type=f"'{kind}'",
        amount=PRICE,
        balance_after=0 if spent else PRICE,
        checkout_id=_id(CHECKOUT) if spent else "NULL::uuid",
        created_at="now()",
    )


def _reservations(state: State) -> str:
    return _insert(
        "reservation",
        reservation_id=_id(RESERVATION),
        payment_id=_id(PAYMENT),
        user_id="'fan-' || n",
        seat_id="n",
        status=f"'{state.reservation}'",
        price=PRICE,
        expires_at="now() + interval '1 day'",
        checkout_id=_id(CHECKOUT) if state.is_over else "NULL::uuid",
        created_at="now()",
    )


def _payments(state: State) -> str:
    return _insert(
        "payment",
        payment_id=_id(PAYMENT),
        user_id="'fan-' || n",
        total_price=PRICE,
        status=f"'{state.payment}'",
        checkout_id=_id(CHECKOUT) if state.checkout else "NULL::uuid",
        created_at="now()",
        paid_at="now()" if state.is_over else "NULL::timestamptz",
    )


def _checkouts(state: State) -> str:
    return _insert(
        "checkout",
        checkout_id=_id(CHECKOUT),
        payment_id=_id(PAYMENT),
        user_id="'fan-' || n",
        amount=PRICE,
        deadline="now() + interval '1 hour'",
        status=f"'{state.checkout}'",
        created_at="now()",
        finished_at="now()" if state.is_over else "NULL::timestamptz",
    )


def _catalogue(state: State) -> Sequence[str]:
    return [_dates(state), _seats(state)]


def _dates(state: State) -> str:
    """One date for so many seats; its id is that of its first seat."""
    columns = "concert_date (date_id, concert_id, starts_at)"
    numbers = f"generate_series($1::bigint, $1 + {_dates_of(state)} - 1) n"
    return f"INSERT INTO {columns} SELECT n, 1, now() + interval '1 year' FROM {numbers}"  # noqa: S608


def _dates_of(state: State) -> str:
    return f"(($2 - $1) / {state.seats_of_a_date} + 1)"


def _seats(state: State) -> str:
    return _insert(
        "seat",
        seat_id="n",
        date_id=f"$1 + (n - $1) % {_dates_of(state)}",
        label="'B-' || n",
        price=PRICE,
        status=f"'{state.seat}'",
        holder="NULL::uuid" if state.seat == "AVAILABLE" else _id(PAYMENT),
    )


def _inbox(step: str, heard: str) -> str:
    return _insert("inbox", step=f"'{step}'", event_id=_id(EVENT), saga_id=_id(CHECKOUT), heard=f"'{heard}'")


def _deliveries() -> str:
    ids = {"checkout_id": _id(CHECKOUT), "payment_id": _id(PAYMENT)}
    return _insert("delivery", **ids, status="'SENT'", delivered_at="now()")


def _answers() -> str:
    """The stored answers to the keys of the requests, which are kept for a day."""
    values = {"checkout_id": _id(CHECKOUT), "payment_id": _id(PAYMENT), "amount": PRICE, "created_at": "now()"}
    pairs = ", ".join(f"'{name}', {value}" for name, value in values.items())
    answer = f"json_build_object({pairs}, 'status', 'pending', 'reason', NULL, 'finished_at', NULL)"
    fingerprint = "encode(sha256(n::text::bytea), 'hex')"
    return _insert("idempotency", user_id="'fan-' || n", key="n::text", fingerprint=fingerprint, answer=answer)
