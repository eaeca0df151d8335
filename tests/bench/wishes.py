"""Wishes: what a fan may ask of a service, how it is asked, and how it is seen that it is done."""

from dataclasses import dataclass, replace
from enum import StrEnum

from stack.tokens import token
from tests.bench.rows import FREE, OPEN, PAYMENT, PRICE, State, id_of, user_of

HERE = "127.0.0.1"


class Wish(StrEnum):
    """What a fan may ask for."""

    CHARGE = "charge"
    HOLD = "hold"
    CHECKOUT = "checkout"
    RUSH = "rush"
    """A hold of a seat that many others want too"""


EACH = (Wish.CHARGE, Wish.HOLD, Wish.CHECKOUT)
"""What fans ask for when each wants something of their own"""
RIVALS = 50
"""How many fans of a rush want the same seat"""


@dataclass(frozen=True)
class Manner:
    """Which service is asked, and what its database says: `done` and `ends` are about all ids larger than $1."""

    service: str
    path: str
    body: str
    id_name: str | None
    """The field of the answer that holds the id; none where it is done with the answer"""
    rows: State | None
    """What has to be there before"""
    done: str
    ends: str
    rivals: int = 1
    """How many fans in a row want the same seat"""

    def request(self, number: int, signing_key: str, prefer: str | None = None) -> bytes:
        """The request of the fan with this number, as it goes over the wire."""
        wanted = number - number % self.rivals
        body = self.body.format(payment_id=id_of(PAYMENT, number), seat_id=wanted, amount=PRICE)
        head = (
            f"POST {self.path} HTTP/1.1",
            f"Host: {HERE}",
            f"Authorization: Bearer {token(user_of(number), signing_key)}",
            f"Idempotency-Key: {number}",
            *([f"Prefer: {prefer}"] if prefer else []),
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join((*head, "", body)).encode()


def _ends(table: str, condition: str) -> str:
    at = "extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8"
    return f"SELECT {at} AS at FROM {table} WHERE {condition} ORDER BY at"  # noqa: S608  # names from below


_HELD = "payment_id > $1 AND status = 'TEMP'"
_ANSWERED = "payment_id > $1 AND status IN ('TEMP', 'REJECTED')"
_HOLD = Manner(
    service="reservation",
    path="/reservations",
    body='{{"seat_ids":[{seat_id}]}}',
    id_name="payment_id",
    rows=FREE,
    done=f"SELECT count(*) FROM reservation WHERE {_HELD}",  # noqa: S608
    ends=_ends("reservation", _HELD),
)
MANNERS = {
    Wish.CHARGE: Manner(
        service="point",
        path="/points/charge",
        body='{{"amount":{amount}}}',
        id_name=None,
        rows=None,
        done="SELECT count(*) FROM point_history WHERE entry_id > $1",
        ends=_ends("point_history", "entry_id > $1"),
    ),
    Wish.HOLD: _HOLD,
    Wish.RUSH: replace(
        _HOLD,
        done=f"SELECT count(*) FROM reservation WHERE {_ANSWERED}",  # noqa: S608
        ends=_ends("reservation", _ANSWERED),
        rivals=RIVALS,
    ),
    Wish.CHECKOUT: Manner(
        service="payment",
        path="/checkouts",
        body='{{"payment_id":"{payment_id}"}}',
        id_name="checkout_id",
        rows=OPEN,
        done="SELECT count(*) FROM delivery WHERE checkout_id > $1",
        ends=_ends("delivery", "checkout_id > $1"),
    ),
}
