"""`python -m chassis resay`: has what was said and may be unanswered said once more."""

import asyncio
import logging
from typing import Annotated

import typer
from aiormq.exceptions import AMQPError

from chassis.broker.connection import reason_of
from chassis.broker.nodes import connect
from chassis.broker.resay import Ask, ask, heard, said_by
from chassis.choreography.graph import Choreography
from chassis.cli.address import broker_url, unreachable
from chassis.cli.here import here

Queue = Annotated[str | None, typer.Option("--queue", help="What a queue should have got, such as point.spend.")]
Event = Annotated[str | None, typer.Option("--event", help="One event, such as point.spent.")]
Everything = Annotated[bool, typer.Option("--all", help="Everything, for a broker that has come back empty.")]
Hours = Annotated[
    float | None, typer.Option(min=0.01, help="How far back; as far as the services remember, if not given.")
]


def resay(queue: Queue = None, event: Event = None, everything: Everything = False, hours: Hours = None) -> None:
    """Have services say again what a queue has lost; what was answered already is known to its hearers.

    Services do this by themselves when they find a queue of theirs missing. This is for what they cannot see: a queue
    that was emptied, or a binding that was missing for a while.
    """
    choreography = here()
    if not (queue or event or everything):
        typer.echo("what? give --queue NAME, --event NAME or --all", err=True)
        raise typer.Exit(2)
    wanted = _wanted(choreography, queue, event)
    if not wanted:
        typer.echo("no service says that, or has that queue; see  python -m chassis graph", err=True)
        raise typer.Exit(1)
    asks = {service: Ask(events=tuple(sorted(names)), hours=hours) for service, names in sorted(wanted.items())}
    absent = _send(broker_url(), asks)
    for service in asks.keys() - set(absent):
        typer.echo(f"asked {service} for {', '.join(asks[service].events)}")
    if absent:
        typer.echo(f"not asked, because they have no queue of asks: {', '.join(absent)}; do they run?", err=True)
        raise typer.Exit(1)


def _wanted(choreography: Choreography, queue: str | None, event: str | None) -> dict[str, set[str]]:
    """The events that are meant, by the services that say them."""
    if queue is None:
        found = {service.name: said_by(service) for service in choreography.services}
    else:
        owner = (service for service in choreography.services if service.name == queue.partition(".")[0])
        found = next((heard(service, [queue]) for service in owner), {})
    chosen = {service: {name for name in names if event in (None, name)} for service, names in found.items()}
    return {service: names for service, names in chosen.items() if names}


def _send(url: str, asks: dict[str, Ask]) -> list[str]:
    async def run() -> list[str]:
        async with await connect(url) as connection:
            return await ask(connection, asks)

    logging.getLogger("aiormq.connection").disabled = True  # the sentence below says the same
    try:
        return asyncio.run(run())
    except (AMQPError, OSError) as error:
        raise unreachable(f"the broker cannot be asked: {reason_of(error)}") from error
