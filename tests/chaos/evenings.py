"""Evenings that are called off while everything else goes on, and services die."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.chaos.crashes import killed_in_turn
from tests.chaos.drill import Fault
from tests.chaos.purchases import Purchase, sold
from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import OK, Operator

PAUSE = 3.0
"""Seconds between a service that is well again and the death of the next one"""
KILLED = ("seat", "payment", "reservation", "point")
SMALL = 600
"""Seats: told in so many portions that one can die between two of them"""
SMALL_WITHIN = 90.0

_TO_TELL = """
    SELECT count(holder) FROM seat JOIN concert_date USING (date_id)
    WHERE date_id = $1 AND revoke_at <= called_off_at
    """
_REFUNDED = """
    SELECT count(*) AS refunds, count(DISTINCT payment_id) AS payments, max(finished_at) AS last
    FROM refund WHERE payment_id = ANY($1::uuid[]) AND status = 'COMPLETED'
    """
_TOLD = """
    SELECT count(*) AS notices, max(at) AS last FROM notice
    WHERE payment_id = ANY($1::uuid[]) AND kind = 'payment.refunded' AND status = 'SENT'
    """
_BESIDE = """
    SELECT count(*) FROM checkout
    WHERE status = 'COMPLETED' AND finished_at BETWEEN $2 AND $3 AND payment_id <> ALL($1::uuid[])
    """


@dataclass(frozen=True)
class Evening:
    """An evening with everything that was sold of it."""

    date_id: int
    purchases: list[Purchase]

    @property
    def payment_ids(self) -> list[Any]:
        """The payments."""
        return [one.payment_id for one in self.purchases]


@dataclass(frozen=True)
class Course:
    """How calling off an evening went: how many kills there were, and when what had happened."""

    kills: int
    began: datetime
    refunds: int
    refunded: datetime
    told: datetime
    beside: int
    """Checkouts for other evenings that completed until all was refunded"""

    def __str__(self) -> str:
        seconds = (self.refunded - self.began).total_seconds()
        told = (self.told - self.began).total_seconds()
        return (
            f"{self.refunds} payments refunded in {seconds:.1f} s ({self.refunds / seconds:.0f} a second), the platform"
            f" told after {told:.1f} s; {self.beside / seconds:.1f} checkouts a second beside, {self.kills} kills"
        )


async def sold_out(site: Site, seats: int) -> Evening:
    """A new evening, every seat of which is sold."""
    seat_ids = await site.catalogue.new_date(seats)
    return Evening(await site.catalogue.date_of(seat_ids[0]), await sold(site, seat_ids))


async def called_off_and_killed(site: Site) -> int:
    """A small evening is called off, and seat_svc dies when it has told some of those who have its seats, not all."""
    evening = await sold_out(site, SMALL)
    async with site.session("seat") as session:
        await _call_off(site, evening)

        async def to_tell() -> int:
            return int(await session.fetchval(_TO_TELL, evening.date_id))

        await eventually(to_tell, lambda left: left < SMALL)
        await site.programs.end("seat_svc", signal.SIGKILL)
        assert await to_tell(), "everybody was told already"
    await course_of(site, evening, SMALL_WITHIN)
    return 1


def called_off(evening: Evening, within: float, note: Callable[[str], None]) -> Fault:
    """An evening is called off, and meanwhile the services are killed one after the other; notes how it went."""

    async def fault(site: Site) -> int:
        await _call_off(site, evening)
        kills = await killed_in_turn(*KILLED, pause=PAUSE)(site)
        note(str(await course_of(site, evening, within, kills)))
        return kills

    return fault


async def course_of(site: Site, evening: Evening, within: float, kills: int = 0) -> Course:
    """How it went, once nobody has a seat and everybody who had bought one is refunded and the platform told."""
    operator = Operator(site.system)
    done = await eventually(_trying(lambda: operator.evening(evening.date_id)), lambda seen: seen.get("done"), within)
    async with site.session("payment") as session:
        count, payment_ids = len(evening.purchases), evening.payment_ids

        async def look() -> Any:
            (found,) = await session.fetch(_TOLD, payment_ids)
            return found

        told = await eventually(look, lambda seen: seen["notices"] == count, within)
        (back,) = await session.fetch(_REFUNDED, payment_ids)
        began = datetime.fromisoformat(done["called_off_at"])
        beside = await session.fetchval(_BESIDE, payment_ids, began, back["last"])
    assert (back["refunds"], back["payments"]) == (count, count), dict(back)
    return Course(kills, began, count, back["last"], told["last"], beside)


async def _call_off(site: Site, evening: Evening) -> None:
    answer = await Operator(site.system).call_off(evening.date_id)
    assert answer.status_code == OK, answer.text
    assert answer.json()["sold"] == sum(len(one.seat_ids) for one in evening.purchases), answer.text


def _trying(ask: Callable[[], Awaitable[dict[str, Any]]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The same, which answers with nothing while the service is down."""

    async def look() -> dict[str, Any]:
        try:
            return await ask()
        except (*TROUBLE, AssertionError):
            return {}

    return look
