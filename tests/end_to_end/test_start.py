"""A service that starts while something is missing waits for it and says so; what is wrong for good ends it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from tests.end_to_end.databases import owner_url
from tests.end_to_end.eventually import eventually
from tests.end_to_end.starting import HERE, OUR_VARIABLES, forwarding, free_port, readiness, start, started
from tests.end_to_end.system import System

Settings = dict[str, str]


@pytest.fixture
def settings(environment: Mapping[str, str]) -> Settings:
    """What a second process of point_svc needs. The stack's administrator stands in for the service at the broker."""
    names = ("POINT_DATABASE_URL", "TOKEN_KEYS")
    broker = {"POINT_RABBITMQ_URL": environment["RABBITMQ_URL"], "POINT_PORT": str(free_port())}
    return {name: environment[name] for name in names} | broker


def led_elsewhere(url: str, port: int) -> str:
    """The address with another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{HERE}:{port}").geturl()


def with_password(url: str, password: str) -> str:
    """The address with another password."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}").geturl()


async def migrate(settings: Settings) -> tuple[int | None, str]:
    """How `python -m chassis migrate point` ends with these settings, and what it says."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OUR_VARIABLES)}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "chassis", "migrate", "point"],
        env={**inherited, **settings},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_service_waits_for_its_database(system: System, settings: Settings) -> None:
    """It lives, says what it waits for, turns requests away, and is ready once the database is there."""
    # given
    stored_at = urlsplit(settings["POINT_DATABASE_URL"]).port or 0
    late, port = free_port(), int(settings["POINT_PORT"])
    settings["POINT_DATABASE_URL"] = led_elsewhere(settings["POINT_DATABASE_URL"], late)
    async with started(settings):
        # when
        waiting = await eventually(lambda: readiness(port, system), lambda seen: seen.get("status") == "not ready")
        async with httpx2.AsyncClient(base_url=f"http://{HERE}:{port}", trust_env=False) as client:
            live = await client.get("/livez")
        # then
        assert live.status_code == 200
        assert "does PostgreSQL run there?" in str(waiting["database"])
        # when
        async with forwarding(late, stored_at):
            ready = await eventually(lambda: readiness(port, system), lambda seen: seen.get("status") == "ready")
        # then
        assert ready["database"] == "ok"


async def test_service_waits_for_its_migration(
    system: System, settings: Settings, environment: Mapping[str, str]
) -> None:
    """Where it may not migrate: it says what it needs, and is ready once somebody has migrated."""
    # given
    port, query = int(settings["POINT_PORT"]), "UPDATE alembic_version SET version_num = $1"
    connection = await asyncpg.connect(owner_url(environment, "point"))
    known = await connection.fetchval("SELECT version_num FROM alembic_version")
    await connection.execute(query, "0000")
    try:
        async with started(settings):
            # when
            waiting = await eventually(
                lambda: readiness(port, system), lambda seen: "0000" in str(seen.get("database"))
            )
            # then
            assert f"revision {known} is needed" in str(waiting["database"])
            assert "python -m chassis migrate" in str(waiting["database"])
            # when
            await connection.execute(query, known)
            ready = await eventually(lambda: readiness(port, system), lambda seen: seen.get("status") == "ready")
    finally:
        await connection.execute(query, known)
        await connection.close()
    # then
    assert ready["database"] == "ok"


async def test_migration_is_a_program_of_its_own(settings: Settings, environment: Mapping[str, str]) -> None:
    """It makes what is missing, as the owner, and ends."""
    # given
    count = "SELECT count(*) FROM pg_proc WHERE proname = 'purge_tombstone_at'"
    connection = await asyncpg.connect(owner_url(environment, "point"))
    await connection.execute("DROP FUNCTION purge_tombstone_at(interval, integer)")
    try:
        # when
        status, said = await migrate(settings | {"POINT_MIGRATION_URL": owner_url(environment, "point")})
        # then
        assert (status, said) == (0, "point: up to date\n")
        assert await connection.fetchval(count) == 1
    finally:
        await connection.close()


async def test_old_code_starts_beside_new_code(
    system: System, settings: Settings, environment: Mapping[str, str]
) -> None:
    """A database that a later release has migrated is as good, for a process that starts and for one that runs."""
    # given
    connection = await asyncpg.connect(owner_url(environment, "point"))
    known = await connection.fetchval("SELECT version_num FROM alembic_version")
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    port, running = int(settings["POINT_PORT"]), urlsplit(environment["POINT_URL"]).port or 0
    try:
        # when
        async with started(settings):
            new = await eventually(lambda: readiness(port, system), lambda seen: seen.get("status") == "ready")
            old = await readiness(running, system)
    finally:
        await connection.execute("UPDATE alembic_version SET version_num = $1", known)
        await connection.close()
    # then
    assert (new["migrations"], old["migrations"]) == ("ok", "ok")


async def test_service_says_that_the_database_does_not_let_it_in(system: System, settings: Settings) -> None:
    """A wrong password may be mended at the server, so the service waits, and shows no password."""
    # given
    port = int(settings["POINT_PORT"])
    settings["POINT_DATABASE_URL"] = with_password(settings["POINT_DATABASE_URL"], "not-the-password")
    async with started(settings):
        # when
        seen = await eventually(lambda: readiness(port, system), lambda seen: "password" in str(seen.get("database")))
    # then
    assert "is the password right?" in str(seen["database"])
    assert "not-the-password" not in str(seen)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: with_password(url, "not-the-password"), "ACCESS_REFUSED"),
        (lambda url: f"{url.rpartition('/')[0]}/not-there", "virtual host"),
        (lambda url: led_elsewhere(url, free_port()), "refused"),
    ],
    ids=["password", "virtual host", "nobody there"],
)
async def test_service_says_why_the_broker_does_not_let_it_in(
    system: System, settings: Settings, change: object, reason: str
) -> None:
    """`/readyz` names the reason, without the password."""
    # given
    assert callable(change)
    port = int(settings["POINT_PORT"])
    settings["POINT_RABBITMQ_URL"] = change(settings["POINT_RABBITMQ_URL"])
    async with started(settings):
        # when
        seen = await eventually(lambda: readiness(port, system), lambda seen: reason in str(seen.get("broker")))
    # then
    assert "not-the-password" not in str(seen)


async def test_service_whose_port_is_taken_ends(
    system: System, settings: Settings, environment: Mapping[str, str]
) -> None:
    """Each time, with one line that says what to do; it neither hangs nor begins anything."""
    # given
    settings["POINT_PORT"] = str(urlsplit(environment["POINT_URL"]).port)
    for _ in range(5):
        # when
        process = await start(settings)
        async with asyncio.timeout(30):
            _, said = await process.communicate()
        # then
        assert process.returncode == 1
        assert said.decode().splitlines() == [
            f"point_svc cannot listen on {HERE}:{settings['POINT_PORT']}: address already in use; "
            "is it running already? Else set POINT_PORT"
        ]
