"""Buyers: real fans who buy seats now and then while the system is attacked."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import httpx2

from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.fan import ACCEPTED, OK, Fan
from tests.end_to_end.system import System

EVERY = 4.0
SEATS = 1_000
WITHIN = 60.0
BUSY = 503


@dataclass
class Buyers:
    """Who came, and how it ended for them."""

    system: System
    accepted: set[UUID] = field(default_factory=set)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    asked_again: int = 0
    """How often the door was closed for a while"""
    longest: float = 0.0

    async def come(self) -> None:
        """Come one after the other until cancelled; every fourth lacks a point. Who has come finishes."""
        seats = iter(await Catalogue(self.system).new_date(SEATS))
        for number, seat_id in enumerate(seats):
            buying = asyncio.create_task(self.buy(seat_id, is_rich=number % 4 != 3))
            try:
                await asyncio.shield(buying)
                await asyncio.sleep(EVERY)
            except asyncio.CancelledError:
                await buying
                raise

    async def buy(self, seat_id: int, *, is_rich: bool) -> None:
        """Charge, hold a seat, pay, and see how it ends."""
        began = time.monotonic()
        expected = "completed" if is_rich else "failed insufficient-points"
        try:
            async with asyncio.timeout(WITHIN):
                end = await self._bought(Fan(self.system, "buyer"), seat_id, CHEAP if is_rich else CHEAP - 1)
        except (AssertionError, TimeoutError, httpx2.HTTPError, KeyError) as error:
            end = f"{type(error).__name__}: {str(error)[:200]}"
        self.longest = max(self.longest, time.monotonic() - began)
        self.ends[end if end == expected else "not as expected"] += 1
        if end != expected:
            self.wrong[f"{end}, expected {expected}"] += 1

    async def _bought(self, fan: Fan, seat_id: int, points: int) -> str:
        await fan.charge(points)
        hold = await fan.hold(seat_id)
        answer = await fan.order(hold.payment_id)
        while answer.status_code == BUSY:
            self.asked_again += 1
            await asyncio.sleep(int(answer.headers["retry-after"]))
            answer = await fan.order(hold.payment_id)
        assert answer.status_code in (OK, ACCEPTED), answer.text
        checkout_id = UUID(answer.json()["checkout_id"])
        self.accepted.add(checkout_id)
        state = await fan.end_of(checkout_id)
        return " ".join(str(one) for one in (state["status"], state.get("reason")) if one)
