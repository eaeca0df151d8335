"""Committing: whether a database commits what is written, shown by what it has committed last.

A database answers questions for long after its disk is full, or it has become a standby.
"""

import asyncio
import time

from chassis.store.database import Database

FRESH_SECONDS = 8.0
"""For how long the last commit is proof enough; a busy process never asks for another"""


class Committing:
    """Asks for a proof when there was none lately, one at a time, however many want to know."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking: asyncio.Task[Exception | None] | None = None

    async def trouble(self) -> Exception | None:
        """Why nothing can be committed, if so."""
        written_at = self._database.written_at
        if written_at is not None and time.monotonic() - written_at < FRESH_SECONDS:
            return None
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._database.trouble())
        return await asyncio.shield(self._asking)
