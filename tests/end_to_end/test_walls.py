"""The walls between the databases of the services."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from stack.services import SERVICES
from tests.end_to_end.databases import database_url
from tests.end_to_end.system import System

RIGHTS = """
    SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
    FROM pg_roles WHERE rolname = current_user
"""
FORBIDDEN = [(role, database) for role in SERVICES for database in (*SERVICES, "postgres") if role != database]


@pytest.mark.parametrize(("role", "database"), FORBIDDEN)
async def test_role_cannot_enter_another_database(system: System, role: str, database: str) -> None:
    """The role of one service is not let into the database of another, nor into the server's own."""
    mine = urlsplit(database_url(system.environment, role))
    other = urlsplit(database_url(system.environment, database)).path if database in SERVICES else f"/{database}"

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(mine._replace(path=other).geturl())


@pytest.mark.parametrize("service", SERVICES)
async def test_role_is_no_superuser(system: System, service: str) -> None:
    """A service's role may not make databases or roles, and owns nothing: neither its database nor a table."""
    connection = await asyncpg.connect(database_url(system.environment, service))
    try:
        rights = await connection.fetchrow(RIGHTS)
        databases = await connection.fetch("SELECT FROM pg_database WHERE pg_get_userbyid(datdba) = current_user")
        tables = await connection.fetch("SELECT FROM pg_tables WHERE tableowner = current_user")
    finally:
        await connection.close()

    assert rights is not None
    assert not any(rights.values())
    assert not databases
    assert not tables
