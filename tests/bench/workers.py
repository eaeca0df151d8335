"""The processes that the bench starts beside the stack: the load, and the facades with REST and without."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from stack.directory import ROOT
from stack.run.probe import answers
from tests.bench.load import Job, Outcome
from tests.bench.processes import peak_bytes
from tests.bench.stand import FACADE, Stand
from tests.bench.wishes import HERE, Wish
from tests.end_to_end.eventually import eventually

SHARE_WITHIN = 300.0


class Kind(StrEnum):
    """The facades, by the modules that they are written in: one with a mapper, one as a single statement."""

    ORM = "facade"
    SQL = "handwritten"


@dataclass(frozen=True)
class Server:
    """A process of a facade that serves."""

    port: int
    pid: int


class Worker:
    """A process that answers each line that it is told with a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018  # for the type checker
        self.pid = process.pid
        self._input, self._output = process.stdin, process.stdout

    async def tell(self, line: str) -> str:
        """The answer to a line; raises AssertionError when the process has ended."""
        self._input.write(line.encode() + b"\n")
        async with asyncio.timeout(SHARE_WITHIN):
            answer = await self._output.readline()
        assert answer.endswith(b"\n"), "a process of the bench has failed; its last words are above"
        return answer.decode()


async def ask(stand: Stand, job: Job, *, may_refuse: bool = False) -> Outcome:
    """Have the load process do a job; what the saga has accepted is remembered."""
    async with process("tests.bench.load") as load:
        outcome = Outcome.model_validate_json(await Worker(load).tell(job.model_dump_json()))
    first = outcome.refused[0] if outcome.refused else ""
    assert may_refuse or not first, f"{len(outcome.refused)} requests were refused, the first with {first}"
    if job.wish is Wish.CHECKOUT and job.database_url != stand.url(FACADE):
        stand.accepted.update(one.id for one in outcome.accepted)
    return outcome


@asynccontextmanager
async def served(stand: Stand, kind: Kind) -> AsyncIterator[Server]:
    """One process of a facade behind REST."""
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    async with process(f"tests.bench.{kind}", variables=_settings(stand) | {"FACADE_PORT": str(port)}) as running:
        await eventually(lambda: answers(f"http://{HERE}:{port}/livez"))
        yield Server(port, running.pid)
        stand.note_peak(kind, peak_bytes(running.pid))


@asynccontextmanager
async def direct(stand: Stand, kind: Kind, warm_up: Sequence[int]) -> AsyncIterator[Worker]:
    """One process of a facade without REST, which has already done these checkouts."""
    async with process("tests.bench.direct", kind, variables=_settings(stand)) as running:
        worker = Worker(running)
        await worker.tell(json.dumps(list(warm_up)))
        yield worker


@asynccontextmanager
async def process(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that lives no longer than the context."""
    running = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | dict(variables or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


def _settings(stand: Stand) -> dict[str, str]:
    return {
        "FACADE_DATABASE_URL": stand.url(FACADE),
        "FACADE_PLATFORM_URL": f"{stand.environment['PLATFORM_URL']}/deliveries",
        "FACADE_PLATFORM_SECRET": stand.credentials.platform_secret,
        "FACADE_TOKEN_KEYS": stand.environment["TOKEN_KEYS"],
    }
