"""A service's database role in hostile hands: it does what the service does, and nothing else (attack 10)."""

import contextlib
from collections.abc import Mapping

import asyncpg
import pytest

from stack.services import SERVICES
from tests.attacks.here import in_our_stack
from tests.end_to_end.databases import database_url
from tests.end_to_end.fan import Fan
from tests.end_to_end.system import System

FORBIDDEN = {
    "point": [
        "DROP TABLE point_history",
        "TRUNCATE point_history",
        "DELETE FROM point_history",
        "UPDATE point_history SET amount = 1",
        "UPDATE point_history SET entry_id = gen_random_uuid()",
        "DELETE FROM wallet",
        "DELETE FROM tombstone",
        "ALTER TABLE wallet DROP CONSTRAINT balance_not_negative",
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE mine ()",
        "UPDATE alembic_version SET version_num = '0000'",
        "UPDATE inbox SET heard = 'x'",
        "ALTER ROLE point CONNECTION LIMIT -1",
        "SET temp_file_limit = -1",
        "SET ROLE point_owner",
    ],
    "reservation": ["TRUNCATE reservation", "DELETE FROM reservation", "DROP TABLE reservation"],
    "payment": ["TRUNCATE payment", "DELETE FROM payment", "DELETE FROM checkout", "DELETE FROM delivery"],
    "seat": ["DELETE FROM seat", "TRUNCATE concert CASCADE", "UPDATE concert SET title = 'x'", "DROP TABLE seat"],
}


@pytest.mark.parametrize(("service", "statement"), [(name, one) for name in FORBIDDEN for one in FORBIDDEN[name]])
async def test_what_the_service_never_does_is_refused(
    environment: Mapping[str, str], fan: Fan, service: str, statement: str
) -> None:
    """Nobody rewrites history, drops tables, or gives themselves more rights."""
    await fan.charge(1)
    connection = await asyncpg.connect(database_url(environment, service))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_connections_of_a_role_are_limited(system: System, service: str) -> None:
    """All roles together never take all connections of the server, and none is without a limit."""
    limits = await system.databases.rows(
        service, "SELECT rolname, rolconnlimit FROM pg_roles WHERE rolcanlogin AND NOT rolsuper"
    )
    most = int(await system.databases.value(service, "SELECT current_setting('max_connections')"))

    assert all(row["rolconnlimit"] > 0 for row in limits)
    assert sum(row["rolconnlimit"] for row in limits) < most


@in_our_stack
async def test_one_connection_too_many_is_refused(environment: Mapping[str, str]) -> None:
    """By the server, for the role that has them all."""
    url = environment["POINT_ERASURE_DATABASE_URL"]
    async with contextlib.AsyncExitStack() as opened:

        async def one_more() -> None:
            opened.push_async_callback((await asyncpg.connect(url)).close)

        await one_more()
        await one_more()
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await one_more()


@pytest.mark.parametrize("service", SERVICES)
async def test_statements_of_a_role_end(environment: Mapping[str, str], service: str) -> None:
    """Whoever connects with it: a statement, a wait for a lock and an idle transaction have a longest time."""
    connection = await asyncpg.connect(database_url(environment, service))
    try:
        found = {
            name: await connection.fetchval("SELECT current_setting($1)", name)
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "temp_file_limit")
        }
    finally:
        await connection.close()

    assert not {"0", "-1"} & set(found.values())
