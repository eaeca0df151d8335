"""`python -m chassis parked` and `resting`: what an operator does with messages that were put aside."""

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
from rich.text import Text

from chassis.broker import parked
from chassis.broker.parked import Parked, QueuesOf, looking
from chassis.broker.record import FileRecord
from chassis.cli.address import broker_url, unreachable
from chassis.cli.here import here
from chassis.errors import UnreachableBrokerError
from chassis.visible import visible

app = typer.Typer(no_args_is_help=True, help="List, show, put back or discard what is parked.")
resting_app = typer.Typer(no_args_is_help=True, help="List, show or discard what rests before another attempt.")
console = Console()
COLUMNS = ("id", "queue", "event", "attempts", "first failed", "last error", "where")

Audit = Annotated[Path, typer.Option(help="Where the record of what was done is appended.")]
AUDIT = Path("parked-audit.jsonl")
QueueOption = Annotated[str | None, typer.Option("--queue", help="Only messages that came from this queue.")]
All = Annotated[bool, typer.Option("--all", help="Everything that is there.")]
Id = Annotated[str, typer.Argument(metavar="ID")]
OneId = Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this message.")]
Choose = Callable[[Sequence[Parked]], list[Parked]]
Reason = Annotated[str, typer.Option(help="Why nobody needs this message.")]


@app.command("list")
def list_(queue: QueueOption = None) -> None:
    """List what is parked: a table on a terminal, lines with tabs otherwise."""
    _list(parked.parked_queues, queue)


@resting_app.command("list")
def list_resting(queue: QueueOption = None) -> None:
    """List what rests: a table on a terminal, lines with tabs otherwise."""
    _list(parked.resting_queues, queue)


@app.command()
def show(message_id: Id) -> None:
    """Show one message with its whole story."""
    _show(parked.parked_queues, message_id)


@resting_app.command("show")
def show_resting(message_id: Id) -> None:
    """Show one message with its whole story."""
    _show(parked.resting_queues, message_id)


@app.command("redrive")
def redrive_(
    message_id: OneId = None,
    queue: QueueOption = None,
    everything: All = False,
    rate: Annotated[float, typer.Option(min=0.1, help="At most so many messages in a second.")] = 50,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be put back.")] = False,
    audit: Audit = AUDIT,
) -> None:
    """Put messages back to the queues that they came from: one, those of a queue, or all."""
    choose = _chosen(message_id, queue, everything)
    record = FileRecord(audit, here().events)

    async def work(found: Sequence[Parked]) -> None:
        chosen = choose(found)
        if dry_run:
            _show_all(chosen)
            typer.echo(f"would put back {len(chosen)}")
            return
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("putting back", total=len(chosen))
            await parked.redrive(chosen, rate, record, lambda _: progress.advance(task))
        typer.echo(f"put back {len(chosen)}, recorded in {audit}")

    _with(parked.parked_queues, work)


@app.command("discard")
def discard_(
    reason: Reason, message_id: OneId = None, queue: QueueOption = None, everything: All = False, audit: Audit = AUDIT
) -> None:
    """Take messages away for good, one, those of a queue, or all; the audit record keeps them."""
    _discard(parked.parked_queues, _chosen(message_id, queue, everything), reason, audit)


@resting_app.command("discard")
def discard_resting(
    reason: Reason, message_id: OneId = None, queue: QueueOption = None, everything: All = False, audit: Audit = AUDIT
) -> None:
    """Take messages away for good, one, those of a queue, or all; the audit record keeps them."""
    _discard(parked.resting_queues, _chosen(message_id, queue, everything), reason, audit)


def _list(queues_of: QueuesOf, queue: str | None) -> None:
    async def work(found: Sequence[Parked]) -> None:
        _show_all([one for one in found if queue in (None, one.queue)])

    _with(queues_of, work)


def _show(queues_of: QueuesOf, message_id: str) -> None:
    async def work(found: Sequence[Parked]) -> None:
        for one in _named(found, message_id):
            typer.echo(json.dumps(one.story(), indent=2))

    _with(queues_of, work)


def _discard(queues_of: QueuesOf, choose: Choose, reason: str, audit: Path) -> None:
    record = FileRecord(audit, here().events)

    async def work(found: Sequence[Parked]) -> None:
        chosen = choose(found)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            for one in progress.track(chosen, description="discarding"):
                await parked.discard(one, reason, record)
        typer.echo(f"discarded {len(chosen)}, recorded in {audit}")

    _with(queues_of, work)


def _chosen(message_id: str | None, queue: str | None, everything: bool) -> Choose:
    """Chooses the messages that are named; ends the command with status 2 when none are."""
    if not (message_id or queue or everything):
        typer.echo("which? give an ID, --queue NAME or --all", err=True)
        raise typer.Exit(2)

    def choose(found: Sequence[Parked]) -> list[Parked]:
        named = _named(found, message_id) if message_id else found
        return [one for one in named if queue in (None, one.queue)]

    return choose


def _with(queues_of: QueuesOf, work: Callable[[Sequence[Parked]], Coroutine[Any, Any, None]]) -> None:
    services = [service.name for service in here().services]
    url = broker_url()

    async def run() -> None:
        async with looking(url, services, queues_of) as look:
            await work(look.messages)
            for queue in look.cut:
                typer.echo(f"of {queue} only the first were looked at; it holds more", err=True)

    logging.getLogger("aiormq.connection").disabled = True  # the sentence below says the same
    try:
        asyncio.run(run())
    except UnreachableBrokerError as error:
        raise unreachable(f"the broker cannot be asked: {error}") from error


def _named(found: Sequence[Parked], message_id: str) -> list[Parked]:
    """The messages with this id, as it is or as it is listed."""
    named = [one for one in found if message_id in (one.id, visible(one.id))]
    if not named:
        typer.echo(f"there is nothing with the id {visible(message_id)}; see the list", err=True)
        raise typer.Exit(1)
    return named


def _show_all(found: Sequence[Parked]) -> None:
    rows = [_row(one) for one in found]
    if not console.is_terminal:
        for row in (COLUMNS, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*map(Text, row))  # no markup: what is in a message is nothing but text
    console.print(table)


def _row(one: Parked) -> tuple[str, ...]:
    headers = ("x-attempt", "x-first-failed-at", "x-last-error")
    values = (one.id, one.queue, one.message.type or "-", *(one.header(name) for name in headers), one.where)
    return tuple(map(visible, values))
