"""`python -m chassis renew`: makes the queues anew whose arguments are not as declared, and keeps what is in them."""

import asyncio
import logging
from collections.abc import Iterable

import typer
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelLockedResource, ChannelPreconditionFailed

from chassis.broker import renewal
from chassis.broker.connection import reason_of
from chassis.broker.nodes import connect
from chassis.choreography.declaration import Service
from chassis.choreography.topology import Topology, topology
from chassis.cli.address import broker_url, unreachable
from chassis.cli.here import here
from chassis.errors import QueueInUseError


def renew() -> None:
    """Make the queues anew whose arguments are not as declared, and keep what is in them.

    A service whose queue is due has to be stopped meanwhile; what is said to it waits.
    """
    services = here().services
    logging.getLogger("aiormq.connection").disabled = True  # the sentence below says the same
    try:
        are_all_done = asyncio.run(_renew(broker_url(), services))
    except ChannelLockedResource as error:
        typer.echo("somebody else is doing this at the moment", err=True)
        raise typer.Exit(1) from error
    except ChannelPreconditionFailed as error:
        typer.echo(f"{error}; messages keep their user_id: give your user the tag impersonator, and go on", err=True)
        raise typer.Exit(1) from error
    except (AMQPError, OSError) as error:
        raise unreachable(f"the broker cannot be asked: {reason_of(error)}") from error
    if not are_all_done:
        raise typer.Exit(1)


async def _renew(url: str, services: Iterable[Service]) -> bool:
    async with await connect(url) as connection, connection.channel() as channel:
        await renewal.lock(channel)
        done = [await _renewed(connection, service.name, topology(service)) for service in services]
    return all(done)


async def _renewed(connection: AbstractConnection, service: str, wanted: Topology) -> bool:
    """Renew the queues of one service; whether nothing is left to do."""
    for queue in wanted.queues:
        bindings = [binding for binding in wanted.bindings if binding.queue == queue.name]
        try:
            moved = await renewal.renew(connection, queue, bindings)
        except QueueInUseError:
            typer.echo(f"{queue.name} is due, and consumed from: stop all processes of {service} first", err=True)
            return False
        if moved is not None:
            typer.echo(f"renewed {queue.name}, with {moved} messages")
    return True
