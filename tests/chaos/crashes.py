"""Deaths of processes: at the named crash points of `chassis.crash`, on a signal, and standing still for a while."""

import asyncio
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from chassis.crash import Point
from chassis.graph import load
from chassis.step import Kind, Step
from stack.directory import ROOT
from tests.chaos.drill import Fault
from tests.chaos.programs import PROGRAMS
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

OF_STEPS = (Point.BEFORE_TRANSACTION, Point.AFTER_INBOX)
OF_EVENTS = tuple(point for point in Point if point not in OF_STEPS)
PASSED_WITHIN = 150.0
FROZEN_SECONDS = 30.0
EXIT_WITHIN = 10.0
BETWEEN = 4.0
REFUSED = "payment.send-failed"
"""Said only while the platform refuses what it should not, which has a script of its own."""


class Order(NamedTuple):
    """Which process is to die where: the subject is a step or an event, as `chassis.crash` has it."""

    service: str
    subject: str
    point: Point


def every_order() -> list[Order]:
    """Each crash point of each step: of the step itself, and of each event that it may say."""
    return list(dict.fromkeys(order for step in load(ROOT).steps for order in _orders(step)))


def one_order_for_each_step() -> list[Order]:
    """One crash point of each step, a different one from step to step."""
    chosen = []
    for number, step in enumerate(load(ROOT).steps):
        orders = list(dict.fromkeys(_orders(step)))
        points = list(dict.fromkeys(order.point for order in orders))
        chosen.append(next(order for order in orders if order.point == points[number % len(points)]))
    return list(dict.fromkeys(chosen))


def orders_of(subject: str) -> list[Order]:
    """Each crash point of one event."""
    return [order for order in every_order() if order.subject == subject]


def _orders(step: Step) -> Iterator[Order]:
    if step.kind is not Kind.START:
        yield from (Order(step.service, step.queue, point) for point in OF_STEPS)
    for event in step.says:
        yield from (Order(step.service, event.name, point) for point in OF_EVENTS)


def killed_at(orders: Sequence[Order]) -> Fault:
    """Processes die at these points, one after the other in each service."""

    async def fault(site: Site) -> int:
        by_service = [[one for one in orders if f"{one.service}_svc" == name] for name in PROGRAMS]
        await asyncio.gather(*(_kill_at(site, some) for some in by_service))
        return len(orders)

    return fault


async def _kill_at(site: Site, orders: Iterable[Order]) -> None:
    for order in orders:
        file = site.crashes / f"{order.subject}@{order.point}"
        file.touch()
        try:
            await _gone(file, PASSED_WITHIN)
        finally:
            file.unlink(missing_ok=True)


async def _gone(file: Path, within: float) -> None:
    async def look() -> list[Path]:
        return _present(file)

    await eventually(look, lambda left: not left, within)


def _present(file: Path) -> list[Path]:
    return [file] if file.exists() else []


async def killed(site: Site) -> int:
    """The processes of the services are killed one after the other, wherever they are."""
    for name in PROGRAMS:
        await site.programs.end(name, signal.SIGKILL)
    return len(PROGRAMS)


async def terminated(site: Site) -> int:
    """The processes of the services are asked to end, one after the other, and do so in time."""
    for name in PROGRAMS:
        pid = await site.programs.send(name, signal.SIGTERM)
        await _gone(Path(f"/proc/{pid}"), EXIT_WITHIN)
        await site.programs.replaced(name, pid)
        await asyncio.sleep(BETWEEN)
    return len(PROGRAMS)


async def frozen(site: Site) -> int:
    """The processes of the services stand still for half a minute, several of them at a time."""

    async def freeze(number: int, name: str) -> None:
        await asyncio.sleep(number * FROZEN_SECONDS / len(PROGRAMS))
        await site.programs.freeze(name, FROZEN_SECONDS)

    await asyncio.gather(*(freeze(number, name) for number, name in enumerate(PROGRAMS)))
    return len(PROGRAMS)
