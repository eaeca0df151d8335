"""Copies: an archive of the window with very many sagas, each a copy under other names of one that was really told.

Sagas of each kind go into the empty archive the way everything does, are stored and told; then PostgreSQL copies their
rows. Of a thousand copies most are checkouts that completed, and a few are parked, resting, late, odd or under way.
Ids grow with time, and the messages of a hundred sagas lie between each other, as those of sagas that run at once do.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from tests.bench.stand import Session
from tests.bench.templates import PERIOD, SEAT, Template, heard, templates
from window.choreography import Choreography
from window.database import Pool
from window.retelling import Retelling
from window.storing import Storing

PIECE = 20_000
USERS, BUSY, SEATS = 200_000, "busy", 50_000
EVERY = 10
"""One in so many sagas is of one and the same user"""
KEEP = timedelta(days=6, hours=23)
"""The time that all is spread over"""
AT_ONCE, LONG = 2, 3600
_CARELESS = ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'")
_TABLES = ("message", "saga", "mention", "person", "aside")
_MOMENTS = ("occurred_at", "seen_at", "begun_at", "last_at", "ended_at", "due_at", "until")
_IDS = ("event_id", "saga_id", "cause")
_SLOTS = "CREATE TABLE slot (number int PRIMARY KEY, saga_id uuid, payment_id uuid, seats int)"
_TEMPLATES = """
    CREATE TABLE t_message AS
        SELECT m.*, row_number() OVER (PARTITION BY saga_id ORDER BY number) AS place_of FROM message AS m;
    CREATE TABLE t_saga AS SELECT * FROM saga;
    CREATE TABLE t_mention AS SELECT m.*, s.saga_id FROM mention AS m JOIN saga AS s USING (key);
    CREATE TABLE t_person AS SELECT p.*, s.saga_id FROM person AS p JOIN saga AS s USING (key);
    CREATE TABLE t_aside AS SELECT a.*, m.saga_id, m.place_of FROM aside AS a JOIN t_message AS m USING (key);
    TRUNCATE message, saga, mention, person, aside, tally
    """
_TALLIES = """
    INSERT INTO tally (at, what, bucket, count)
    SELECT to_timestamp(extract(epoch FROM now())::bigint / 10 * 10) - slot * interval '10 seconds', what, bucket, 20
    FROM generate_series(0, 1079) AS slot, unnest($1::text[]) AS what, generate_series(8, 22) AS bucket
    """
_REACHED = """
    INSERT INTO reached SELECT 'telling', max(number) FROM message
    ON CONFLICT (by) DO UPDATE SET number = excluded.number
    """
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY($1)
    AND indexname NOT IN (SELECT conname FROM pg_constraint)
    """


