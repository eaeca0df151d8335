"""The invariants of purchases say where one is not what it should be, and where one that was taken back is not."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from stack.demo.invariants import _called_off, _ended, _money
from stack.demo.purchases import PAID, REFUNDED, Facts, delivered, one_purchase, one_way_back
from tests.unit.examples import CHECKOUT_ID, NOW, OTHER_PAYMENT_ID, PAYMENT_ID, PRICES, TOTAL

REFUND_ID = UUID(int=77)
Row = Mapping[str, Any]


def told(**changes: Any) -> list[Row]:
    """What the platform has been told of ann's checkout, with some things changed."""
    data = {"payment_id": str(PAYMENT_ID), "user_id": "ann", "amount": TOTAL, "seat_ids": [1, 2]}
    return [{"webhook_id": str(CHECKOUT_ID), "body": json.dumps({"type": PAID, "data": data | changes})}]


def sold(prices: Mapping[int, int]) -> list[Row]:
    """Seats that are sold to ann's payment, for these prices."""
    return [
        {"seat_id": key, "date_id": 1, "price": price, "status": "RESERVED", "holder": PAYMENT_ID}
        for key, price in prices.items()
    ]


def facts(**changes: Any) -> Facts:
    """Ann has bought seats 1 and 2 for 130 points; some of it is otherwise."""
    owned = {"payment_id": PAYMENT_ID, "checkout_id": CHECKOUT_ID}
    known: dict[str, Any] = {
        "wallets": [],
        "history": [{"checkout_id": CHECKOUT_ID, "type": "USE", "amount": TOTAL, "user_id": "ann"}],
        "reservations": [
            owned | {"seat_id": key, "price": price, "status": "CONFIRMED"} for key, price in PRICES.items()
        ],
        "payments": [owned | {"status": "PAID", "total_price": TOTAL}],
        "checkouts": [owned | {"status": "COMPLETED", "amount": TOTAL, "user_id": "ann"}],
        "refunds": [],
        "evenings": [{"date_id": 1, "called_off_at": None}],
        "seats": sold(PRICES),
        "deliveries": told(),
        "outboxes": {},
        "idle_in_transaction": {},
        "queues": {},
    }
    return Facts(**known | changes)


def test_one_purchase_isone_purchase() -> None:
    """Everybody knows the same."""
    assert list(one_purchase(facts())) == []


def test_a_user_who_was_erased_is_told_under_the_old_name() -> None:
    """What the platform was told, it knows."""
    erased = facts(deliveries=told(user_id="ann"))
    (row,) = erased.checkouts
    (entry,) = erased.history
    name = {"user_id": "erased-12ab"}

    found = one_purchase(facts(checkouts=[{**row, **name}], history=[{**entry, **name}]))

    assert list(found) == []


@pytest.mark.parametrize(
    ("otherwise", "what"),
    [
        ({"seats": sold({1: 60, 2: 71})}, "its seats cost 131"),
        ({"seats": sold({1: 130})}, "its seats are not sold to it"),
        ({"deliveries": told(seat_ids=[99, 100])}, "the platform was told"),
        ({"deliveries": told(seat_ids=[])}, "the platform was told"),
        ({"deliveries": told(user_id="eve")}, "the platform was told"),
        ({"deliveries": told(amount=1)}, "the platform was told"),
        ({"deliveries": told(payment_id=str(OTHER_PAYMENT_ID))}, "the platform was told"),
        ({"deliveries": []}, "the platform was told"),
    ],
    ids=str,
)
def test_what_is_no_purchase_is_named(otherwise: dict[str, Any], what: str) -> None:
    """One sentence for each place."""
    (found,) = one_purchase(facts(**otherwise))

    assert what in found


def told_of_refund(**changes: Any) -> Row:
    """What the platform has been told of ann's refund, with some things changed."""
    data = {"checkout_id": str(CHECKOUT_ID), "payment_id": str(PAYMENT_ID), "user_id": "ann", "amount": TOTAL}
    return {"webhook_id": str(REFUND_ID), "body": json.dumps({"type": REFUNDED, "data": data | changes})}


