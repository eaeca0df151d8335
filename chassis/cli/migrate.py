"""`python -m chassis migrate`: brings the databases of services up to date, as their owners, and ends."""

import asyncio
import importlib
import os
from typing import Annotated

import typer
from pydantic import SecretStr

from chassis.errors import MigrationError
from chassis.run.upkeep import Upkeep
from chassis.settings import checked_address, read
from chassis.store import migrations
from chassis.telemetry import logs
from chassis.web import Definition


def migrate(services: Annotated[list[str], typer.Argument(metavar="SERVICE...", help="Such as point.")]) -> None:
    """Migrate the databases of services and give their roles their rights; needs what a service is told.

    For POINT_DATABASE_URL's database, POINT_MIGRATION_URL names the owner; without it the role of the service migrates.
    """
    logs.configure("migrate")
    work = [(_definition(service), _owner_url(service)) for service in services]
    try:
        asyncio.run(_migrate(work))
    except* MigrationError as errors:
        for error in errors.exceptions:
            typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


async def _migrate(work: list[tuple[Definition, str | None]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for definition, owner_url in work:
            tasks.create_task(_migrate_one(definition, owner_url))


async def _migrate_one(definition: Definition, owner_url: str | None) -> None:
    upkeep = Upkeep(definition.settings, definition.retentions, definition.rights)
    await upkeep.migrate(owner_url, definition.migrations, migrations.ensure)
    typer.echo(f"{definition.service.name}: up to date")


def _definition(service: str) -> Definition:
    try:
        main = importlib.import_module(f"{service}_svc.main")
    except ModuleNotFoundError as error:
        typer.echo(f"no service here: {service}", err=True)
        raise typer.Exit(1) from error
    found: Definition = main.definition(read(main.Settings))
    return found


def _owner_url(service: str) -> str | None:
    name = f"{service.upper()}_MIGRATION_URL"
    try:
        url = os.environ.get(name)
        return checked_address(SecretStr(url), "postgresql", "postgres").get_secret_value() if url else None
    except ValueError as error:
        typer.echo(f"{name} is wrong: {error}", err=True)
        raise typer.Exit(2) from error
