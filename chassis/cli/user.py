"""`python -m chassis user`: what all services know of one user, shown or made anybody's."""

import asyncio
import importlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import aio_pika
import asyncpg
import typer

from chassis.broker import erasure
from chassis.broker.connection import reason_of
from chassis.broker.nodes import connect
from chassis.broker.parked import looking, parked_queues, resting_queues
from chassis.cli.address import broker_url, database_url, known_database_url, unreachable
from chassis.cli.here import here
from chassis.errors import UnreachableBrokerError, UserBusyError, describe
from chassis.store.privacy import PSEUDONYM, Personal, Records, records

app = typer.Typer(no_args_is_help=True, help="Export or erase what is known of a user.")

OBSERVER = "window"
"""Who keeps what services say, where there is one"""

UserId = Annotated[str, typer.Argument(metavar="USER", help="The `sub` of the user's tokens.")]
Pseudonym = Annotated[
    str | None, typer.Option("--as", metavar="PSEUDONYM", help="The one of an erasure that was cut short.")
]
Work = Callable[[dict[str, Records]], Coroutine[Any, Any, None]]


@app.command()
def export(user_id: UserId) -> None:
    """Print all rows and all messages put aside that name a user, as JSON."""

    async def work(services: dict[str, Records]) -> None:
        found = {service: await known.export(user_id) for service, known in services.items()}
        aside, cut = await _aside(user_id)
        typer.echo(json.dumps({"user_id": user_id, "rows": found, "put aside": aside}, indent=2))
        _mind(cut)

    _with(work)


@app.command()
def erase(user_id: UserId, pseudonym: Pseudonym = None) -> None:
    """Put a pseudonym in the place of a user, everywhere: what was bought stays, and nobody knows by whom."""
    name = pseudonym or f"{PSEUDONYM}{secrets.token_hex(12)}"

    async def work(services: dict[str, Records]) -> None:
        for known in services.values():
            await known.refuse_busy(user_id)
        typer.echo(f"the user becomes {name}\nif this is cut short, go on with --as and that name")
        for service, known in services.items():
            await known.erase(user_id, name)
            typer.echo(f"{service}: done")
        changed, cut = await _rename_aside(user_id, name)
        typer.echo(f"put aside: {changed} messages changed")
        _mind(cut)
        typer.echo(f"the user is {name} now; what the platform was told, it knows")

    _with(work)


async def _aside(user_id: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages put aside that name the user, and the queues that hold more than were looked at."""
    naming: list[dict[str, Any]] = []
    cut: list[str] = []
    for queues_of in (parked_queues, resting_queues):
        async with looking(broker_url(), _services(), queues_of) as look:
            cut += look.cut
            bodies = ((one, one.message.body) for one in look.messages)
            naming += [one.story() for one, body in bodies if erasure.renamed(body, user_id, "") != body]
    return naming, cut


async def _rename_aside(user_id: str, pseudonym: str) -> tuple[int, list[str]]:
    """How many messages named the user and do no more, and the queues that hold more than were looked at."""
    changed, cut = 0, list[str]()
    async with await connect(broker_url()) as connection:
        channel = await connection.channel(on_return_raises=True)
        for queues_of in (parked_queues, resting_queues):
            async with looking(broker_url(), _services(), queues_of) as look:
                cut += look.cut
                for one in look.messages:
                    changed += await erasure.rename(channel, one, user_id, pseudonym)
    return changed, cut


def _mind(cut: Sequence[str]) -> None:
    """End the command with status 1 where not every message could be looked at."""
    if cut:
        queues = ", ".join(cut)
        typer.echo(f"not finished: {queues} hold more than could be looked at; work those off, go on then", err=True)
        raise typer.Exit(1)


def _with(work: Work) -> None:
    async def run() -> None:
        async with _all_records() as services:
            await work(services)

    logging.getLogger("aiormq.connection").disabled = True  # the sentence below says the same
    try:
        asyncio.run(run())
    except UserBusyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except UnreachableBrokerError as error:
        raise unreachable(f"the broker cannot be asked: {error}") from error
    except aio_pika.exceptions.AMQPError as error:
        raise unreachable(f"the broker does not do it: {reason_of(error)}") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unreachable(f"a database cannot be asked: {describe(error)}") from error


@asynccontextmanager
async def _all_records() -> AsyncIterator[dict[str, Records]]:
    async with AsyncExitStack() as stack:
        found = {
            service: await stack.enter_async_context(records(database_url(service), _personal(service)))
            for service in _services()
        }
        # Last: what services say while a user is erased, it still hears.
        if url := known_database_url(OBSERVER):
            found[OBSERVER] = await stack.enter_async_context(records(url, Personal(frame=())))
        yield found


def _services() -> list[str]:
    return [service.name for service in here().services]


def _personal(service: str) -> Personal:
    found: Personal = getattr(importlib.import_module(f"{service}_svc.models"), "PERSONAL", Personal())
    return found
