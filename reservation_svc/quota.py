"""Quota: how many seats a user may hold at once, in all their holds together."""

import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from chassis.store import Transaction
from chassis.web import Problem

# In one order, so that two transactions never wait for each other.
_LOCK = """
    SELECT pg_advisory_xact_lock(lock)
    FROM (SELECT lock FROM unnest($1::bigint[]) AS wanted (lock) ORDER BY lock) AS ordered
    """
_HELD = """
    SELECT user_id, count(*) AS seats FROM reservation
    WHERE user_id = ANY($1::text[]) AND status IN ('REQUESTED', 'TEMP') GROUP BY user_id
    """


@dataclass(frozen=True)
class Quota:
    """The seats that a user may hold or ask for and has not paid."""

    seats: int


class Held:
    """What some users hold, while their next requests are judged."""

    def __init__(self, quota: Quota, seats: Counter[str]) -> None:
        self._quota = quota
        self._seats = seats

    def refusal(self, user_id: str, more: int) -> Problem | None:
        """Why a user may not hold so many more, if so; else they are counted."""
        if self._seats[user_id] + more > self._quota.seats:
            detail = f"You hold {self._seats[user_id]} seats, and may hold {self._quota.seats}: pay for some first."
            return Problem(HTTPStatus.CONFLICT, detail, "too-many-seats")
        self._seats[user_id] += more
        return None


async def held(transaction: Transaction, quota: Quota, user_ids: Collection[str]) -> Held:
    """What the users hold; nobody else asks for them before the transaction has ended."""
    users = sorted(set(user_ids))
    if users:
        await transaction.fetch(_LOCK, [_lock(user_id) for user_id in users])
    found = await transaction.fetch(_HELD, users) if users else ()
    return Held(quota, Counter({row["user_id"]: row["seats"] for row in found}))


def _lock(user_id: str) -> int:
    """A lock that no key of a request has: those have a NUL in what they are made of."""
    return int.from_bytes(hashlib.sha256(f"seats of {user_id}".encode()).digest()[:8], signed=True)
