"""`python -m chassis parked`: what an operator does with parked messages."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from chassis.broker.parked import Parked, discard, looking, redrive
from chassis.cli.address import broker_url, unreachable
from chassis.cli.here import here
from chassis.errors import UnreachableBrokerError

app = typer.Typer(no_args_is_help=True, help="List, show, put back or discard what is parked.")
console = Console()
COLUMNS = ("id", "queue", "event", "attempts", "first failed", "last error")

Audit = Annotated[Path, typer.Option(help="Where the record of what was done is appended.")]
AUDIT = Path("parked-audit.jsonl")
QueueOption = Annotated[str | None, typer.Option("--queue", help="Only messages that came from this queue.")]


@app.command("list")
def list_(queue: QueueOption = None) -> None:
    """List what is parked: a table on a terminal, lines with tabs otherwise."""

    async def work(parked: Sequence[Parked]) -> None:
        _show_all([one for one in parked if queue in (None, one.queue)])

    _with_parked(work)


@app.command()
def show(message_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one message with its whole story."""

    async def work(parked: Sequence[Parked]) -> None:
        for one in _named(parked, message_id):
            typer.echo(json.dumps(one.story(), indent=2))

    _with_parked(work)


@app.command("redrive")
def redrive_(
    message_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this message.")] = None,
    queue: QueueOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is parked.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, help="At most so many messages in a second.")] = 50,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be put back.")] = False,
    audit: Audit = AUDIT,
) -> None:
    """Put messages back to the queues that they came from: one, those of a queue, or all."""
    if not (message_id or queue or everything):
        typer.echo("which? give an ID, --queue NAME or --all", err=True)
        raise typer.Exit(2)

    async def work(parked: Sequence[Parked]) -> None:
        chosen = _named(parked, message_id) if message_id else list(parked)
        chosen = [one for one in chosen if queue in (None, one.queue)]
        if dry_run:
            _show_all(chosen)
            typer.echo(f"would put back {len(chosen)}")
            return
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("putting back", total=len(chosen))
            await redrive(chosen, rate, audit, lambda _: progress.advance(task))
        typer.echo(f"put back {len(chosen)}, recorded in {audit}")

    _with_parked(work)


@app.command("discard")
def discard_(
    message_id: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option(help="Why nobody needs this message.")],
    audit: Audit = AUDIT,
) -> None:
    """Take a message away for good; the audit record keeps it."""

    async def work(parked: Sequence[Parked]) -> None:
        for one in _named(parked, message_id):
            await discard(one, reason, audit)
        typer.echo(f"discarded {message_id}, recorded in {audit}")

    _with_parked(work)


def _with_parked(work: Callable[[Sequence[Parked]], Coroutine[Any, Any, None]]) -> None:
    services = [service.name for service in here().services]
    url = broker_url()

    async def run() -> None:
        async with looking(url, services) as parked:
            await work(parked)

    logging.getLogger("aiormq.connection").disabled = True  # the sentence below says the same
    try:
        asyncio.run(run())
    except UnreachableBrokerError as error:
        raise unreachable(f"the broker cannot be asked: {error}") from error


def _named(parked: Sequence[Parked], message_id: str) -> list[Parked]:
    found = [one for one in parked if one.id == message_id]
    if not found:
        typer.echo(f"nothing parked has the id {message_id}; see  python -m chassis parked list", err=True)
        raise typer.Exit(1)
    return found


def _show_all(parked: Sequence[Parked]) -> None:
    rows = [_row(one) for one in parked]
    if not console.is_terminal:
        for row in (COLUMNS, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _row(one: Parked) -> tuple[str, ...]:
    headers = ("x-attempt", "x-first-failed-at", "x-last-error")
    return (one.id, one.queue, one.message.type or "-", *(one.header(name) for name in headers))