@dataclass(frozen=True)
class Copied:
    """What an archive holds now."""

    sagas: int
    events: int

    @classmethod
    def of(cls, events: int) -> "Copied":
        """So many events, or a few less, in whole thousands of sagas."""
        of_a_thousand = sum(one.share * len(one.messages) for one in templates(datetime.now(UTC)))
        thousands = events // of_a_thousand
        return cls(thousands * PERIOD, thousands * of_a_thousand)

    def number(self, kind: str, chance: float) -> int:
        """The number of a saga of this kind."""
        low, high = _slots(templates(datetime.now(UTC)))[kind]
        return int(chance * (self.sagas // PERIOD - 1)) * PERIOD + low + int(chance * (high - low))


async def fill(url: str, pool: Pool, choreography: Choreography, copied: Copied) -> None:
    """Fill an empty archive; without its indexes, which are made again afterwards."""
    now = datetime.now(UTC)
    wanted = templates(now)
    for one in wanted:
        await Storing(pool).store([heard(message) for message in one.messages])
    while await Retelling(pool, choreography).round(now + timedelta(seconds=1)):
        pass
    async with _session(url) as session, _careless(session):
        await _prepare(session, wanted, copied)
        indexes = await session.fetch(_INDEXES, _TABLES)
        for index in indexes:
            await session.execute(f"DROP INDEX {index['indexname']}")
        statements = {table: await _statement(session, table, copied) for table in _TABLES}
        pieces = [(table, first) for table in _TABLES for first in range(0, copied.sagas, PIECE)]
        await _execute(
            url, [(statements[table], first, min(first + PIECE, copied.sagas) - 1) for table, first in pieces]
        )
        await _execute(url, [(index["indexdef"],) for index in indexes])
        await _finish(session, choreography)


@asynccontextmanager
async def _session(url: str) -> AsyncIterator[Session]:
    connection = await asyncpg.connect(url)
    await connection.execute("SET synchronous_commit = off; SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _careless(session: Session) -> AsyncIterator[None]:
    """Have PostgreSQL not wait for the disk while the context lasts, and have all on the disk after it."""
    for setting in _CARELESS:
        await session.execute(f"ALTER SYSTEM SET {setting}")
    await session.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        for setting in _CARELESS:
            await session.execute(f"ALTER SYSTEM RESET {setting.partition(' ')[0]}")
        await session.execute("SELECT pg_reload_conf()")
        await session.execute("CHECKPOINT")


async def _prepare(session: Session, wanted: Sequence[Template], copied: Copied) -> None:
    """Put the templates aside, and say which copies are of which."""
    await session.execute(_SLOTS)
    rows = [
        (number, one.saga_id, one.payment_id, SEATS if one.is_hold else copied.sagas)
        for one in wanted
        for number in range(*_slots(wanted)[one.kind])
    ]
    await session.copy_records_to_table("slot", records=rows)
    await session.execute(_TEMPLATES)


async def _execute(url: str, statements: Iterable[tuple[Any, ...]]) -> None:
    """Execute statements with their values, as many at once as there are processors for."""
    left = iter(statements)

    async def work() -> None:
        async with _session(url) as session:
            for statement, *values in left:
                await session.execute(statement, *values, timeout=LONG)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _finish(session: Session, choreography: Choreography) -> None:
    """Leave everything as the window would have left it after a while."""
    for table, column in (("message", "number"), ("saga", "key")):
        newest = await session.fetchval(f"SELECT max({column}) FROM {table}")  # noqa: S608  # names from the code
        await session.execute("SELECT setval(pg_get_serial_sequence($1, $2), $3)", table, column, newest)
    await session.execute(_TALLIES, [*(f"step:{step}" for step in choreography.steps), "completed", "failed"])
    await session.execute(_REACHED)
    for table in ("slot", *(f"t_{table}" for table in _TABLES)):
        await session.execute(f"DROP TABLE {table}")
    await session.execute("VACUUM (ANALYZE, FREEZE)", timeout=LONG)


async def _statement(session: Session, table: str, copied: Copied) -> str:
    """Copies the rows of a table for the sagas $1 to $2."""
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'"
    columns = [row["column_name"] for row in await session.fetch(query, table)]
    known = dict(_values(table, copied))
    values = ", ".join(known.get(column, f't."{column}"') for column in columns)
    order = "ORDER BY n / 100, t.place_of, n" if table == "message" else ""
    names = ", ".join(f'"{column}"' for column in columns)
    return f"""
        INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}
        FROM generate_series($1::bigint, $2::bigint) AS n JOIN slot ON slot.number = n % {PERIOD}
        JOIN t_{table} AS t ON t.saga_id = slot.saga_id {order} ON CONFLICT DO NOTHING
        """  # noqa: S608  # names from the code


def _values(table: str, copied: Copied) -> Iterator[tuple[str, str]]:
    """The columns that differ from copy to copy."""
    shift = f"(n - {copied.sagas}) * interval '{KEEP.total_seconds() / copied.sagas} seconds'"
    yield from ((column, f"t.{column} + {shift}") for column in _MOMENTS)
    yield from ((column, _id(f"t.{column}")) for column in _IDS)
    yield "user_id", f"CASE WHEN t.user_id IS NOT NULL THEN {user('n')} END"
    yield "key", _id("t.key") if table in ("message", "aside") else "n + 1"
    yield "number", _number("t.place_of")
    yield "told", _number("(SELECT max(place_of) FROM t_message AS m WHERE m.saga_id = t.saga_id)")
    yield "facts", _named("t.facts")
    yield "value", _named("t.value")
    yield "body", _named("t.body")
    headers = "t.headers"
    for column in ("event_id", "cause"):
        headers = f"replace({headers}, coalesce(t.{column}::text, '-'), coalesce({_id(f't.{column}')}::text, '-'))"
    yield "headers", _named(headers)


def id_of(old: UUID, number: int) -> UUID:
    """The id of a copy."""
    return UUID(f"{number + 1:012x}{old.hex[12:]}")


def user(number: str) -> str:
    """The user of a copy, in SQL."""
    return f"CASE WHEN {number} % {EVERY} = 0 THEN '{BUSY}' ELSE 'fan-' || {number} % {USERS} END"


def _id(old: str) -> str:
    return f"(lpad(to_hex(n + 1), 12, '0') || right(replace({old}::text, '-', ''), 20))::uuid"


def _named(text: str) -> str:
    """A text with the names of the copy."""
    for column in ("slot.saga_id", "slot.payment_id"):
        text = f"replace({text}, {column}::text, {_id(column)}::text)"
    return f"replace({text}, '{SEAT}', (n % slot.seats)::text)"


def _number(place: str) -> str:
    return f"(n / 100) * 2000 + {place} * 100 + n % 100 + 1"


def _slots(wanted: Sequence[Template]) -> Mapping[str, tuple[int, int]]:
    """Which of a thousand copies are of which kind: from the first up to before the last."""
    found, first = {}, 0
    for one in wanted:
        found[one.kind] = (first, first + one.share)
        first += one.share
    return found
