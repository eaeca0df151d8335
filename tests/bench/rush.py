"""The rush: thousands of fans who want the same few seats of one evening, as fast as they are answered."""

from dataclasses import replace

from tests.bench.figures import Rush
from tests.bench.load import Job
from tests.bench.rows import FREE
from tests.bench.stand import Stand
from tests.bench.wishes import MANNERS, RIVALS, Wish
from tests.bench.workers import ask
from tests.end_to_end.eventually import eventually

WITHIN = 300.0
_HELD = "SELECT count(*) FROM reservation WHERE payment_id > $1 AND status = 'TEMP'"


async def measure(stand: Stand, fans: int) -> Rush:
    """From the first request until the last fan knows; raises AssertionError when a seat is held by nobody or twice."""
    manner = MANNERS[Wish.RUSH]
    numbers = await stand.insert(replace(FREE, seats_of_a_date=fans + RIVALS), fans + RIVALS)
    first = -(-numbers[0] // RIVALS) * RIVALS
    outcome = await ask(
        stand,
        Job(
            ports=[stand.port(manner.service)],
            database_url=stand.url(manner.service),
            signing_key=stand.environment["TOKEN_SIGNING_KEY"],
            first=first,
            last=first + fans - 1,
            seconds=WITHIN,
            wish=Wish.RUSH,
        ),
    )
    async with stand.session(manner.service) as session:

        async def answered() -> int:
            return int(await session.fetchval(manner.done, outcome.since))

        await eventually(answered, lambda seen: seen >= fans, within=WITHIN)
        held = int(await session.fetchval(_HELD, outcome.since))
        last = max(row["at"] for row in await session.fetch(manner.ends, outcome.since))
    assert held == fans // RIVALS, f"{held} of {fans // RIVALS} seats are held"
    return Rush(fans=fans, seats=held, seconds=last - outcome.began)
