"""Purging: what is old enough goes, a bounded number of rows at a time, through functions that the owner has made."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from chassis.errors import describe
from chassis.store.retention import MAX_DELETED, Retention
from window import tally
from window.database import Pool

log = structlog.get_logger(__name__)

INTERVAL, PAUSE = 60.0, 0.02
KEPT_ASIDE = timedelta(hours=1)
"""How long what should have come back from its rest is taken for resting"""
RIGHTS: Mapping[str, str] = {
    "message": "SELECT, INSERT",
    "aside": "SELECT, INSERT, UPDATE, DELETE",
    "mention": "SELECT, INSERT",
    "person": "SELECT, INSERT",
    "kind": "SELECT, INSERT",
}
"""What the role of the window may do with its tables, where that is not to read, add and change rows"""


def retentions(keep: timedelta) -> tuple[Retention, ...]:
    """Which rows go when."""
    kept = ("mention", "person", "message", "saga", "aside")
    return (
        *(Retention(table, "seen_at", keep) for table in kept),
        Retention("aside", "until", KEPT_ASIDE, "NOT is_parked"),
        Retention("tally", "at", tally.KEPT),
        Retention("gap", "since", keep, "until IS NOT NULL"),
    )


class Purging:
    """Has old rows go for good."""

    def __init__(self, pool: Pool, keep: timedelta) -> None:
        self._pool = pool
        self._retentions = retentions(keep)

    async def run(self) -> None:
        """Delete old rows, now and then."""
        while True:
            try:
                await self.purge()
            except Exception as error:  # noqa: BLE001  # the next time shows whether it lasts
                log.warning("old rows not deleted", error=describe(error))
            await asyncio.sleep(INTERVAL)

    async def purge(self) -> int:
        """Delete what is old enough now; returns how many rows went."""
        total = 0
        for one in self._retentions:
            statement = f'SELECT "{one.function}"($1, $2)'
            while gone := int(await self._pool.fetchval(statement, one.age, MAX_DELETED)):
                total += gone
                if gone < MAX_DELETED:
                    break
                await asyncio.sleep(PAUSE)
        return total
