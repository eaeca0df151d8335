"""Who is to blame when a batch fails: the message, if it fails while the rest of the world works; else nobody."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import asyncpg
import pytest

from chassis.errors import CulpritsError, MissingRowError
from chassis.run import judge as judging
from chassis.run.judge import HALVED_LOCK_MILLISECONDS, PROOF, RECOVERED, Judge
from chassis.store.database import Database

NOBODY = -1
WITHIN = 10

ENVIRONMENT: list[Exception] = [
    asyncpg.DiskFullError("no space left on device"),
    asyncpg.OutOfMemoryError("out of memory"),
    asyncpg.ReadOnlySQLTransactionError("read-only"),
    asyncpg.PostgresIOError("could not read"),
    asyncpg.InvalidPasswordError("password"),
    asyncpg.InvalidCatalogNameError("no such database"),
    asyncpg.DatabaseDroppedError("dropped"),
    asyncpg.UndefinedTableError("no such table"),
    asyncpg.InternalClientError("out of step"),
    asyncpg.InterfaceError("connection is closed"),
    ConnectionRefusedError("refused"),
]
OF_A_MESSAGE: list[Exception] = [
    asyncpg.StringDataRightTruncationError("too long"),
    asyncpg.UniqueViolationError("there already"),
    asyncpg.DataError("cannot be encoded"),
    ValueError("a defect of the step"),
]
NAMES: Callable[[Any], str] = lambda error: type(error).__name__  # noqa: E731  # pytest wants a function for ids


class World:
    """A database that fails for one culprit, or for everybody as long as it is told to."""

    def __init__(self, culprit: int = NOBODY, error: Exception | None = None, outage: int = 0) -> None:
        self.culprit, self.error = culprit, error or RuntimeError()
        self.outage = outage
        """How many more transactions fail, whoever's they are"""
        self.breaks_the_witness = False
        self.asked, self.asked_again = asyncio.Event(), asyncio.Event()
        self.committed: list[int] = []
        self.transactions: list[tuple[int, int | None]] = []
        """How many items each had, and how long it would have waited for a lock"""

    async def run(self, work: Callable[[Any], Any], lock_milliseconds: int | None = None) -> Any:
        """Run the work, which is told of this world instead of a transaction."""
        items = await work(self)
        self.transactions.append((len(items), lock_milliseconds))
        if self.outage or self.culprit in items:
            self.outage = max(self.outage - 1, int(self.breaks_the_witness and self.culprit in items))
            raise self.error
        self.committed += items
        return [None] * len(items)

    async def trouble(self) -> Exception | None:
        """The witness."""
        (self.asked_again if self.asked.is_set() else self.asked).set()
        if not self.outage:
            return None
        self.outage -= 1
        return self.error


async def work(items: Sequence[int], _: Any) -> Any:
    """The work is its items."""
    return items


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    monkeypatch.setattr(judging, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(judging, "LONGEST_PAUSE", 0.002)


async def outcomes(world: World, count: int = 8) -> list[Exception | None]:
    """What becomes of a batch in this world."""
    async with asyncio.timeout(WITHIN):
        return await Judge("thing.do", cast("Database", world)).outcomes(work, range(count))


@pytest.mark.parametrize("error", OF_A_MESSAGE, ids=NAMES)
async def test_error_of_the_data_counts_against_its_message_alone(error: Exception) -> None:
    """Its neighbours are committed."""
    world = World(culprit=5, error=error)

    assert await outcomes(world) == [error if number == world.culprit else None for number in range(8)]
    assert sorted(world.committed) == [0, 1, 2, 3, 4, 6, 7]


@pytest.mark.parametrize("error", ENVIRONMENT, ids=NAMES)
@pytest.mark.parametrize("outage", [1, 2, 30])
async def test_outage_counts_against_nobody(error: Exception, outage: int) -> None:
    """However long it lasts, everything is committed once it is over."""
    world = World(error=error, outage=outage)

    assert await outcomes(world) == [None] * 8
    assert sorted(world.committed) == list(range(8))


@pytest.mark.parametrize("error", ENVIRONMENT, ids=NAMES)
async def test_message_that_looks_like_an_outage_is_no_outage(error: Exception) -> None:
    """When others are committed and it alone fails, again and again, it counts against the message."""
    world = World(culprit=2, error=error)

    assert await outcomes(world) == [error if number == world.culprit else None for number in range(8)]
    assert sorted(world.committed) == [0, 1, 3, 4, 5, 6, 7]


async def test_message_that_breaks_the_database_each_time_is_given_up_in_the_end() -> None:
    """It cannot hold up its step for ever, although the witness fails with it."""
    world = World(culprit=0, error=asyncpg.CrashShutdownError("another process crashed"))
    world.breaks_the_witness = True

    assert [type(outcome) for outcome in await outcomes(world, 1)] == [asyncpg.CrashShutdownError]
    assert len(world.transactions) == PROOF / RECOVERED


@pytest.mark.parametrize(
    "error", [asyncpg.LockNotAvailableError("lock"), asyncpg.QueryCanceledError("time"), TimeoutError()], ids=NAMES
)
async def test_batch_that_waits_too_long_is_halved_at_once(error: Exception) -> None:
    """The others do not wait with the one that waits for a lock: each half waits for a moment only."""
    world = World(culprit=3, error=error)

    assert await outcomes(world) == [error if number == world.culprit else None for number in range(8)]
    assert world.transactions[0] == (8, None)
    assert {lock for _, lock in world.transactions[1:]} == {HALVED_LOCK_MILLISECONDS}
    assert len([one for one in world.transactions if one[0] == 1]) == 2


async def test_culprit_among_many_costs_few_transactions() -> None:
    """Two hundred messages are not committed one by one because of one of them."""
    world = World(culprit=117, error=ValueError("a defect"))

    await outcomes(world, 200)

    assert len(world.transactions) < 20
    assert len(world.committed) == 199


async def test_work_that_knows_its_culprits_is_not_halved() -> None:
    """A flood of them costs one more transaction, for all the others, which wait for a lock as long as at first."""
    world = World()
    reasons = {number: MissingRowError(f"no row for {number}") for number in range(0, 200, 2)}

    async def knowing(items: Sequence[int], _: Any) -> Any:
        if known := {place: reasons[item] for place, item in enumerate(items) if item in reasons}:
            raise CulpritsError(known)
        return items

    async with asyncio.timeout(WITHIN):
        found = await Judge("thing.do", cast("Database", world)).outcomes(knowing, range(200), 700)

    assert found == [reasons.get(number) for number in range(200)]
    assert world.committed == [*range(1, 200, 2)]
    assert world.transactions == [(100, 700)]


async def test_work_may_know_nothing_but_culprits() -> None:
    """Then nothing is done."""
    world, reason = World(), MissingRowError("no row")

    async def knowing(items: Sequence[int], _: Any) -> Any:
        raise CulpritsError(dict.fromkeys(range(len(items)), reason))

    assert await Judge("thing.do", cast("Database", world)).outcomes(knowing, range(3)) == [reason] * 3
    assert world.transactions == []


async def test_what_is_waited_for_can_be_asked() -> None:
    """Readiness says so, as long as it lasts."""
    world = World(error=asyncpg.DiskFullError("no space left on device"), outage=10**9)
    judge = Judge("thing.do", cast("Database", world))

    async with asyncio.timeout(WITHIN):
        waiting = asyncio.create_task(judge.outcomes(work, [1]))
        await world.asked_again.wait()
        said = judge.waits_for
        world.outage = 0
        await waiting

    assert said is not None
    assert "no space left" in said
    assert judge.waits_for is None
