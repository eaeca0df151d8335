"""Tally: how often something was, and how long it took, in slots of ten seconds: rates without counting messages."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from window.database import Connection

SLOT = 10
KEPT = timedelta(hours=3)
BEGUN, COMPLETED, FAILED, STEP = "begun", "completed", "failed", "step:"
_PER_DOUBLING = 4
_ADD = """
    INSERT INTO tally (at, what, bucket, count)
    SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::int[], $4::bigint[])
    ON CONFLICT (at, what, bucket) DO UPDATE SET count = tally.count + excluded.count
    """
Counted = Counter[tuple[datetime, str, int]]


def count(counted: Counted, at: datetime, what: str, took: timedelta = timedelta(0)) -> None:
    """Count one of its kind."""
    slot = datetime.fromtimestamp(at.timestamp() // SLOT * SLOT, UTC)
    counted[slot, what, bucket(took)] += 1


def bucket(took: timedelta) -> int:
    """The bucket of a duration; four of them make twice as long."""
    return round(math.log2(max(took / timedelta(milliseconds=1), 0) + 1) * _PER_DOUBLING)


def median(buckets: Iterable[tuple[int, int]]) -> float | None:
    """The median in milliseconds, within a tenth, of buckets and how often each was; None of nothing."""
    ordered = sorted(buckets)
    half, passed = sum(often for _, often in ordered) / 2, 0
    for number, often in ordered:
        passed += often
        if passed >= half > 0:
            return float(2 ** (number / _PER_DOUBLING) - 1)
    return None


async def add(connection: Connection, counted: Counted) -> None:
    """Add what was counted."""
    if counted:
        rows: Sequence[tuple[datetime, str, int, int]] = sorted((*key, often) for key, often in counted.items())
        await connection.execute(_ADD, *(list(column) for column in zip(*rows, strict=True)))
