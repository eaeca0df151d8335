"""`python -m chassis`: the choreography of the services in this folder, shown, proven, published and compared."""

import json
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.console import Console
from rich.table import Table

from chassis.choreography import proof
from chassis.choreography.graph import Choreography
from chassis.cli import parked as parked_cli
from chassis.cli import user as user_cli
from chassis.cli.address import management_url, unreachable
from chassis.cli.here import here
from chassis.cli.migrate import migrate
from chassis.cli.new import new
from chassis.cli.reconcile import reconcile
from chassis.cli.renew import renew
from chassis.cli.resay import resay
from chassis.cli.trace import trace
from chassis.documents import drift as drifting
from chassis.documents import members, picture
from chassis.documents.published import publish as write_published
from chassis.documents.published import stale
from chassis.errors import describe

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(parked_cli.app, name="parked")
app.add_typer(parked_cli.resting_app, name="resting")
app.add_typer(user_cli.app, name="user")
app.command()(new)
app.command()(resay)
app.command()(reconcile)
app.command()(renew)
app.command()(migrate)
app.command()(trace)
console = Console()


@app.command()
def graph(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Diagrams of the way out and the way back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show every step of every saga: what it hears, says, and what undoes it."""
    choreography = here()
    if as_json:
        typer.echo(json.dumps(picture.as_data(choreography), indent=2))
    elif mermaid:
        for saga in choreography.sagas:
            typer.echo(picture.mermaid(choreography, saga, back=False))
            typer.echo(picture.mermaid(choreography, saga, back=True))
    else:
        for saga in choreography.sagas:
            _show(choreography, saga)


@app.command()
def check() -> None:
    """Prove that the choreography is closed, or say where it is not and how to mend it."""
    choreography = here()
    flaws = proof.check(choreography)
    for flaw in flaws:
        typer.echo(str(flaw))
    if flaws:
        raise typer.Exit(1)
    counts = f"{len(choreography.steps)} steps, {len(choreography.events)} events, {len(choreography.sagas)} sagas"
    typer.echo(f"closed: {counts}; every refusal undoes exactly what came before it")


@app.command()
def publish(
    only_check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when something is stale.")] = False,
) -> None:
    """Write what is derived from the services to contracts/published, to docs and into the READMEs."""
    choreography = here()
    if not only_check:
        for path in write_published(choreography, Path.cwd()):
            typer.echo(f"wrote {path}")
    elif old := stale(choreography, Path.cwd()):
        typer.echo(f"stale: {', '.join(map(str, old))}; run  make publish", err=True)
        raise typer.Exit(1)


@app.command()
def drift(
    url: Annotated[str | None, typer.Option(help="The broker's management API, with credentials.")] = None,
) -> None:
    """Compare a live broker with the declarations, and how its nodes share the queues."""
    asked = url or management_url()
    declared = drifting.declared(here())
    try:
        lines = drifting.compare(declared, drifting.live(asked))
        lines += members.compare(drifting.shared(asked), declared["policy"])
    except httpx2.HTTPStatusError as error:
        status = error.response.status_code
        raise unreachable(f"the management API answers {status}: are user and password right?") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise unreachable(f"the management API does not answer: {describe(error)}") from error
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(1)
    typer.echo("the broker is as declared")


def _show(choreography: Choreography, saga: str) -> None:
    """A table on a terminal; to a pipe, one line a step, tabs between."""
    if not console.is_terminal:
        for row in (picture.COLUMNS, *picture.rows(choreography, saga)):
            typer.echo("\t".join(row))
        return
    table = Table(*picture.COLUMNS, title=f"the {saga} saga", title_justify="left")
    for row in picture.rows(choreography, saga):
        table.add_row(*row)
    console.print(table)
