"""What holds of each purchase, and of each that was taken back, whoever is asked of it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from chassis.store.privacy import PSEUDONYM

PAID, REFUNDED = "payment.paid", "payment.refunded"
"""The types of what the platform is told"""


@dataclass(frozen=True)
class Facts:
    """What the databases, the broker and the platform say at one time."""

    wallets: list[asyncpg.Record]
    history: list[asyncpg.Record]
    reservations: list[asyncpg.Record]
    payments: list[asyncpg.Record]
    checkouts: list[asyncpg.Record]
    refunds: list[asyncpg.Record]
    evenings: list[asyncpg.Record]
    seats: list[asyncpg.Record]
    deliveries: list[dict[str, Any]]
    outboxes: dict[str, int]
    idle_in_transaction: dict[str, int]
    queues: dict[str, int]


def delivered(facts: Facts) -> Iterable[str]:
    """What completed is delivered once, what did not never, and a refund after what it takes back."""
    places = {one["webhook_id"]: place for place, one in enumerate(facts.deliveries)}
    for back in _completed(facts.refunds):
        paid, given_back = (places.get(str(back[column])) for column in ("checkout_id", "refund_id"))
        if paid is not None and given_back is not None and given_back < paid:
            yield f"refund {back['refund_id']} was delivered before checkout {back['checkout_id']}"
    for kind, what, rows in ((PAID, "checkout", facts.checkouts), (REFUNDED, "refund", facts.refunds)):
        completed = {str(row[f"{what}_id"]) for row in _completed(rows)}
        times_told = Counter(webhook_id for webhook_id, _ in _told(facts, kind))
        for key in completed - set(times_told):
            yield f"completed {what} {key} was not delivered"
        known = {str(row[f"{what}_id"]) for row in rows}
        for key, times in times_told.items():
            if times > 1 or (key in known and key not in completed):
                yield f"{what} {key} was delivered {times} times"


def one_purchase(facts: Facts) -> Iterable[str]:
    """What each service knows of a completed checkout, and what the platform was told, is the same purchase."""
    payments = {row["payment_id"]: row for row in facts.payments}
    reservations = _grouped(facts.reservations, "payment_id")
    seats = _grouped([row for row in facts.seats if row["status"] == "RESERVED"], "holder")
    history = _grouped(facts.history, "checkout_id")
    told, refunded = dict(_told(facts, PAID)), {row["checkout_id"] for row in _completed(facts.refunds)}
    for row in (one for one in _completed(facts.checkouts) if one["checkout_id"] not in refunded):
        checkout_id, payment_id, amount = row["checkout_id"], row["payment_id"], row["amount"]
        held, paid = reservations[payment_id], payments.get(payment_id)
        wanted = {one["seat_id"] for one in held}
        entries = [(entry["type"], entry["amount"], entry["user_id"]) for entry in history[checkout_id]]
        delivered = told.get(str(checkout_id), {})
        if entries != [("USE", amount, row["user_id"])]:
            yield f"checkout {checkout_id} completed for {amount}, and its points moved by {entries}"
        if paid is None or (paid["status"], paid["checkout_id"], paid["total_price"]) != ("PAID", checkout_id, amount):
            yield f"checkout {checkout_id} completed for {amount}, and its payment is {dict(paid) if paid else None}"
        if not held or any((one["status"], one["checkout_id"]) != ("CONFIRMED", checkout_id) for one in held):
            yield f"checkout {checkout_id} completed, and its reservation is not confirmed by it"
        if sum(one["price"] or 0 for one in held) != amount:
            yield f"checkout {checkout_id} completed for {amount}, and its seats were held for another price"
        sold = {one["seat_id"]: one["price"] for one in seats[payment_id]}
        if sold.keys() != wanted:
            yield f"checkout {checkout_id} completed, and its seats are not sold to it"
        if (cost := sum(sold.values())) != amount:
            yield f"checkout {checkout_id} completed for {amount}, and its seats cost {cost}"
        if not _is_told(delivered, row, wanted):
            yield f"checkout {checkout_id} completed for {amount}, and the platform was told {delivered}"


def one_way_back(facts: Facts) -> Iterable[str]:
    """Of a completed checkout that was refunded nothing is left but its history, which is that of one purchase."""
    payments = {row["payment_id"]: row for row in facts.payments}
    purchases = {row["checkout_id"]: row for row in _completed(facts.checkouts)}
    reservations, seats = _grouped(facts.reservations, "payment_id"), _grouped(facts.seats, "holder")
    history, told = _grouped(facts.history, "checkout_id"), dict(_told(facts, REFUNDED))
    for back in _completed(facts.refunds):
        checkout_id, payment_id, amount = back["checkout_id"], back["payment_id"], back["amount"]
        row, paid = purchases.get(checkout_id), payments.get(payment_id)
        what = f"checkout {checkout_id} was refunded for {amount}"
        if row is None or (row["payment_id"], row["user_id"], row["amount"]) != (payment_id, back["user_id"], amount):
            yield f"{what}, and it was no such purchase"
        entries = sorted((entry["type"], entry["amount"], entry["user_id"]) for entry in history[checkout_id])
        if entries != [(kind, amount, back["user_id"]) for kind in ("REFUND", "USE")]:
            yield f"{what}, and its points moved by {entries}"
        wanted = ("REFUNDED", checkout_id, back["refund_id"], amount)
        if paid is None or tuple(paid[column] for column in _OF_PAYMENT) != wanted:
            yield f"{what}, and its payment is {dict(paid) if paid else None}"
        held = reservations[payment_id]
        if {(one["status"], one["checkout_id"]) for one in held} != {("CANCELLED", checkout_id)}:
            yield f"{what}, and its reservation is not cancelled"
        if left := [one["seat_id"] for one in seats[payment_id]]:
            yield f"{what}, and it has seats {left}"
        if not _is_told_of(told.get(str(back["refund_id"]), {}), back):
            yield f"{what}, and the platform was told {told.get(str(back['refund_id']))}"


_OF_PAYMENT = ("status", "checkout_id", "refund_id", "total_price")


def _is_told_of(delivered: Mapping[str, Any], back: asyncpg.Record) -> bool:
    """Whether the platform knows a refund as it is; it may know the user under the name of before."""
    same_user = back["user_id"] == delivered.get("user_id") or back["user_id"].startswith(PSEUDONYM)
    said = delivered.get("checkout_id"), delivered.get("payment_id"), delivered.get("amount")
    return same_user and said == (str(back["checkout_id"]), str(back["payment_id"]), back["amount"])


def _completed(rows: Iterable[asyncpg.Record]) -> list[asyncpg.Record]:
    return [row for row in rows if row["status"] == "COMPLETED"]


def _told(facts: Facts, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The ids and the bodies of what the platform was told of one kind, each time that it was told."""
    bodies = ((one["webhook_id"], json.loads(one["body"])) for one in facts.deliveries)
    return [(webhook_id, body["data"]) for webhook_id, body in bodies if body["type"] == kind]


def _is_told(delivered: Mapping[str, Any], row: asyncpg.Record, seat_ids: set[int]) -> bool:
    """Whether the platform knows a completed checkout as it is; it may know the user under the name of before."""
    same_user = row["user_id"] == delivered.get("user_id") or row["user_id"].startswith(PSEUDONYM)
    said = delivered.get("payment_id"), delivered.get("amount"), set(delivered.get("seat_ids", ()))
    return same_user and said == (str(row["payment_id"]), row["amount"], seat_ids)


def _grouped(rows: Iterable[asyncpg.Record], column: str) -> dict[Any, list[asyncpg.Record]]:
    found: dict[Any, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found
