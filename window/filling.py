"""Filling: has all services say again what a gap may have swallowed, with the token of the operator who asks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from window.looks import Gap, Looks
from window.operations import Operations, RefusedError
from window.signing_in import Operator

MARGIN = timedelta(minutes=5)
"""How much more than a gap is said again: services say again by hours of their own clocks"""
Filled = Callable[[int, str], Awaitable[object]]
"""Notes that a gap was asked to be filled, and by whom"""
Note = tuple[bool, str]
"""Whether it went well, and what is said of it"""


@dataclass(frozen=True)
class Filling:
    """Asks the services, and notes it once all of them have agreed."""

    looks: Looks
    operations: Operations
    filled: Filled | None = None

    async def fill(self, number: int, operator: Operator, key: str) -> Sequence[Note] | None:
        """What each service says to it; None if there is no such gap."""
        gap = next((one for one in await self.looks.gaps() if one.number == number), None)
        if gap is None:
            return None
        notes = await self._ask(operator, gap, key)
        if self.filled is not None and all(is_good for is_good, _ in notes):
            await self.filled(number, operator.name)
        return notes

    async def _ask(self, operator: Operator, gap: Gap, key: str) -> Sequence[Note]:
        """Have all services say again what they said since the gap began."""
        hours = max(0.1, (datetime.now(UTC) - gap.since + MARGIN) / timedelta(hours=1))
        asked = (self._resaid(operator, service, round(hours, 2), key) for service in self.operations.services)
        return await asyncio.gather(*asked) or [(False, "The window knows no service to ask.")]

    async def _resaid(self, operator: Operator, service: str, hours: float, key: str) -> Note:
        try:
            await self.operations.resay(service, operator, hours, key)
        except RefusedError as error:
            return False, str(error)
        return True, f"{service} says again what it said in the last {hours:g} hours."
