"""Roles: what each role may do in the database of a service, granted by the owner whenever it migrates.

The owner migrates. The service reads, inserts and updates rows; what is only ever added to, it cannot change. Old rows
go under a role that nobody can log in as, through functions, and an operator who erases a user has a role too.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from chassis.store.retention import Retention
from chassis.store.revision import CONNECT_TIMEOUT, LOCK
from chassis.store.servers import connect

ROWS = "SELECT, INSERT, UPDATE"
"""What a service may do with a table of its own about which nothing else is said"""
FRAME = {
    "alembic_version": "SELECT",
    "inbox": "SELECT, INSERT, DELETE",
    "outbox": "SELECT, INSERT, UPDATE, DELETE",
    "said": "SELECT, INSERT, UPDATE, DELETE",
    "asked": "SELECT, INSERT, UPDATE, DELETE",
    "own_queue": ROWS,
    "suspect": "SELECT, INSERT, DELETE",
    "idempotency": "SELECT, INSERT",
    "operation": "SELECT, INSERT",
}
"""With the tables of the chassis; the witness of a failure deletes what it has put into the inbox"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


_MEMBER = "SELECT rolname FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, 'MEMBER')"
_MAY_MIGRATE = "SELECT has_schema_privilege('public', 'CREATE')"


@dataclass(frozen=True)
class Roles:
    """The roles of a database besides its owner, and what is special about its tables."""

    service: str
    retentions: tuple[Retention, ...] = ()
    rights: Mapping[str, str] = field(default_factory=dict)
    """What the service may do with some tables, instead of `ROWS`"""

    @property
    def retention(self) -> str:
        """The role that old rows go under."""
        return f"{self.service}_retention"

    @property
    def erasure(self) -> str:
        """The role that an operator erases users under."""
        return f"{self.service}_erasure"

    def grants(self, tables: Iterable[str], existing: Iterable[str]) -> Iterator[str]:
        """The statements that give each existing role its rights, and no others, on each table."""
        for table in tables:
            wanted = {
                self.service: (self.rights.get(table) or FRAME.get(table, ROWS),),
                # To lock a row, one must be allowed to change something of it.
                self.retention: tuple(
                    f"SELECT, DELETE, UPDATE ({one.column})" for one in self.retentions if one.table == table
                ),
                self.erasure: ("SELECT, UPDATE, DELETE",) if table != "alembic_version" else (),
            }
            for role in set(wanted) & set(existing):
                yield f'REVOKE ALL ON TABLE "{table}" FROM "{role}"'
                yield from (f'GRANT {rights} ON TABLE "{table}" TO "{role}"' for rights in wanted[role])

    def functions(self, *, under_retention: bool) -> Iterator[str]:
        """The statements that make the functions of retention, for the service alone to call.

        One that no retention has any more stays: code that has it may run beside.
        """
        if under_retention:
            yield f'GRANT CREATE ON SCHEMA public TO "{self.retention}"'
            yield f'SET LOCAL ROLE "{self.retention}"'
        for retention in self.retentions:
            function = f'FUNCTION "{retention.function}"(interval, integer)'
            yield retention.statement
            yield f"REVOKE ALL ON {function} FROM PUBLIC"
            yield f'GRANT EXECUTE ON {function} TO "{self.service}"'
        if under_retention:
            yield "RESET ROLE"
            yield f'REVOKE CREATE ON SCHEMA public FROM "{self.retention}"'


async def may_migrate(url: str) -> bool:
    """Whether the role of this address may make tables: the owner may, and one that does everything."""
    async with _connected(url) as connection:
        return bool(await connection.fetchval(_MAY_MIGRATE))


async def grant(owner_url: str, roles: Roles) -> None:
    """Give the roles their rights, and make the functions; replicas that start together wait for each other.

    Where one role does everything, it keeps all its rights, and the functions are its own.
    """
    async with _connected(owner_url) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        tables = [row["tablename"] for row in await connection.fetch(_TABLES)]
        names = {roles.service, roles.retention, roles.erasure} - {await connection.fetchval("SELECT current_user")}
        found = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])", names)
        under_retention = await connection.fetchval(_MEMBER, roles.retention) is not None
        statements = roles.grants(tables, [row["rolname"] for row in found])
        for statement in (*statements, *roles.functions(under_retention=under_retention)):
            await connection.execute(statement)


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    connection = await connect(url, CONNECT_TIMEOUT)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)
