"""Judge: when work for some messages fails, finds out what is to blame: one of them, or the environment.

What a step raises, and what the database says of the data, counts against a message at once. Anything else may be an
outage, a lock that somebody keeps, or a message that no database can digest; all three look the same. So a transaction
that concerns nobody is the witness. When it fails too, the environment is to blame, and the work waits until it has
recovered. When it succeeds again and again while the work fails, the work is halved until the culprit is alone. Work
that knows its culprits raises CulpritsError, and is done once more without them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from chassis.errors import CulpritsError, describe
from chassis.store.database import Database, Work
from chassis.store.failures import blames_work, is_contention
from chassis.store.transaction import Transaction

Item = TypeVar("Item")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)

PROOF = 3.0
"""How often work must fail while the witness succeeds, before it is the work that is to blame"""
RECOVERED = 0.25
"""What a failure counts of that when the witness failed too: even what breaks the database each time ends some day"""
HALVED_LOCK_MILLISECONDS = 100
"""How long half a batch waits for a lock: the culprit is to be found before its neighbours have waited for long"""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


class Judge:
    """Commits the work of one step."""

    def __init__(self, name: str, database: Database) -> None:
        self._name = name
        self._database = database
        self.waits_for: str | None = None
        """What the environment fails with, while it is waited for"""

    async def outcomes(
        self,
        work: Callable[[Sequence[Item], Transaction], Awaitable[Sequence[Result]]],
        items: Sequence[Item],
        lock_milliseconds: int | None = None,
    ) -> list[Result | Exception]:
        """What the work makes of the items, committed: for each its result, or the error that counts against it."""
        done = await self._done(lambda transaction: work(items, transaction), lock_milliseconds)
        if not isinstance(done, Exception):
            return list(done)
        if isinstance(done, CulpritsError):
            others = [item for place, item in enumerate(items) if place not in done.reasons]
            following = iter(await self.outcomes(work, others, lock_milliseconds) if others else ())
            return [done.reasons.get(place) or next(following) for place in range(len(items))]
        if len(items) == 1:
            return [done]
        middle = len(items) // 2
        halves = items[:middle], items[middle:]
        return [one for half in halves for one in await self.outcomes(work, half, HALVED_LOCK_MILLISECONDS)]

    async def surely(self, work: Work[Result]) -> Result:
        """The result of work that concerns no message, committed, however long that takes; raises its own errors."""
        while isinstance(done := await self._done(work, None), Exception):
            if blames_work(done):
                raise done
        return done

    async def _done(self, work: Work[Result], lock_milliseconds: int | None) -> Result | Exception:
        """The result of the work, or the error when the environment is not to blame for it."""
        proof = 0.0
        while True:
            try:
                return await self._database.run(work, lock_milliseconds)
            except Exception as error:  # noqa: BLE001  # it is judged
                if blames_work(error):
                    return error
                proof += await self._weight(error)
                if proof >= PROOF:
                    return error

    async def _weight(self, error: Exception) -> float:
        """What a failure proves against the work; returns once the environment works."""
        trouble = await self._database.trouble()
        if trouble is None:
            return PROOF if is_contention(error) else 1.0
        try:
            await self._recovered(error, trouble)
        finally:
            self.waits_for = None
        return RECOVERED

    async def _recovered(self, error: Exception, trouble: Exception | None) -> None:
        log.warning("waits for the database", step=self._name, error=describe(error))
        pause = FIRST_PAUSE
        while trouble is not None:
            self.waits_for = describe(trouble)
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311  # jitter, no secret
            pause = min(2 * pause, LONGEST_PAUSE)
            trouble = await self._database.trouble()
        log.info("the database works again", step=self._name)
