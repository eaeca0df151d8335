"""The migrations of a service make exactly the tables that its models describe, and can be taken back."""

import asyncio
import runpy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from chassis.choreography.loading import packages
from chassis.errors import MigrationError
from chassis.run.startup import begin
from chassis.store import migrations, revision
from chassis.store.models import frame
from chassis.store.postgres import engine as engine_of
from chassis.store.retention import Retention
from chassis.store.roles import Roles, grant

ROOT = Path(__file__).parents[2]
FRAME = {table.name for table in migrations.FRAME}
VERSION = "alembic_version"
NEXT_REVISION = "ALTER TABLE inbox ADD COLUMN later text; UPDATE alembic_version SET version_num = '9999'"
"""What a revision of a later release may do"""

OLD_ROW = """
    INSERT INTO inbox (step, event_id, saga_id, heard, at)
    VALUES ($1, gen_random_uuid(), gen_random_uuid(), 'it', now() - interval '15 days')
"""

# What PostgreSQL itself says about a database, in a form in which two can be compared.
DESCRIPTION = """
    SELECT 'column', table_name, column_name,
        concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
"""


_MIGRATED: dict[tuple[str, str], str] = {}
"""For each server and service the name of a database that was migrated once, to be copied: to migrate takes seconds"""


async def create_database(admin_url: str, like: str = "template1") -> str:
    """The URL of a new database, empty or a copy of another one."""
    name = f"contract_{uuid4().hex}"
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    await connection.close()
    return f"{admin_url.rpartition('/')[0]}/{name}"


async def migrated_database(admin_url: str, service: str) -> str:
    """The URL of a new database that was brought up to date the way a service does it when it starts."""
    if (admin_url, service) not in _MIGRATED:
        url = await create_database(admin_url)
        await revision.ensure(url, scripts_of(service))
        _MIGRATED[admin_url, service] = url.rpartition("/")[2]
    return await create_database(admin_url, _MIGRATED[admin_url, service])


async def execute(url: str, statements: str) -> None:
    """Run statements in a database."""
    connection = await asyncpg.connect(url)
    await connection.execute(statements)
    await connection.close()


async def within(url: str, work: Callable[[sa.Connection], Any]) -> Any:
    """The result of synchronous work in a transaction."""
    engine = engine_of(url, poolclass=sa.NullPool)
    async with engine.begin() as connection:
        result = await connection.run_sync(work)
    await engine.dispose()
    return result


def scripts_of(service: str) -> Path:
    """The migrations of a service."""
    return ROOT / service / "migrations"


def described_by(service: str) -> list[sa.MetaData]:
    """The tables that a service's env.py hands to Alembic, and those of the frame."""
    handed: list[sa.MetaData] = []
    with patch.object(migrations, "run", lambda *tables: handed.extend(tables)):
        runpy.run_path(str(scripts_of(service) / "env.py"))
    return [*handed, frame]


SERVICES = {service: described_by(service) for service in packages(ROOT)}


