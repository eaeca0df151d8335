"""`python -m chassis reconcile`: compares what services remember of each other, and has done again what one forgot."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Annotated

import typer
from pydantic import ValidationError

from chassis.choreography.declaration import Service
from chassis.choreography.step import Kind
from chassis.cli.address import env_file, known, service_database_url, unreachable
from chassis.cli.differences import Form, Told
from chassis.cli.here import here
from chassis.errors import NoPrimaryError, describe
from chassis.run.comparing import SETTLED, Comparison, paged
from chassis.run.replaying import Replay
from chassis.settings import ServiceSettings
from chassis.store.failures import DATABASE_ERRORS
from chassis.store.memory import Memory
from chassis.store.postgres import SERVER_SETTINGS, Postgres
from chassis.store.revision import CONNECT_TIMEOUT
from chassis.store.servers import Servers
from chassis.telemetry import logs
from chassis.web import Definition

CHUNK = 500
"""How much is put back to an outbox at once"""
EARLIER = 0.99
"""How much of what is kept is looked at: what is about to be deleted may be gone on one side only"""
POOL = 2
OUT_OF_REACH: tuple[type[Exception], ...] = (NoPrimaryError, *DATABASE_ERRORS)

Since = Annotated[float, typer.Option("--since", min=0.01, help="How many hours back.")]
SayAgain = Annotated[bool, typer.Option("--say-again", help="Have it done or said again.")]
Yes = Annotated[bool, typer.Option("--yes", help="Without a question.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one object in each line.")]
WhileRunning = Annotated[
    bool, typer.Option("--while-running", help="Also in the database of a service that runs already.")
]


def reconcile(
    since: Since = 24,
    say_again: SayAgain = False,
    yes: Yes = False,
    as_json: AsJson = False,
    while_running: WhileRunning = False,
) -> None:
    """Compare what each service remembers having said with what the others have heard; see docs/backups.md.

    With --say-again, a restored service does again what it has forgotten, and what a step has missed is said again.
    Ends with status 1 while something differs.
    """
    logs.configure("reconcile")
    told = Told(Form.JSON if as_json else Form.TABLE if sys.stdout.isatty() else Form.LINES)
    if say_again and not yes:
        _ask()
    try:
        asyncio.run(_run(_back(since), told, say_again=say_again, while_running=while_running))
    except OUT_OF_REACH as error:
        raise unreachable(f"a database cannot be asked: {describe(error)}") from error
    told.end()
    if told.differs:
        raise typer.Exit(1)


def _ask() -> None:
    if not sys.stdin.isatty():
        typer.echo("this changes databases: give --yes", err=True)
        raise typer.Exit(2)
    typer.confirm("Have everything done and said again that is forgotten or missed?", abort=True)


def _back(since: float) -> timedelta:
    """How far back everybody remembers what was said, or less if less is asked for."""
    default = ServiceSettings.model_fields["said_hours"].default
    kept = [float(known(f"{one.name.upper()}_SAID_HOURS") or default) for one in here().services]
    return timedelta(hours=min(since, EARLIER * min(kept)))


async def _run(back: timedelta, told: Told, *, say_again: bool, while_running: bool) -> None:
    async with _memories([one.name for one in here().services]) as memories:
        comparison = Comparison(here(), memories, back)
        if not say_again:
            async for one in comparison.differences():
                told.difference(one)
            return
        forgetful = await _forgetful(comparison, told)
        restored = [one for one in comparison.services if one.name in forgetful]
        for service in restored:
            if await memories[service.name].is_at_work() and not while_running:
                raise unreachable(f"{service.name}_svc runs: stop it first, or give --while-running")
        for service in restored:
            await _replay(comparison, service, told)
        await _say_again(comparison, {one.name for one in restored}, told)


async def _forgetful(comparison: Comparison, told: Told) -> Collection[str]:
    """The services that were restored; says since when each has forgotten what it has said."""
    found = await comparison.have_forgotten()
    for service, since in found.items():
        told.restored(service, since)
    return found


async def _replay(comparison: Comparison, service: Service, told: Told) -> None:
    definition = _definition(service.name)
    source = Postgres(definition.settings.database_url.get_secret_value(), POOL)
    try:
        told.replayed(service.name, await Replay(comparison, service, source, definition.dependencies).run())
    finally:
        await source.close()


async def _say_again(comparison: Comparison, restored: Collection[str], told: Told) -> None:
    """Have it said again what steps have not heard; a restored service has done most of it again itself.

    What a service has not heard that does not run, and was not restored, waits in its queues.
    """
    waiting = {one for one, memory in comparison.memories.items() if not await memory.is_at_work()} - {*restored}
    for service in waiting:
        told.waiting(service)
    steps = [
        step
        for step in comparison.choreography.steps
        if step.service not in waiting and (step.service not in restored or step.kind is Kind.EFFECT)
    ]
    for sayer in comparison.services:
        async for page in paged(comparison.unheard(sayer, steps, SETTLED), CHUNK):
            count = await comparison.memories[sayer.name].again([one.event for one in page])
            told.said_again(sayer.name, count)


@asynccontextmanager
async def _memories(services: Collection[str]) -> AsyncIterator[dict[str, Memory]]:
    async with AsyncExitStack() as stack:
        found = {}
        for service in services:
            servers = Servers(service_database_url(service))
            connection = await servers.connect(timeout=CONNECT_TIMEOUT, server_settings=SERVER_SETTINGS)
            stack.push_async_callback(connection.close, timeout=CONNECT_TIMEOUT)
            found[service] = Memory(connection)
        yield found


def _definition(service: str) -> Definition:
    """What the service is, told by the environment and the env file of the stack."""
    main = importlib.import_module(f"{service}_svc.main")
    try:
        found: Definition = main.definition(main.Settings(_env_file=env_file()))
    except ValidationError as error:
        missing = ", ".join(str(one["loc"][-1] if one["loc"] else one["msg"]) for one in error.errors())
        raise unreachable(f"the settings of {service}_svc are not known here: {missing}") from error
    return found
