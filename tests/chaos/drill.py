"""A drill: break something under load, heal it, wait until all is well, and examine everything."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from stack.demo.invariants import examine
from stack.services import SERVICES
from tests.chaos.ledger import Ledger, Row
from tests.chaos.programs import PROGRAMS
from tests.chaos.shoppers import USUAL, Shoppers
from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE

BEFORE, AFTER = 2.0, 3.0
"""Seconds under load before the fault, and after it was healed."""
ENDED_WITHIN = 60.0
RATE = 6.0
OFTEN = 8.0
"""Fans a second, all of whom buy: so that a gap in completions is seen"""

_PENDING = """
    SELECT (SELECT count(*) FROM checkout WHERE status = 'PENDING' AND checkout_id = ANY($1::uuid[]))
        + (SELECT count(*) FROM refund WHERE status = 'PENDING')
"""
_OVER = "SELECT array_agg(payment_id) FROM reservation WHERE status IN ('REJECTED', 'EXPIRED', 'CANCELLED')"

Fault = Callable[[Site], Awaitable[int]]
"""Breaks something, heals it, and says how many times it did so."""


def longest_gap(moments: Iterable[datetime]) -> float | None:
    """The longest time between two moments that follow each other, in seconds; None if there are no two."""
    gaps = (later - earlier for earlier, later in pairwise(sorted(moments)))
    return max((gap.total_seconds() for gap in gaps), default=None)


def at_once(*faults: Fault) -> Fault:
    """All of these at the same time."""

    async def fault(site: Site) -> int:
        return sum(await asyncio.gather(*(one(site) for one in faults)))

    return fault


@dataclass
class Drill:
    """Runs one script after the other on one site; a later one starts from what the earlier ones have left."""

    site: Site
    ledger: Ledger
    _known: set[str] = field(default_factory=set)

    async def run(
        self,
        name: str,
        fault: Fault,
        *,
        spares: Iterable[str] = (),
        ways: Sequence[str] = USUAL,
        rate: float = RATE,
        parts: Mapping[str, int] | None = None,
        load: Shoppers | None = None,
    ) -> None:
        """Run one script; raises AssertionError with whatever does not hold afterwards.

        `spares` are the services that have to get over it in the same process; `parts` says of how many injections
        of which kind the fault consists; `load` are other people than the usual ones.
        """
        shoppers, earlier = load or Shoppers(self.site, rate, ways), set(self.site.accepted)
        refunded = await self._refunded()
        processes = {one: self.site.programs.pid(one) for one in spares}
        async with shoppers.shopping():
            injections, wrong = await self._break(fault)
            healed = asyncio.get_running_loop().time()
            recovery = asyncio.create_task(self._recovered(set(self.site.accepted)))
            await asyncio.sleep(AFTER)
        is_well = await recovery
        wrong += [] if is_well else [f"not well {ENDED_WITHIN:.0f} s after the healing"]
        wrong += await self._violations()
        wrong += [f"{one} was started again" for one, pid in processes.items() if self.site.programs.pid(one) != pid]
        counts = await self._counts(self.site.accepted - earlier)
        recovered = is_well - healed if is_well else None
        gap = longest_gap(await self.site.platform.received(self.site.accepted - earlier))
        ended = counts["COMPLETED"], counts["FAILED"]
        row = Row(name, injections, *ended, wrong, recovered, parts or {}, gap, await self._refunded() - refunded)
        self.ledger.rows.append(row)
        assert not wrong, (wrong[:20], dict(shoppers.gone))
        assert counts["COMPLETED"], ("nobody bought anything", dict(shoppers.gone))
        assert injections, "nothing was broken"

    async def run_busily(self, name: str, fault: Fault) -> None:
        """Run one script while everybody buys; every service has to get over it in the same process."""
        await self.run(name, fault, spares=PROGRAMS, ways=("buy",), rate=OFTEN)

    async def _break(self, fault: Fault) -> tuple[int, list[str]]:
        """Let a fault do its work; how many times it did it, and what stopped it if it was stopped."""
        await asyncio.sleep(BEFORE)
        try:
            return await fault(self.site), []
        except (AssertionError, TimeoutError) as error:
            return 0, [f"the fault itself: {error!r}"]

    async def _recovered(self, accepted: set[UUID]) -> float | None:
        """When all services are ready, and the checkouts that were accepted till now and all refunds have ended."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ENDED_WITHIN
        while loop.time() < deadline:
            if all([await self.site.is_ready(one) for one in SERVICES]) and not await self._pending(accepted):
                return loop.time()
            await asyncio.sleep(0.2)
        return None

    async def _pending(self, accepted: set[UUID]) -> int:
        try:
            async with self.site.session("payment") as session:
                return int(await session.fetchval(_PENDING, list(accepted)))
        except TROUBLE:
            return 1

    async def _violations(self) -> list[str]:
        """What is violated and was not before, when it is still so after a while."""
        deadline = asyncio.get_running_loop().time() + ENDED_WITHIN
        while True:
            found = await self._look()
            new = [one for one in found if one not in self._known]
            if not new or asyncio.get_running_loop().time() > deadline:
                self._known |= set(found)
                return new
            await asyncio.sleep(1)

    async def _look(self) -> list[str]:
        try:
            findings = await examine(self.site.environment, self.site.accepted)
            found = [f"{one.invariant}: {violation}" for one in findings for violation in one.violations]
            return found + await self._unfinished()
        except TROUBLE as error:
            return [f"cannot be examined: {error!r}"]

    async def _unfinished(self) -> list[str]:
        """What no invariant speaks of, and messages that the management has yet to count."""
        async with self.site.broker() as broker:
            depths = {queue: await broker.depth(queue) for queue in await broker.steps()}
        left = [f"I8: {queue}: {depth} messages" for queue, depth in depths.items() if depth]
        return left + [f"{what}: {count}" for what, count in (await self._halfway()).items() if count]

    async def _halfway(self) -> dict[str, int]:
        """What should have gone on, and how often it has not."""
        async with self.site.session("reservation") as session:
            unanswered = await session.fetchval("SELECT count(*) FROM reservation WHERE status = 'REQUESTED'")
            over = await session.fetchval(_OVER)
        async with self.site.session("seat") as session:
            kept = await session.fetchval("SELECT count(*) FROM seat WHERE holder = ANY($1::uuid[])", over)
            revoked = await session.fetchval("SELECT count(*) FROM seat WHERE revoke_at IS NOT NULL")
        async with self.site.session("payment") as session:
            known = "SELECT count(*) FROM refund WHERE refund_id = ANY($1::uuid[])"
            lost = len(self.site.refunds) - await session.fetchval(known, list(self.site.refunds))
        return {
            "requests for seats have no answer": unanswered,
            "seats are had by holds that are over": kept,
            "seats are revoked and had by somebody all the same": revoked,
            "refunds were accepted and are not there": lost,
        }

    async def _refunded(self) -> int:
        async with self.site.session("payment") as session:
            return int(await session.fetchval("SELECT count(*) FROM refund WHERE status = 'COMPLETED'"))

    async def _counts(self, accepted: set[UUID]) -> dict[str, int]:
        query = "SELECT status, count(*) AS n FROM checkout WHERE checkout_id = ANY($1::uuid[]) GROUP BY status"
        async with self.site.session("payment") as session:
            found = {row["status"]: row["n"] for row in await session.fetch(query, list(accepted))}
        return {"COMPLETED": 0, "FAILED": 0} | found
