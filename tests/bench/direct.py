"""`python -m tests.bench.direct`: one process of a facade without REST, which is told the numbers of its checkouts.

Its argument says which: `facade`, or `handwritten`.

Each line of its input is a list of numbers; when all of them are done, the platform told and that stored, it answers
with a line. How many it works on at once is what one process of the facade gets to with REST.
"""

import asyncio
import json
import sys

import uvloop

from tests.bench.facade import Facade
from tests.bench.handwritten import HandWritten
from tests.bench.rows import PAYMENT, id_of, user_of
from tests.bench.serving import Settings

AT_ONCE = 32
KINDS: dict[str, type[Facade] | type[HandWritten]] = {"facade": Facade, "handwritten": HandWritten}


async def _work(facade: Facade | HandWritten, numbers: list[int]) -> None:
    # One iterator for all workers: each takes the next number that is left.
    left = iter(numbers)

    async def work() -> None:
        for number in left:
            _, completed = await facade.check_out(id_of(PAYMENT, number), user_of(number))
            assert completed is not None, f"checkout {number} was done before"
            await facade.deliver(completed)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _serve(kind: str) -> None:
    async with KINDS[kind].of(Settings.model_validate({})) as facade:
        while line := await asyncio.to_thread(sys.stdin.readline):
            await _work(facade, json.loads(line))
            print("done", flush=True)  # noqa: T201  # the answer


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
