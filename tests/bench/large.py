"""Many rows: every statement beside ten million rows a table, and what the rows cost.

Databases of their own are filled, because the invariants of the stack are about what was really sold. Inbox, outbox and
idempotency are large in payment_svc only, which uses all three: they are the same tables everywhere.
"""

from collections.abc import Callable

import asyncpg

from chassis.choreography.loading import packages
from chassis.store.migrations import FRAME
from stack.directory import ROOT
from tests.bench.figures import Large, LargeTable, Slow
from tests.contract.filling import SMALL
from tests.contract.performing import big_database, perform, told
from tests.contract.plans import Plan
from tests.contract.playing import Play

WITH_FRAME = "payment_svc"
SLOWEST = 12
_SIZES = """
    SELECT relname, reltuples AS rows, pg_table_size(oid) AS bytes, pg_indexes_size(oid) AS index_bytes
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
    """


async def measure(admin_url: str, rows: int, begin: Callable[[str], None]) -> Large:
    """Fill databases, have the services do everything that they can do, and drop the databases."""
    urls, tables = {}, []
    frame = {table.name for table in FRAME}
    try:
        for package in packages(ROOT):
            begin(f"{rows:,} rows in every table of {package}")
            smaller = () if package == WITH_FRAME else frame
            urls[package] = await big_database(admin_url, package, rows, smaller)
            tables += await _sizes(urls[package], package, rows)
        begin("every statement beside them")
        plans = await _plans(urls)
        return Large(rows=rows, tables=tables, slowest=_slowest(plans), faults=_faults(plans))
    finally:
        await _drop(admin_url, urls)


async def _plans(urls: dict[str, str]) -> list[Plan]:
    with told() as plans:
        play = Play.of(urls)
        await perform(play, urls)
        await play.close()
    return plans


async def _sizes(url: str, package: str, rows: int) -> list[LargeTable]:
    connection = await asyncpg.connect(url)
    found = await connection.fetch(_SIZES)
    await connection.close()
    return [
        LargeTable(service=package, name=row["relname"], bytes=row["bytes"], index_bytes=row["index_bytes"])
        for row in found
        if row["relname"] not in SMALL and row["rows"] > rows / 2
    ]


def _slowest(plans: list[Plan]) -> list[Slow]:
    """The statements that took longest, each with the longest of its times."""
    seconds: dict[str, float] = {}
    for plan in plans:
        seconds[plan.sql] = max(plan.seconds, seconds.get(plan.sql, 0))
    worst = sorted(seconds.items(), key=lambda one: -one[1])[:SLOWEST]
    return [Slow(sql=sql, seconds=longest) for sql, longest in worst]


def _faults(plans: list[Plan]) -> list[str]:
    return sorted({f"{fault}: {plan.sql}" for plan in plans for fault in plan.faults})


async def _drop(admin_url: str, urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(admin_url)
    for url in urls.values():
        await connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")
    await connection.close()
