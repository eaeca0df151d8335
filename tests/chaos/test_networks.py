"""Checkouts survive the network between services, broker and databases; no service has to be started again."""

import pytest

from tests.chaos import networks
from tests.chaos.drill import Drill
from tests.chaos.networks import to_broker, to_database
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_black_hole_before_the_broker_is_noticed(drill: Drill) -> None:
    """When nothing gets through to the broker, heartbeats tell, and new connections take over."""
    await drill.run("service-broker: black hole 35 s", networks.black_hole(to_broker), spares=PROGRAMS)


async def test_black_hole_before_the_database_is_noticed(drill: Drill) -> None:
    """When nothing gets through to the databases, statements end at their deadlines, and are repeated."""
    await drill.run("service-database: black hole 35 s", networks.black_hole(to_database), spares=PROGRAMS)


async def test_short_black_hole_before_the_broker_only_delays(drill: Drill) -> None:
    """When nothing gets through to the broker for some seconds, what was on its way arrives late."""
    await drill.run("service-broker: black hole 8 s", networks.short_black_hole(to_broker), spares=PROGRAMS)


async def test_short_black_hole_before_the_database_only_delays(drill: Drill) -> None:
    """When nothing gets through to the databases for some seconds, what was on its way arrives late."""
    await drill.run("service-database: black hole 8 s", networks.short_black_hole(to_database), spares=PROGRAMS)


async def test_resets_of_broker_connections_are_repaired(drill: Drill) -> None:
    """When connections to the broker are reset again and again, they are made anew, with all consumers."""
    await drill.run("service-broker: RST", networks.resets(to_broker), spares=PROGRAMS)


async def test_resets_of_database_connections_are_repaired(drill: Drill) -> None:
    """When connections to the databases are reset again and again, transactions are done again."""
    await drill.run("service-database: RST", networks.resets(to_database), spares=PROGRAMS)


async def test_latency_before_the_broker_only_delays(drill: Drill) -> None:
    """When the broker is far away, everything takes longer and nothing else happens."""
    await drill.run("service-broker: latency 150 ms", networks.latency(to_broker), spares=PROGRAMS)


async def test_latency_before_the_database_only_delays(drill: Drill) -> None:
    """When the databases are far away, everything takes longer and nothing else happens."""
    await drill.run("service-database: latency 150 ms", networks.latency(to_database), spares=PROGRAMS)


async def test_half_open_broker_connections_are_noticed(drill: Drill) -> None:
    """When the broker has forgotten a connection without a word, heartbeats tell, and it is made anew."""
    await drill.run("service-broker: half-open", networks.half_open(to_broker), spares=PROGRAMS)


async def test_half_open_database_connections_are_noticed(drill: Drill) -> None:
    """When the databases have forgotten a connection without a word, statements end at their deadlines."""
    await drill.run("service-database: half-open", networks.half_open(to_database), spares=PROGRAMS)


async def test_narrow_pipe_before_the_broker_only_delays(drill: Drill) -> None:
    """When little gets through to the broker at a time, everything takes longer and nothing else happens."""
    await drill.run("service-broker: throttled 20 kB/s", networks.throttled(to_broker), spares=PROGRAMS)


async def test_narrow_pipe_before_the_database_only_delays(drill: Drill) -> None:
    """When little gets through to the databases at a time, everything takes longer and nothing else happens."""
    await drill.run("service-database: throttled 20 kB/s", networks.throttled(to_database), spares=PROGRAMS)


async def test_lost_acks_are_met_by_the_inbox(drill: Drill) -> None:
    """When acknowledgements get lost, deliveries come again and have no second effect."""
    await drill.run("a lost ack", networks.lost_acks, spares=PROGRAMS)


async def test_lost_confirms_are_met_by_the_inbox(drill: Drill) -> None:
    """When confirms get lost with their connection, events are published again and have no second effect."""
    await drill.run("a lost confirm", networks.lost_confirms, spares=PROGRAMS)


async def test_swallowed_confirms_are_not_waited_for(drill: Drill) -> None:
    """When confirms never come, the channel is thrown away and the events are published again."""
    await drill.run("a lost confirm, in silence", networks.swallowed_confirms, spares=PROGRAMS)