def differences(service: str) -> Callable[[sa.Connection], list[Any]]:
    """What Alembic would put into the next revision."""

    def compare(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        # Alembic takes a list of them, as in the services' env.py, but its annotation does not say so.
        metadata: Any = SERVICES[service]
        return list(compare_metadata(context, metadata))

    return compare


def tables(connection: sa.Connection) -> set[str]:
    """The names of all tables."""
    return set(sa.inspect(connection).get_table_names())


def described(connection: sa.Connection) -> set[tuple[str, ...]]:
    """All columns, constraints and indexes, without those of Alembic."""
    rows = {tuple(map(str, row)) for row in connection.execute(sa.text(DESCRIPTION))}
    return {row for row in rows if row[1] != VERSION}


def create_all(service: str) -> Callable[[sa.Connection], None]:
    """Create the tables of the models as SQLAlchemy would."""

    def create(connection: sa.Connection) -> None:
        for metadata in SERVICES[service]:
            metadata.create_all(connection)

    return create


def downgrade(service: str) -> Callable[[sa.Connection], None]:
    """Take all migrations back."""

    def take_back(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(scripts_of(service)))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    return take_back


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each service in turn."""
    return str(request.param)


@pytest.fixture
async def migrated(postgres_admin_url: str, service: str) -> str:
    """A database that has been brought up to date the way a service does it when it starts."""
    return await migrated_database(postgres_admin_url, service)


async def test_migrations_agree_with_models(migrated: str, service: str) -> None:
    """Alembic finds nothing that a further revision would have to do."""
    assert await within(migrated, differences(service)) == []


async def test_migrations_make_what_the_models_would(migrated: str, service: str, postgres_admin_url: str) -> None:
    """Column by column, constraint by constraint, index by index: PostgreSQL says the same of both."""
    # given
    modelled = await create_database(postgres_admin_url)
    # when
    await within(modelled, create_all(service))
    # then
    assert await within(migrated, described) == await within(modelled, described)


async def test_every_service_has_inbox_and_outbox(migrated: str) -> None:
    """The tables of the chassis are in every database."""
    assert await within(migrated, tables) >= FRAME


async def test_migrating_twice_changes_nothing(migrated: str, service: str) -> None:
    """A service that starts again finds its database up to date."""
    # given
    before = await within(migrated, described)
    # when
    await revision.ensure(migrated, scripts_of(service))
    # then
    assert await within(migrated, described) == before


async def test_replicas_may_migrate_at_once(postgres_admin_url: str, service: str) -> None:
    """Those who start together wait for each other."""
    # given
    url = await create_database(postgres_admin_url)
    # when
    await asyncio.gather(*(revision.ensure(url, scripts_of(service)) for _ in range(3)))
    # then
    assert await within(url, differences(service)) == []


async def test_migrations_can_be_taken_back(migrated: str, service: str) -> None:
    """Back at the base there is nothing but Alembic's own table."""
    # when
    await within(migrated, downgrade(service))
    # then
    assert await within(migrated, tables) == {VERSION}


async def test_newest_revision_is_known_by_its_file(service: str) -> None:
    """What the code expects of its database is what Alembic takes for the head."""
    scripts = ScriptDirectory(str(scripts_of(service)))
    assert revision.head(scripts_of(service)) == scripts.get_current_head()


async def test_newer_database_is_left_as_it_is(migrated: str, service: str) -> None:
    """Code of the release before starts on it, beside the new code or after it."""
    # given
    await execute(migrated, NEXT_REVISION)
    before = await within(migrated, described)
    # when
    await revision.ensure(migrated, scripts_of(service))
    # then
    assert await revision.current(migrated) == "9999"
    assert await within(migrated, described) == before


async def test_one_role_may_do_everything(postgres_admin_url: str, service: str) -> None:
    """In a database that has no other roles a service migrates by itself, makes the functions, and keeps its rights."""
    # given
    url = await create_database(postgres_admin_url)
    roles = Roles(service="admin", retentions=(Retention("inbox", "at", timedelta(days=30)),))
    # when
    await asyncio.gather(*(begin(url, scripts_of(service), roles, lambda _: None) for _ in range(2)))
    # then
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT purge_inbox_at('30 days', 10)") == 0
        await connection.execute("DELETE FROM suspect")
    finally:
        await connection.close()


async def test_each_kind_of_rows_has_a_function_of_its_own(migrated: str) -> None:
    """Several retentions of a table, with other conditions and ages, do not get in each other's way."""
    # given
    kinds = {"one.step": 10, "other.step": 20}
    retentions = [Retention("inbox", "at", timedelta(days=age), f"step = '{step}'") for step, age in kinds.items()]
    await grant(migrated, Roles(service="admin", retentions=tuple(retentions)))
    connection = await asyncpg.connect(migrated)
    try:
        for step in kinds:
            await connection.execute(OLD_ROW, step)
        # when
        gone = [await connection.fetchval(f"SELECT {one.function}('0', 10)") for one in retentions]
        left = await connection.fetchval("SELECT array_agg(step) FROM inbox")
    finally:
        await connection.close()
    # then
    assert (gone, left) == ([1, 0], ["other.step"])


@pytest.mark.parametrize(("found", "is_served"), [(None, False), ("0001", False), ("0002", True), ("0010", True)])
def test_revision_serves_what_expects_it_or_an_earlier_one(found: str | None, is_served: bool) -> None:
    """Revisions expand first, so code that expects one works with all that follow."""
    assert revision.serves(found, "0002") == is_served


async def test_migration_that_fails_is_no_start(postgres_admin_url: str, tmp_path: Path) -> None:
    """A service whose database cannot be brought up to date does not start on the old one."""
    # given
    url = await create_database(postgres_admin_url)
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "0001_broken.py").write_text("raise RuntimeError")
    # when, then
    with pytest.raises(MigrationError, match="could not be applied"):
        await revision.ensure(url, tmp_path)