def refunded(**changes: Any) -> Facts:
    """Ann has her 130 points again, and nobody has the seats; some of it is otherwise."""
    entry = {"checkout_id": CHECKOUT_ID, "amount": TOTAL, "user_id": "ann"}
    bought = facts()
    known: dict[str, Any] = {
        "wallets": [{"user_id": "ann", "balance": TOTAL}],
        "history": [
            entry | {"checkout_id": None, "type": "CHARGE"},
            *(entry | {"type": kind} for kind in ("USE", "REFUND")),
        ],
        "reservations": [{**row, "status": "CANCELLED"} for row in bought.reservations],
        "payments": [{**row, "status": "REFUNDED", "refund_id": REFUND_ID} for row in bought.payments],
        "refunds": [
            entry | {"refund_id": REFUND_ID, "payment_id": PAYMENT_ID, "status": "COMPLETED"},
        ],
        "seats": [{**row, "status": "AVAILABLE", "holder": None} for row in bought.seats],
        "deliveries": [*bought.deliveries, told_of_refund()],
    }
    return facts(**known | changes)


def test_a_refund_is_no_purchase_and_leaves_nothing() -> None:
    """Every rule that looks at it holds."""
    rules = (_money, _ended, delivered, one_purchase, one_way_back, _called_off)
    assert [what for rule in rules for what in rule(refunded())] == []


def test_a_seat_that_was_sold_again_is_another_purchase() -> None:
    """It is held by another payment."""
    again = [{**row, "status": "RESERVED", "holder": OTHER_PAYMENT_ID} for row in facts().seats]
    assert list(one_way_back(refunded(seats=again))) == []


@pytest.mark.parametrize(
    ("otherwise", "what"),
    [
        ({"checkouts": []}, "no such purchase"),
        ({"history": refunded().history[:-1]}, "its points moved"),
        ({"history": [*refunded().history, refunded().history[-1]]}, "its points moved"),
        ({"payments": facts(payments=[{**facts().payments[0], "refund_id": None}]).payments}, "its payment is"),
        ({"payments": []}, "its payment is"),
        ({"reservations": facts().reservations}, "its reservation is not cancelled"),
        ({"seats": facts().seats}, "it has seats [1, 2]"),
        ({"deliveries": [*told(), told_of_refund(amount=1)]}, "the platform was told"),
        ({"deliveries": told()}, "the platform was told None"),
    ],
    ids=str,
)
def test_what_is_left_of_a_refunded_purchase_is_named(otherwise: dict[str, Any], what: str) -> None:
    """One sentence for each place."""
    (found,) = one_way_back(refunded(**otherwise))

    assert what in found


def test_a_refund_that_goes_on_is_named() -> None:
    """As is a checkout that does."""
    (back,) = refunded().refunds

    assert list(_ended(refunded(refunds=[{**back, "status": "PENDING"}]))) == [f"refund {REFUND_ID} is pending"]


@pytest.mark.parametrize(
    ("deliveries", "what"),
    [
        ([*told(), told_of_refund(), told_of_refund()], "was delivered 2 times"),
        (told(), f"completed refund {REFUND_ID} was not delivered"),
        ([told_of_refund()], f"completed checkout {CHECKOUT_ID} was not delivered"),
    ],
    ids=["twice", "no refund", "no purchase"],
)
def test_what_was_not_told_once_is_named(deliveries: list[Row], what: str) -> None:
    """That it was refunded does not make up for that it was paid."""
    (found,) = delivered(refunded(deliveries=deliveries))

    assert what in found


def test_a_refund_that_was_told_before_the_payment_is_named() -> None:
    """Who hears it so has a paid payment in the end."""
    assert list(delivered(refunded(deliveries=[told_of_refund(), *told()]))) == [
        f"refund {REFUND_ID} was delivered before checkout {CHECKOUT_ID}"
    ]


def test_a_seat_of_an_evening_that_was_called_off_is_named() -> None:
    """Until nobody has it, and nobody can."""
    over = refunded(evenings=[{"date_id": 1, "called_off_at": NOW}])

    closed = refunded(evenings=over.evenings, seats=[{**row, "status": "WITHDRAWN"} for row in over.seats])

    assert len(list(_called_off(over))) == len(PRICES)
    assert list(_called_off(closed)) == []
