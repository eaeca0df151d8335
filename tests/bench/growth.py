"""A past: finished checkouts in bulk, with all that they leave in the tables of the four services.

That is, for each: a wallet and its two movements, a confirmed reservation, a paid payment, the completed checkout, its
delivery, the stored answer to its key, a sold seat, and the six inbox rows of its steps. Outboxes are empty when a saga
is over. All indexes stay in place while the rows come. They get ids that are older than all others, as their age wants.
"""

import asyncio
from collections.abc import Mapping, Sequence

from stack.services import SERVICES
from tests.bench import rows
from tests.bench.stand import Stand

FIRST = 100_000_000
"""Far above the numbers of the checkouts that are really made"""
PIECE = 50_000


async def add(stand: Stand, count: int) -> None:
    """Insert so many finished checkouts, and leave the tables as they are after a while: vacuumed and analysed."""
    inserts = {name: [*rows.statements(rows.OVER)[name], *rows.traces()[name]] for name in SERVICES}
    await _everywhere(stand, inserts, count)
    for service in SERVICES:
        async with stand.session(service) as session:
            await session.execute("VACUUM ANALYZE")
    await stand.checkpoint()


async def remove(stand: Stand, count: int) -> None:
    """Take them out again: the platform has never heard of them, so they must not be there when all is examined."""
    await _everywhere(stand, rows.removals(), count)


async def _everywhere(stand: Stand, statements: Mapping[str, Sequence[str]], count: int) -> None:
    await asyncio.gather(*(_in_pieces(stand, service, statements[service], count) for service in SERVICES))


async def _in_pieces(stand: Stand, service: str, statements: Sequence[str], count: int) -> None:
    end = FIRST + count
    async with stand.session(service) as session:
        for first in range(FIRST, end, PIECE):
            for statement in statements:
                await session.execute(statement, first, min(first + PIECE, end) - 1)
