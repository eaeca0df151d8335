"""Invariant I11 says where a completed checkout is not one purchase."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from stack.demo.invariants import Facts, _one_purchase
from tests.unit.examples import CHECKOUT_ID, OTHER_PAYMENT_ID, PAYMENT_ID, PRICES, TOTAL

Row = Mapping[str, Any]


def told(**changes: Any) -> list[Row]:
    """What the platform has been told of ann's checkout, with some things changed."""
    data = {"payment_id": str(PAYMENT_ID), "user_id": "ann", "amount": TOTAL, "seat_ids": [1, 2]}
    return [{"webhook_id": str(CHECKOUT_ID), "body": json.dumps({"data": data | changes})}]


def sold(prices: Mapping[int, int]) -> list[Row]:
    """Seats that are sold to ann's payment, for these prices."""
    return [
        {"seat_id": key, "price": price, "status": "RESERVED", "holder": PAYMENT_ID} for key, price in prices.items()
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
        "seats": sold(PRICES),
        "deliveries": told(),
        "outboxes": {},
        "idle_in_transaction": {},
        "queues": {},
    }
    return Facts(**known | changes)


def test_one_purchase_is_one_purchase() -> None:
    """Everybody knows the same."""
    assert list(_one_purchase(facts())) == []


def test_a_user_who_was_erased_is_told_under_the_old_name() -> None:
    """What the platform was told, it knows."""
    erased = facts(deliveries=told(user_id="ann"))
    (row,) = erased.checkouts
    (entry,) = erased.history
    name = {"user_id": "erased-12ab"}

    found = _one_purchase(facts(checkouts=[{**row, **name}], history=[{**entry, **name}]))

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
    (found,) = _one_purchase(facts(**otherwise))

    assert what in found
