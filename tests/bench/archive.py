"""An archive of the window with very many events: what each page and each search asks of it, beside an empty one.

Databases of their own are filled, so that the window of the stack goes on with what it really saw. Everything is asked
through `Looks`, as pages ask, each time for another saga, page or name.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr

from chassis.store import revision
from tests.bench import copies
from tests.bench.copies import Copied
from tests.bench.figures import Archive, Asked
from tests.bench.quantiles import percentile
from tests.bench.templates import templates
from window.auditing import Auditing
from window.broker_numbers import BrokerNumbers
from window.choreography import Choreography, load
from window.database import Pool, connect
from window.gaps import Gaps
from window.looks import Filter
from window.main import MIGRATIONS
from window.retelling import Retelling
from window.settings import Settings
from window.store_looks import StoreLooks

POOL, PAGE, PAGES, SLOWEST = 4, 50, 10, 20
SAGAS = ("checkout", "reservation")
STATES = ("", "out", "back", "ended", "completed", "failed", "late", "odd", "parked", "retrying")
KINDS = ("completed", "withdrawn", "poor", "hold", "hold lapsed")
_SIZE = "SELECT pg_database_size(current_database())"

Begin = Callable[[str], None]
Question = Callable[[], Awaitable[object]]


async def measure(admin_url: str, events: int, times: int, begin: Begin) -> Archive:
    """Fill an archive, ask it everything so many times, and ask an empty one the same."""
    choreography, copied = load(), Copied.of(events)
    async with _database(admin_url, "window_empty") as url, await connect(url, POOL) as pool:
        begin("an empty archive is asked everything")
        empty = await _ask(pool, choreography, copied, times)
    async with _database(admin_url, "window_full") as url, await connect(url, POOL) as pool:
        begin(f"an archive is filled with {copied.events:,} events")
        began = time.perf_counter()
        await copies.fill(url, pool, choreography, copied)
        filled = time.perf_counter() - began
        begin("and asked everything")
        began = time.perf_counter()
        await Auditing(pool).findings()
        judged = time.perf_counter() - began
        full = await _ask(pool, choreography, copied, times)
        size = await pool.fetchval(_SIZE)
    asked = [_asked(name, took, empty[name]) for name, took in full.items()]
    return Archive(events=copied.events, sagas=copied.sagas, bytes=size, filling=filled, judging=judged, asked=asked)


def _asked(name: str, full: Sequence[float], empty: Sequence[float]) -> Asked:
    is_search = name.startswith("search")
    return Asked(name=name, is_search=is_search, p95=percentile(full, 95), empty=percentile(empty, 95))


async def _ask(pool: Pool, choreography: Choreography, copied: Copied, times: int) -> dict[str, list[float]]:
    """How long each question took, each time."""
    looks = _looks(pool, choreography)
    await looks.audit()
    found = {}
    for name, question in {**_pages(looks), **await _sagas(looks), **_searches(looks, copied)}.items():
        took = []
        for _ in range(times):
            began = time.perf_counter()
            await question()
            took.append(time.perf_counter() - began)
        found[name] = took
    return found


def _looks(pool: Pool, choreography: Choreography) -> StoreLooks:
    # Without the address of the broker's API nobody is asked.
    nobody = BrokerNumbers(Settings.model_construct(rabbitmq_url=SecretStr("amqp://broker"), management_url=""))
    retelling, gaps = Retelling(pool, choreography), Gaps(pool, nobody, ())
    return StoreLooks(pool, choreography, nobody, retelling, gaps, Auditing(pool))


def _pages(looks: StoreLooks) -> Mapping[str, Question]:
    return {
        "now: steps": looks.steps,
        "now: hour": looks.hour,
        "now: slowest": lambda: looks.slowest(SLOWEST),
        "now: all of it": lambda: asyncio.gather(looks.steps(), looks.hour(), looks.slowest(SLOWEST)),
        "parked": lambda: looks.put_aside(None, PAGE),
        "audit": looks.audit,
        "gaps": looks.gaps,
    }


async def _sagas(looks: StoreLooks) -> Mapping[str, Question]:
    found: dict[str, Question] = {}
    filters = [Filter(state=state) for state in STATES]
    filters += [Filter(saga=saga, state=state) for saga in SAGAS for state in ("", "ended", "late")]
    for wanted in filters:
        name = f"sagas: {wanted.saga or 'all'}, {wanted.state or 'any'}"
        after = await _last_of(looks, wanted, PAGES - 1)
        found[name] = _page(looks, wanted, None)
        found[f"{name}, page {PAGES}"] = _page(looks, wanted, after)
    return found


async def _last_of(looks: StoreLooks, wanted: Filter, pages: int) -> int | None:
    """Where the page after so many begins."""
    after = None
    for _ in range(pages):
        rows = await looks.sagas(wanted, after, PAGE)
        after = rows[-1].key if rows else after
    return after


def _page(looks: StoreLooks, wanted: Filter, after: int | None) -> Question:
    return lambda: looks.sagas(wanted, after, PAGE)


def _searches(looks: StoreLooks, copied: Copied) -> Mapping[str, Question]:
    kinds = {one.kind: one for one in templates(datetime.now(UTC))}
    dice = random.Random(1)  # noqa: S311  # the same questions each time

    def number(*of: str) -> int:
        return copied.number(dice.choice(of or KINDS), dice.random())

    def saga() -> UUID:
        kind = kinds[dice.choice(KINDS)]
        return copies.id_of(kind.saga_id, number(kind.kind))

    names: Mapping[str, Callable[[], object]] = {
        "saga": saga,
        "payment": lambda: copies.id_of(kinds["completed"].payment_id, number("completed")),
        "user": lambda: f"fan-{dice.randrange(1, copies.USERS)}",
        "seat": lambda: number("completed", "hold") % copies.SEATS,
        "nothing": uuid4,
        "busy user": lambda: copies.BUSY,
        "frequent reason": lambda: "seat-withdrawn",
    }
    found: dict[str, Question] = {"saga": lambda: looks.story(saga())}
    for name, make in names.items():
        found[f"search: {name}"] = _search(looks, make)
        found[f"search: {name}, late only"] = _search(looks, make, "late")
        found[f"search: {name}, resolved"] = _resolve(looks, make)
    return found


def _search(looks: StoreLooks, make: Callable[[], object], state: str = "") -> Question:
    return lambda: looks.sagas(Filter(text=str(make()), state=state), None, PAGE)


def _resolve(looks: StoreLooks, make: Callable[[], object]) -> Question:
    return lambda: looks.resolve(str(make()))


@asynccontextmanager
async def _database(admin_url: str, name: str) -> AsyncIterator[str]:
    """A new database with the tables of the window, gone when the context ends."""
    url = f"{admin_url.rpartition('/')[0]}/{name}"
    await _admin(admin_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    try:
        await revision.ensure(url, MIGRATIONS)
        yield url
    finally:
        await _admin(admin_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _admin(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
