"""A database is well as long as it commits."""

import asyncio

import asyncpg
import pytest

from chassis.store import committing
from chassis.store.committing import Committing
from chassis.store.departures import Departures
from chassis.store.transaction import Transaction
from tests.memory.store import MemoryDatabase, MemorySession, MemorySource
from tests.unit.test_relay import say

READ_ONLY = asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction")


class Disk:
    """What the probes of a database meet."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.probes = 0

    async def probe(self) -> None:
        """Write, and take it back."""
        self.probes += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk of the database."""
    found = Disk()
    monkeypatch.setattr(MemorySession, "probe", found.probe)
    return found


@pytest.fixture
def database() -> MemoryDatabase:
    """A database that nothing was written to."""
    source = MemorySource()
    return MemoryDatabase(source, Departures(), source.identity)


async def nothing(_: Transaction) -> None:
    """Only look."""


async def test_idle_database_that_has_become_read_only_is_noticed(database: MemoryDatabase, disk: Disk) -> None:
    """It still answers what it is asked; and it is well again when it commits."""
    # given
    disk.error = READ_ONLY
    asking = Committing(database)
    # when
    await database.run(nothing)
    # then
    assert await asking.trouble() is READ_ONLY
    disk.error = None
    assert await asking.trouble() is None


async def test_work_that_was_committed_is_proof_enough(database: MemoryDatabase, disk: Disk) -> None:
    """A busy process writes nothing on top."""
    await database.run(say)
    assert await Committing(database).trouble() is None
    assert disk.probes == 0


async def test_proof_does_not_last(database: MemoryDatabase, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed long ago says nothing of now; between two proofs, whoever asks costs nothing."""
    asking = Committing(database)
    assert [await asking.trouble() for _ in range(3)] == [None] * 3
    assert disk.probes == 1
    monkeypatch.setattr(committing, "FRESH_SECONDS", 0.0)
    disk.error = READ_ONLY
    assert await asking.trouble() is READ_ONLY


async def test_many_who_ask_share_an_answer(database: MemoryDatabase, disk: Disk) -> None:
    """A database that hangs is not asked by each of them."""
    asking = Committing(database)
    await asyncio.gather(*(asking.trouble() for _ in range(5)))
    assert disk.probes == 1


async def test_who_gives_up_ends_nothing(database: MemoryDatabase, disk: Disk) -> None:
    """The next one hears the answer to the same question."""
    asking = Committing(database)
    first = asyncio.create_task(asking.trouble())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await asking.trouble() is None
    assert disk.probes == 1
