"""A further process of a service beside the first: another port, the same database, the same queues."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from stack.directory import ROOT
from stack.run.probe import answers
from tests.chaos.gate import HERE
from tests.chaos.programs import Programs
from tests.end_to_end.eventually import eventually

READY_WITHIN = 60.0


@dataclass(frozen=True)
class Second:
    """A further process, and where it listens."""

    process: asyncio.subprocess.Process
    port: int


@contextlib.asynccontextmanager
async def beside(
    programs: Programs, service: str, tree: Path = ROOT, more: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Second]:
    """A process with the environment of the first one, ready; it goes away with the context."""
    port = _free_port()
    environment = environment_of(await programs.running(f"{service}_svc"))
    environment |= {f"{service.upper()}_PORT": str(port), **more}
    with (programs.path / "logs" / f"{service}_svc-2.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", f"{service}_svc.main"], cwd=tree, env=environment, stdout=log, stderr=log
        )
    try:
        await eventually(lambda: answers(f"http://{HERE}:{port}/readyz"), within=READY_WITHIN)
        yield Second(process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with."""
    lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])
