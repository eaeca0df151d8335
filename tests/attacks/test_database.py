"""A service's database role in hostile hands: it does what the service does, and nothing else (attack 10)."""

import contextlib
import uuid
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from stack.credentials import Credentials
from stack.directory import Directory
from stack.run.state import State
from stack.servers.handed_out import HandedOut
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
        "UPDATE operation SET who = 'x'",
        "DELETE FROM operation",
        "ALTER ROLE point CONNECTION LIMIT -1",
        "SET temp_file_limit = -1",
        "SET ROLE point_owner",
        "SET ROLE point_retention",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock(1, 1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'mine')",
        "DROP FUNCTION purge_tombstone_at(interval, integer)",
        "CREATE OR REPLACE FUNCTION purge_tombstone_at(age interval, at_most integer) "
        "RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
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


@pytest.mark.parametrize(
    "age", ["'0'", "NULL", "'-100 years'", "'-infinity'", "'-1200 months 36030 days'", "'1 month'"], ids=str
)
async def test_only_what_is_old_enough_can_be_purged(environment: Mapping[str, str], system: System, age: str) -> None:
    """Whatever age the service asks for, and however many rows; what is said to be as long need not be."""
    ids = {days: uuid.uuid4() for days in (0, 29, 31)}
    connection = await asyncpg.connect(database_url(environment, "point"))
    try:
        for days, checkout_id in ids.items():
            await connection.execute(
                "INSERT INTO tombstone VALUES ($1, now() - make_interval(days => $2))", checkout_id, days
            )
        gone = await connection.fetchval(f"SELECT purge_tombstone_at({age}, NULL)")
    finally:
        await connection.close()

    query = "DELETE FROM tombstone WHERE checkout_id = ANY($1::uuid[]) RETURNING checkout_id"
    left = {row["checkout_id"] for row in await system.databases.rows("point", query, list(ids.values()))}
    assert left == {ids[0], ids[29]}
    assert gone == 1


@pytest.mark.parametrize("service", SERVICES)
async def test_purging_is_for_the_service_alone(system: System, service: str) -> None:
    """Its functions belong to a role that nobody can be, and nobody else may call them."""
    found = await system.databases.rows(
        service,
        """
        SELECT proname, pg_get_userbyid(proowner) AS owner, rolcanlogin,
            array(SELECT grantee::regrole::text FROM aclexplode(proacl) WHERE grantee <> proowner) AS callers
        FROM pg_proc JOIN pg_roles ON pg_roles.oid = proowner WHERE prosecdef
        """,
    )

    assert {row["proname"] for row in found} >= {
        "purge_inbox_at",
        "purge_said_at",
        "purge_suspect_at",
        "purge_operation_at",
    }
    for row in found:
        assert (row["owner"], row["rolcanlogin"], row["callers"]) == (f"{service}_retention", False, [service])


@in_our_stack
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_secrets_of_others(environment: Mapping[str, str], service: str) -> None:
    """Neither in its environment nor in its files: not those of the owner of its database, nor of an operator."""
    directory = Directory.of(Path(environment["TOKEN_KEYS"]).parent)
    state = State.of(directory)
    assert state is not None
    handed_out = HandedOut(directory).database(service).parent
    told = [Path(f"/proc/{state.programs[f'{service}_svc'].pid}/environ").read_text()]
    told += [file.read_text() for file in handed_out.iterdir()]

    own = {service, f"{service}_broker"} | ({"platform_secret"} if service == "payment" else set())
    others = {name: secret for name, secret in Credentials.of(directory).model_dump().items() if name not in own}
    assert [name for name, secret in others.items() if any(secret in text for text in told)] == []
    roles = [f"{service}_{kind}" for kind in ("owner", "retention", "erasure")]
    assert [name for name in roles if any(name in text for text in told)] == []
    assert Credentials.of(directory).password(service) in told[1] + "".join(told[2:])


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
