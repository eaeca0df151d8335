"""The processes of a stack, and what can be done to them from outside."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.services import SERVICES
from tests.end_to_end.eventually import eventually

PROGRAMS = tuple(f"{service}_svc" for service in SERVICES)
_BACK_WITHIN = 60.0


@contextlib.contextmanager
def variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Have these in the environment while the context lasts: what starts a stack there passes them to its processes."""
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]


@dataclass(frozen=True)
class Programs:
    """The processes that the supervisor of the stack in `path` keeps running."""

    path: Path

    def pid(self, name: str) -> int | None:
        """The id of a process, None while it is being started again."""
        try:
            return int((self.path / "pids" / name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def port(self, name: str) -> int:
        """Where a process listens."""
        return int(json.loads((self.path / "ports.json").read_text())[name])

    def services(self) -> dict[str, int | None]:
        """The ids of the four services."""
        return {name: self.pid(name) for name in PROGRAMS}

    async def running(self, name: str) -> int:
        """The id of a process, once it has one."""

        async def look() -> int | None:
            return self.pid(name)

        return await eventually(look, within=_BACK_WITHIN) or 0

    async def send(self, name: str, how: signal.Signals) -> int:
        """Send a signal; the id of the process that it went to."""
        pid = await self.running(name)
        os.kill(pid, how)
        return pid

    async def replaced(self, name: str, pid: int) -> None:
        """Wait until another process has taken the place of this one."""

        async def look() -> bool:
            return self.pid(name) not in (None, pid)

        await eventually(look, within=_BACK_WITHIN)

    async def end(self, name: str, how: signal.Signals) -> None:
        """End a process with a signal, and wait for the next one."""
        await self.replaced(name, await self.send(name, how))

    async def freeze(self, name: str, seconds: float) -> None:
        """Let a process stand still for so long; it goes on whatever happens to the test."""
        pid = await self.send(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
