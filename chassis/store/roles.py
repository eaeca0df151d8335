"""Roles: what each role may do in the database of a service, granted by the owner whenever the service starts.

The owner migrates. The service reads, inserts and updates rows; what is only ever added to, it cannot change. Old rows
go under a role of their own, and an operator who erases a user has one too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import asyncpg
import structlog

from chassis.store.retention import Retention
from chassis.store.revision import CONNECT_TIMEOUT, LOCK

log = structlog.get_logger(__name__)

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
}
"""With the tables of the chassis; the witness of a failure deletes what it has put into the inbox"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


@dataclass(frozen=True)
class Roles:
    """The roles of a database besides its owner, and what is special about its tables."""

    service: str
    retention: str
    erasure: str
    retentions: tuple[Retention, ...] = ()
    rights: Mapping[str, str] = field(default_factory=dict)
    """What the service may do with some tables, instead of `ROWS`"""

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


async def grant(owner_url: str, roles: Roles) -> None:
    """Give the roles their rights; replicas that start together wait for each other."""
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            tables = [row["tablename"] for row in await connection.fetch(_TABLES)]
            names = [roles.service, roles.retention, roles.erasure]
            found = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])", names)
            for statement in roles.grants(tables, [row["rolname"] for row in found]):
                await connection.execute(statement)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)
