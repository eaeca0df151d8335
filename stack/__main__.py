"""The command line: `python -m stack up | demo | checkout | down | status | token …`, as the Makefile calls it."""

import asyncio
import logging
import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import stack
from stack import published
from stack.compose import containers
from stack.demo import story
from stack.demo.pause import until_interrupted
from stack.directory import ROOT, Directory
from stack.errors import StackError
from stack.progress import ConsoleProgress
from stack.run.failover import Failover
from stack.run.given import Given
from stack.run.rotation import Kind, Rotation
from stack.run.status import processes
from stack.services import EACH
from stack.tokens import Scope, signing_key, user_id, user_ids, withdraw_keys
from stack.tokens import token as make_token

_UNDOCUMENTED = ("WINDOW_URL", "STAGE_URL")
"""The window has pages for people, and the stage is there for one of them"""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()
if not console.is_terminal:
    console = Console(width=160)


@app.command()
def up() -> None:
    """Start the stack, or join the one that runs, and say where everything is."""
    environment = _up()
    _say_where(environment)
    _say_window(environment)
    console.print("see it work:  make checkout", highlight=False)


@app.command()
def prepare() -> None:
    """Find or install the programs that a stack needs, or say which command does."""
    stack.prepare(progress=ConsoleProgress(console))


@app.command()
def demo() -> None:
    """Watch a checkout complete and one roll back; on a terminal, look around until Ctrl-C."""
    was_running = Directory.of().is_supervised
    environment = _up()
    try:
        as_promised = asyncio.run(story.tell(console, environment))
        if console.is_terminal and as_promised and not was_running:
            _say_where(environment)
            console.print("everything is up for you to look around, until Ctrl-C ends the demo; the window first:")
            _say_window(environment)
            asyncio.run(until_interrupted())
    finally:
        if not was_running:
            stack.down()
            console.print("stopped what the demo had started; make up keeps it, with a window on every saga")
        else:
            _say_window(environment)
    if not as_promised:
        raise typer.Exit(1)


@app.command()
def checkout(
    user: Annotated[str, typer.Option(help="Who buys.")] = "7",
    seats: Annotated[int, typer.Option(min=1, max=10, help="How many seats, of one evening.")] = 1,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Have the last step refuse.")] = False,
    refund: Annotated[bool, typer.Option("--refund", help="Give it back afterwards.")] = False,
) -> None:
    """Charge points, hold free seats and pay for them, on the system that runs, and show who said what."""
    buying = story.check_out(
        console, Directory.of().running(), user_id(user), seats=seats, withdraw=withdraw, refund=refund
    )
    asyncio.run(buying)


@app.command()
def down() -> None:
    """Stop the stack; no process of it is left."""
    ran = stack.down()
    console.print("stopped" if ran else "nothing was running")


@app.command()
def status() -> None:
    """List the processes of the system that runs: id, port, and whether each answers now."""
    table = Table("process", "pid", "port", "ready")
    for one in asyncio.run(processes(Directory.of())):
        ready = "fenced" if one.fenced else "yes" if one.answers else "no"
        table.add_row(one.name, str(one.pid or "-"), str(one.port or "-"), ready)
    console.print(table)


@app.command()
def publish(
    only_check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when something is stale.")] = False,
) -> None:
    """Write the files that list the services: for compose, Kubernetes and servers, and the walls of pyproject.toml."""
    if not only_check:
        for path in published.publish(EACH, ROOT):
            typer.echo(f"wrote {path}")
    elif old := published.stale(EACH, ROOT):
        raise StackError(f"stale: {', '.join(map(str, old))}; run  make publish")


@app.command()
def token(
    users: Annotated[list[str], typer.Argument(help="Users, apart by blanks or commas.")],
    scope: Annotated[Scope | None, typer.Option(help="What else the bearer may do.")] = None,
) -> None:
    """Print a bearer token for each user, one a line."""
    names = user_ids(" ".join(users))
    key = signing_key(Directory.of())
    for name in names:
        typer.echo(make_token(name, key, scope))


@app.command()
def rotate(
    kinds: Annotated[list[Kind] | None, typer.Argument(help="Which secrets; all without one.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Believe no token any more that is out.")] = False,
) -> None:
    """Give the secrets of the stack that runs new values, without an outage."""
    directory = Directory.of()
    rotation = Rotation(directory)
    for kind in kinds or list(Kind):
        asyncio.run(rotation.run(kind, Given.by(os.environ)))
        console.print(f"{kind}: new", highlight=False)
    if withdraw:
        withdraw_keys(directory, signing_key(directory))
        console.print("tokens that are out: believed for a second more at most", highlight=False)


@app.command()
def failover(
    force: Annotated[bool, typer.Option("--force", help="Also if the standby may lack what was acknowledged.")] = False,
) -> None:
    """Fence the primary of the databases, which ends it for good, and make the standby the primary."""
    name = asyncio.run(Failover(Directory.of()).fail_over(force=force))
    console.print(f"{name} is the primary; make the other one its standby:  python -m stack rejoin", highlight=False)


@app.command()
def rejoin() -> None:
    """Make the database server that is fenced anew, as the standby of the other."""
    name = asyncio.run(Failover(Directory.of()).rejoin())
    console.print(f"{name} copies the primary; nothing is acknowledged that it has not", highlight=False)


@app.command()
def compose_env() -> None:
    """Write where a running `docker compose up` is to the env file, where every command looks."""
    directory = Directory.of()
    containers.describe(directory)
    typer.echo(f"wrote {directory.env_file}")


def _up() -> dict[str, str]:
    return stack.up(progress=ConsoleProgress(console))


def _say_where(environment: dict[str, str]) -> None:
    for name, url in environment.items():
        if name.endswith("_URL") and name not in _UNDOCUMENTED and url.startswith("http") and "@" not in url:
            console.print(f"{name.removesuffix('_URL').lower():<12} {url}/docs", highlight=False)
    broker = environment["RABBITMQ_MANAGEMENT_URL"].rpartition("@")[2]
    if broker:
        console.print(f"{'rabbitmq':<12} http://{broker}", highlight=False)
    console.print(f"passwords and all other addresses: {Directory.of().env_file}", highlight=False, soft_wrap=True)


def _say_window(environment: dict[str, str]) -> None:
    """Where to look on, signed in for as long as a token lasts; in one line, for whoever copies it."""
    if url := environment.get("WINDOW_URL"):
        token = environment.get("WINDOW_TOKEN")
        link = f"{url}/sign-in#token={token}" if token else url
        console.print(f"{'window':<12} {link}", highlight=False, soft_wrap=True, markup=False)


def main() -> None:
    """Run a command; one that cannot go on ends with a sentence and status 1."""
    # It would print every connection that is refused, besides the sentence.
    logging.getLogger("aiormq").addHandler(logging.NullHandler())
    try:
        app()
    except StackError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or 'the stack'}: {(error.strerror or str(error)).lower()}")


if __name__ == "__main__":
    main()
