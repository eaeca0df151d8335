"""Faults of the network between every service and its broker, or every service and its database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tests.chaos.drill import Fault
from tests.chaos.frames import BASIC_ACK
from tests.chaos.gate import Gate, Weather
from tests.chaos.site import Site

Gates = Callable[[Site], Iterable[Gate]]
Weathers = Callable[[], Weather]

SECONDS = 8.0
LOST_SECONDS = 35.0
"""Longer than it takes to notice by heartbeats, of which there is one in ten seconds, that nobody is there."""
LOSSES, LOSING_LOOKS = 12, 300
"""As many acknowledgements get lost, at the most."""


def to_broker(site: Site) -> Iterable[Gate]:
    """The ways of all services to the broker."""
    return site.brokers.values()


def to_database(site: Site) -> Iterable[Gate]:
    """The ways of all services to their databases."""
    return site.databases.values()


def black_hole(where: Gates) -> Fault:
    """Nothing arrives any more, and nobody is told."""
    return _weather(where, lambda: Weather(holds=True), LOST_SECONDS)


def short_black_hole(where: Gates) -> Fault:
    """Nothing arrives for a moment that is too short to be noticed by heartbeats."""
    return _weather(where, lambda: Weather(holds=True), SECONDS)


def latency(where: Gates) -> Fault:
    """Everything takes longer, each way."""
    return _weather(where, lambda: Weather(delay=0.15), SECONDS)


def throttled(where: Gates) -> Fault:
    """Everything passes through a narrow pipe."""
    return _weather(where, lambda: Weather(rate=20_000), SECONDS)


def resets(where: Gates) -> Fault:
    """All connections break, again and again."""

    async def fault(site: Site) -> int:
        return await _again_and_again(site, lambda gate: gate.reset(), where)

    return fault


def half_open(where: Gates) -> Fault:
    """The far ends of all connections go away in silence, and new connections can be made at once."""

    async def fault(site: Site) -> int:
        lost = sum(gate.half_open() for gate in where(site))
        await asyncio.sleep(SECONDS)
        return lost

    return fault


def lost_acks(site: Site) -> Awaitable[int]:
    """Connections break with an acknowledgement of a delivery on its way to the broker."""
    return _lose(site, Weather(loses=BASIC_ACK, loses_upwards=True, resets_on_loss=True))


def lost_confirms(site: Site) -> Awaitable[int]:
    """Connections break with the confirm of a publish on its way to the service."""
    return _lose(site, Weather(loses=BASIC_ACK, resets_on_loss=True))


def swallowed_confirms(site: Site) -> Awaitable[int]:
    """Confirms never arrive, on connections that go on as if nothing were missing."""
    return _lose(site, Weather(loses=BASIC_ACK))


async def _lose(site: Site, weather: Weather) -> int:
    gates = list(to_broker(site))
    try:
        for gate in gates:
            gate.turn(weather)
        for _ in range(LOSING_LOOKS):
            await asyncio.sleep(0.05)
            if weather.lost >= LOSSES:
                break
    finally:
        for gate in gates:
            gate.turn(Weather())
    return weather.lost


async def _again_and_again(site: Site, what: Callable[[Gate], int], where: Gates) -> int:
    loop, done = asyncio.get_running_loop(), 0
    deadline = loop.time() + SECONDS
    while loop.time() < deadline:
        done += sum(what(gate) for gate in where(site))
        await asyncio.sleep(1.5)
    return done


def _weather(where: Gates, weather: Weathers, seconds: float) -> Fault:
    async def fault(site: Site) -> int:
        gates = list(where(site))
        try:
            for gate in gates:
                gate.turn(weather())
            await asyncio.sleep(seconds)
        finally:
            for gate in gates:
                gate.turn(Weather())
        return len(gates)

    return fault
