"""What is asked for is said again: at once, but not as often as somebody asks, and no ask is forgotten."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from chassis.store import said
from chassis.store.outbox import LEASE
from tests.contract.test_migrations import migrated_database

EVENT = "point.spent"
SAID = """
    INSERT INTO said (event_id, saga_id, routing_key, mandatory, headers, body, at)
    SELECT gen_random_uuid(), gen_random_uuid(), $1, true, json_build_object('ce-time', now()), '{}',
        now() - n * interval '1 millisecond' FROM generate_series(1, $2) AS n
    """
# As the relay does with what it has published.
CONFIRMED = """
    WITH gone AS (DELETE FROM outbox RETURNING event_id, saga_id, routing_key, mandatory, headers, body)
    INSERT INTO said SELECT *, clock_timestamp() FROM gone
    """
LATER = "UPDATE asked SET begun = begun - $1::interval, at = at - $1::interval"


@pytest.fixture
async def database(postgres_admin_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with three events that were said."""
    url = await migrated_database(postgres_admin_url, "point_svc")
    connection = await asyncpg.connect(url)
    await connection.execute(SAID, EVENT, 3)
    yield connection
    await connection.close()


async def ask(database: asyncpg.Connection) -> None:
    """Somebody asks for all."""
    await said.ask(database, [EVENT], hours=1)


async def repeated(database: asyncpg.Connection, limit: int = 100) -> int:
    """How many messages a sweep says again; they are confirmed."""
    await said.repeat(database, limit, LEASE)
    return int((await database.execute(CONFIRMED)).split()[-1])


async def test_first_ask_is_answered_at_once(database: asyncpg.Connection) -> None:
    """Whoever has lost a queue waits for nothing, and hears everything once."""
    assert await repeated(database) == 0
    await ask(database)
    assert [await repeated(database) for _ in range(2)] == [3, 0]
    await database.execute(LATER, said.LONGEST_PAUSE)
    assert await repeated(database) == 0


async def test_second_ask_waits_and_is_not_forgotten(database: asyncpg.Connection) -> None:
    """A queue that is lost twice is filled twice."""
    await ask(database)
    await repeated(database)
    await ask(database)
    assert await repeated(database) == 0
    await database.execute(LATER, said.FIRST_PAUSE)
    assert [await repeated(database) for _ in range(2)] == [3, 0]


async def test_whoever_asks_in_the_middle_is_answered_after_it(database: asyncpg.Connection) -> None:
    """What is being said again goes on to its end, however often somebody asks; then all of it is said once more."""
    await ask(database)
    counts = []
    for _ in range(4):
        counts.append(await repeated(database, limit=1))
        await database.execute(LATER, said.FIRST_PAUSE)
        await ask(database)
    assert counts == [1, 1, 1, 0]
    assert await repeated(database) == 3


async def test_whoever_asks_without_end_is_answered_ever_more_rarely(database: asyncpg.Connection) -> None:
    """Of an hour of asks, one in five seconds, fifteen are answered at most."""
    between = timedelta(seconds=5)
    counts = []
    for _ in range(720):
        await ask(database)
        counts.append(await repeated(database))
        await database.execute(LATER, between)
    answered = [number for number, count in enumerate(counts) if count]
    pauses = [after - before for before, after in pairwise(answered)]
    assert answered[:2] == [0, 1]
    assert pauses == sorted(pauses)
    assert pauses[-1] * between >= said.LONGEST_PAUSE
    assert len(answered) <= 15


async def test_pause_is_short_again_when_nobody_has_asked_for_a_while(database: asyncpg.Connection) -> None:
    """One bad hour is forgotten."""
    for _ in range(5):
        await ask(database)
        await repeated(database)
        await database.execute(LATER, said.LONGEST_PAUSE)
    await database.execute(LATER, 2 * said.LONGEST_PAUSE)
    await ask(database)
    assert await repeated(database) == 3
    assert await database.fetchval("SELECT pause FROM asked") == said.FIRST_PAUSE


async def test_short_ask_does_not_inherit_from_one_that_was_answered(database: asyncpg.Connection) -> None:
    """Somebody wanted an hour, the next one wants a minute."""
    await ask(database)
    await repeated(database)
    await database.execute(LATER, said.FIRST_PAUSE)
    await database.execute("UPDATE said SET headers = json_build_object('ce-time', now() - interval '10 minutes')")
    await said.ask(database, [EVENT], hours=1 / 60)
    assert await repeated(database) == 0
