"""Auditing: judges what was seen by the rules of conservation, over the facts that are kept of each saga."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from pydantic import TypeAdapter

from chassis.errors import describe
from window import numbers
from window.conservation import Audit, Facts
from window.database import Pool
from window.looks import Finding

log = structlog.get_logger(__name__)

FACTS = TypeAdapter(Facts)
CHUNK = 1_000
FRESH_SECONDS, PAUSE = 2.0, 15.0
SOON = 0.05
"""Seconds that whoever asks waits for a judgement; after a longer one nobody waits for the next"""
SHARE = 20
"""An audit may take one part in so many of the time"""
_PAGE = "SELECT key, facts FROM saga WHERE key > $1 ORDER BY key LIMIT $2"


class Auditing:
    """Judges the archive, now and then; whoever asks gets the last judgement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: Sequence[Finding] = ()
        self._judged_at = -PAUSE
        self._took = 0.0
        self._judging = asyncio.Lock()

    async def run(self) -> None:
        """Judge for good."""
        while True:
            try:
                await self._judge_anew()
            except Exception as error:  # noqa: BLE001  # the next time shows whether it lasts
                log.warning("nothing judged", error=describe(error))
            await asyncio.sleep(max(PAUSE, SHARE * self._took))

    async def findings(self) -> Sequence[Finding]:
        """The rules, and whether what was seen keeps them; judged anew where that is soon done, else as judged last."""
        if not self._known or self._took < SOON:
            await self._judge_anew()
        return self._known

    async def _judge_anew(self) -> None:
        async with self._judging:
            if _now() - self._judged_at >= max(FRESH_SECONDS, SHARE * self._took):
                began = _now()
                self._known = await self.judge(datetime.now(UTC))
                self._judged_at, self._took = _now(), _now() - began
                numbers.disagreements.set(sum(not one.holds for one in self._known))

    async def judge(self, now: datetime) -> Sequence[Finding]:
        """Judge all sagas that are kept."""
        audit, key = Audit(now), 0
        while rows := await self._pool.fetch(_PAGE, key, CHUNK):
            for row in rows:
                audit.add(FACTS.validate_json(row["facts"]))
            key = rows[-1]["key"]
            await asyncio.sleep(0)
        return audit.findings()


def _now() -> float:
    return asyncio.get_running_loop().time()
