"""Crowd: many fans who want the same seat at the same moment."""

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel

from chassis.web.problem import Problem
from stack.stage.fans import Fans

MAX_FANS = 20
SECONDS = 60.0
"""How long all of it may take"""
_WAIT = 7


class Rush(BaseModel):
    """What became of a crowd: who got the seat, who paid for it, and why the others did not."""

    seat_id: int
    fans: int
    held_by: list[str]
    bought_by: list[str]
    sagas: list[UUID]
    refusals: dict[str, int]


class Crowd:
    """Lets fans that nobody has been before rush for a seat; one crowd at a time."""

    def __init__(self, fans: Fans) -> None:
        self._fans = fans
        self._rushing = asyncio.Lock()

    async def rush(self, seat_id: int, price: int, count: int) -> Rush:
        """Everybody charges the price, holds the seat, and pays if they hold it; raises Problem 409 while others do."""
        if self._rushing.locked():
            raise Problem(HTTPStatus.CONFLICT, "A crowd is under way; wait until it is gone.", "crowd-under-way")
        async with self._rushing:
            name = uuid4().hex[:6]
            try:
                async with asyncio.timeout(SECONDS):
                    fans = [f"crowd-{name}-{number:02d}" for number in range(1, count + 1)]
                    ends = await asyncio.gather(*(self._buy(fan, seat_id, price) for fan in fans))
            except TimeoutError as error:
                detail = f"The crowd was not done within {SECONDS:.0f} seconds; what it asked for may still happen."
                raise Problem(HTTPStatus.GATEWAY_TIMEOUT, detail, "no-answer") from error
        return _summed(seat_id, ends)

    async def _buy(self, fan: str, seat_id: int, price: int) -> tuple[str, dict[str, Any]]:
        """A fan, and the last answer that they got."""
        try:
            await self._fans.charge(fan, price)
            held = await self._fans.hold(fan, [seat_id], _WAIT)
            if held["status"] != "temp":
                return fan, held
            return fan, held | await self._fans.pay(fan, UUID(held["payment_id"]), _WAIT)
        except Problem as problem:
            return fan, {"status": "refused", "reason": problem.kind}


def _summed(seat_id: int, ends: list[tuple[str, dict[str, Any]]]) -> Rush:
    paying = [(fan, end) for fan, end in ends if "checkout_id" in end]
    bought = [fan for fan, end in paying if end["status"] == "completed"]
    lost = [end for fan, end in ends if fan not in bought]
    return Rush(
        seat_id=seat_id,
        fans=len(ends),
        held_by=[fan for fan, _ in paying],
        bought_by=bought,
        sagas=[end["checkout_id"] for _, end in paying],
        refusals=Counter(end["reason"] or end["status"] for end in lost),
    )
