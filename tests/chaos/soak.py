"""`python -m tests.chaos.soak --minutes 60`: all faults at random, one after the other, under constant load."""

import asyncio
import logging
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos import (
    brokers,
    clocks,
    consumers,
    crashes,
    endings,
    environment,
    evenings,
    messages,
    networks,
    platforms,
    replicas,
    servers,
    upgrades,
)
from tests.chaos.drill import Drill, Fault, at_once
from tests.chaos.ledger import Ledger
from tests.chaos.networks import to_broker, to_database
from tests.chaos.shoppers import EVERY
from tests.chaos.site import Site

MAX_MINUTES = 600
CRASHES_AT_ONCE = 4
PAIRS = 0.3
"""How often two faults come at once."""


def faults_of_networks() -> dict[str, Fault]:
    """Each fault of the network, to the broker and to the databases."""
    makers = (
        *(networks.black_hole, networks.short_black_hole, networks.half_open),
        *(networks.resets, networks.latency, networks.throttled),
    )
    ways = {"broker": to_broker, "database": to_database}
    lost = _named(networks.lost_acks, networks.lost_confirms, networks.swallowed_confirms)
    return lost | {f"{make.__name__} to {name}": make(where) for make in makers for name, where in ways.items()}


def faults_of_programs(chance: random.Random) -> dict[str, Fault]:
    """Each fault of what runs, except for the broker; at which points the services crash is left to chance."""
    orders = chance.sample(crashes.usual_orders(), CRASHES_AT_ONCE)
    places = ", ".join(f"{one.subject}@{one.point}" for one in orders)
    return {f"kill at {places}": crashes.killed_at(orders)} | _named(
        *(crashes.killed, crashes.frozen, servers.restarted, servers.killed, servers.transactions_terminated),
        *(platforms.errors, platforms.slowness, platforms.errors_after_it_acted, consumers.slow, consumers.spike),
    )


def faults_alone() -> dict[str, Fault]:
    """Each fault of the broker, each for which one has to speak to it, and each during which something is promised."""
    return _named(
        *(brokers.restarted, brokers.killed, brokers.emptied, brokers.memory_alarm, brokers.disk_alarm),
        *(messages.duplicated, messages.late_and_out_of_order, messages.corrupted, messages.of_unknown_version),
        *(messages.returned, consumers.deleted, consumers.deleted_while_observed, consumers.timed_out),
        *(endings.terminated, replicas.second_killed, replicas.side_by_side, upgrades.rolled_and_rolled_back),
        evenings.called_off_and_killed,
    ) | {
        "broker: alarm for 20 s": brokers.memory_alarm_that_lasts(20),
        "clock: ahead": clocks.astray(clocks.ASTRAY_SECONDS),
        "clock: behind": clocks.astray(-clocks.ASTRAY_SECONDS),
        "database: read-only": environment.read_only(environment.SHORT),
        "database: inboxes locked": environment.table_locked(),
        "database: a stranger's lock": environment.row_locked(environment.SHORT),
    }


def next_fault(chance: random.Random) -> tuple[str, Fault]:
    """One fault, or one of the network and one of the programs at the same time, and what to call it."""
    network, program = faults_of_networks(), faults_of_programs(chance)
    if chance.random() < PAIRS:
        one, other = chance.choice(list(network)), chance.choice(list(program))
        return f"{one} + {other}", at_once(network[one], program[other])
    return chance.choice(list((network | program | faults_alone()).items()))


def _named(*faults: Fault) -> dict[str, Fault]:
    return {f"{fault.__module__.rpartition('.')[2]}.{fault.__name__}": fault for fault in faults}


async def soak(seed: int, seconds: float, ledger: Ledger) -> None:
    """Run faults in an order that `seed` decides, until the time is over; raises AssertionError at a violation."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        async with Site.of(Path(folder)) as site:
            drill = Drill(site, ledger)
            while time.monotonic() < ends:
                name, fault = next_fault(chance)
                await drill.run(name, fault, ways=EVERY)
                print(list(ledger.table())[-1], flush=True)  # noqa: T201  # its progress is what one wants to see


def main(minutes: Annotated[int, typer.Option(min=1, max=MAX_MINUTES)] = 20, seed: int | None = None) -> None:
    """Break everything at random for so many minutes, and print what came of it."""
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    ledger = Ledger()
    # It reports every connection that a broker which is down refuses.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    typer.echo(f"seed {chosen}")
    try:
        asyncio.run(soak(chosen, minutes * 60, ledger))
    except AssertionError as error:
        typer.echo(f"seed {chosen}: {error}", err=True)
        sys.exit(1)
    finally:
        typer.echo("\n".join([*ledger.table(), *ledger.summary(), f"seed {chosen}"]))


if __name__ == "__main__":
    typer.run(main)
