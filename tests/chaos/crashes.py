"""Deaths of processes: at the named crash points of `chassis.crash`, on a signal, and standing still for a while."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from chassis.choreography.loading import load
from chassis.choreography.step import Step
from chassis.crash import Point
from stack.directory import ROOT
from tests.chaos.drill import Fault
from tests.chaos.programs import PROGRAMS
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

OF_STEPS = (Point.BEFORE_TRANSACTION, Point.AFTER_INBOX)
OF_EVENTS = tuple(point for point in Point if point not in OF_STEPS)
PASSED_WITHIN = 1200.0
FROZEN_SECONDS = 30.0
READY_WITHIN = 60.0
SPREAD = 3
"""So many orders apart are those that stand for the others"""
REFUSED = "send-failed"
"""What events end in that are said only while the platform refuses what it should not"""
RARE = {"checkout.overdue", "seat.decide", "point.unspent", "refund.overdue", "seat.vouch"}
"""What comes by only when something has taken so long that a clock asks about it"""


class Order(NamedTuple):
    """Where a process is to die: the subject is a step or an event, as `chassis.crash` has it."""

    subject: str
    point: Point
    way: str
    """Whether the step goes forward or back"""

    @property
    def is_of_refusal(self) -> bool:
        """Whether the platform has to refuse something before anybody comes by."""
        return self.subject.endswith(REFUSED)


def every_order() -> list[Order]:
    """Each crash point of each step: of the step itself, and of each event that it may say."""
    return list(dict.fromkeys(order for step in load(ROOT).steps for order in _orders(step)))


def usual_orders() -> list[Order]:
    """Those that somebody comes by before long, whatever happens."""
    return [order for order in every_order() if not order.is_of_refusal and order.subject not in RARE]


def some_orders() -> list[Order]:
    """One crash point of each kind, forward and back, spread over the steps."""
    kinds = defaultdict[tuple[Point, str], list[Order]](list)
    for order in usual_orders():
        kinds[order.point, order.way].append(order)
    return [orders[SPREAD * number % len(orders)] for number, orders in enumerate(kinds.values())]


def _orders(step: Step) -> Iterator[Order]:
    way = "forward" if step.undoes is None else "back"
    if step.has_queue:
        yield from (Order(step.queue, point, way) for point in OF_STEPS)
    for event in step.says:
        yield from (Order(event.name, point, way) for point in OF_EVENTS)


def killed_at(orders: Collection[Order]) -> Fault:
    """Processes die at all of these points, each as soon as one comes by."""

    async def fault(site: Site) -> int:
        files = [site.crashes / f"{order.subject}@{order.point}" for order in orders]
        for file in files:
            file.touch()
        try:
            await gone(files, PASSED_WITHIN)
        finally:
            for file in files:
                file.unlink(missing_ok=True)
        return len(files)

    return fault


async def gone(files: Collection[Path], within: float) -> None:
    """Wait until none of these exists any more; raises AssertionError with those that do."""

    async def left() -> list[str]:
        return [file.name for file in files if file.exists()]

    await eventually(left, lambda names: not names, within)


async def killed(site: Site) -> int:
    """The processes of the services are killed one after the other, wherever they are."""
    for name in PROGRAMS:
        await site.programs.end(name, signal.SIGKILL)
    return len(PROGRAMS)


def killed_in_turn(*services: str, pause: float = 0.0) -> Fault:
    """The processes of some services are killed, each when the one before it is well again, and after a pause."""

    async def fault(site: Site) -> int:
        for service in services:
            await site.programs.end(f"{service}_svc", signal.SIGKILL)
            await eventually(partial(site.is_ready, service), within=READY_WITHIN)
            await asyncio.sleep(pause)
        return len(services)

    return fault


async def frozen(site: Site) -> int:
    """The processes of the services stand still for half a minute, several of them at a time."""

    async def freeze(number: int, name: str) -> None:
        await asyncio.sleep(number * FROZEN_SECONDS / len(PROGRAMS) / 2)
        await site.programs.freeze(name, FROZEN_SECONDS)

    await asyncio.gather(*(freeze(number, name) for number, name in enumerate(PROGRAMS)))
    return len(PROGRAMS)
