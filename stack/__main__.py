"""The command line: `python -m stack up | down | status | token`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

import stack
from stack.directory import Directory
from stack.errors import StackError
from stack.probe import answers
from stack.progress import ConsoleProgress
from stack.state import State
from stack.tokens import token as make_token
from stack.tokens import token_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()


@contextmanager
def _errors_for_people() -> Iterator[None]:
    try:
        yield
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@app.command()
def up() -> None:
    """Start the stack, or join the one that runs, and say where everything is."""
    with _errors_for_people():
        urls = stack.up(progress=ConsoleProgress(console))
    for name, url in urls.items():
        if name.endswith("_URL") and url.startswith("http") and "@" not in url:
            console.print(f"{name.removesuffix('_URL').lower():<12} {url}/docs", highlight=False)
    broker = urls["RABBITMQ_MANAGEMENT_URL"].rpartition("@")[2]
    if broker:
        console.print(f"{'rabbitmq':<12} http://{broker}", highlight=False)
    console.print(f"passwords and all other addresses: {Directory.of().env_file}", highlight=False, soft_wrap=True)


@app.command()
def down() -> None:
    """Stop the stack; no process of it is left."""
    with _errors_for_people():
        ran = stack.down()
    console.print("stopped" if ran else "nothing was running")


@app.command()
def status() -> None:
    """List the processes of the stack: id, port, and whether each answers now."""
    directory = Directory.of()
    state = State.of(directory) if directory.is_supervised else None
    if state is None:
        console.print("not running")
        raise typer.Exit(1)
    programs = {name: entry for name, entry in state.programs.items() if entry.probe}
    ready = asyncio.run(_probe_all([entry.probe for entry in programs.values()]))
    table = Table("process", "pid", "port", "ready")
    for (name, entry), is_ready in zip(programs.items(), ready, strict=True):
        table.add_row(name, str(entry.pid or "-"), str(entry.port), "yes" if is_ready else "no")
    console.print(table)


async def _probe_all(urls: list[str]) -> list[bool]:
    return await asyncio.gather(*(answers(url) for url in urls))


@app.command()
def token(
    users: Annotated[list[str], typer.Argument(help="Users, apart by blanks or commas.")],
    scope: Annotated[str | None, typer.Option(help="What else the bearer may do: operator.")] = None,
) -> None:
    """Print a bearer token for each user, one a line."""
    with _errors_for_people():
        secret = token_secret(Directory.of())
    for user in ",".join(users).split(","):
        typer.echo(make_token(user, secret, scope))


if __name__ == "__main__":
    sys.exit(app())
