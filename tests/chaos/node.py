"""The broker's node, and what can be done to it from outside."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.programs import Programs

_RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
_NAME = "concert@localhost"
_COMMAND_WITHIN = 120.0


class Node(Protocol):
    """The one node of a broker."""

    async def restart(self) -> None:
        """Have it end in order, and started again."""

    async def kill(self) -> None:
        """Kill it, and have it started again."""

    async def ctl(self, *arguments: str) -> str:
        """What its command line answers."""


@dataclass(frozen=True)
class OwnNode:
    """The node of a stack on this machine, which the stack's supervisor starts again."""

    programs: Programs

    async def restart(self) -> None:
        """Have it end in order, and started again."""
        await self.programs.end("rabbitmq", signal.SIGTERM)

    async def kill(self) -> None:
        """Kill it, and have it started again."""
        await self.programs.end("rabbitmq", signal.SIGKILL)

    async def ctl(self, *arguments: str) -> str:
        """What its command line answers."""
        environment = {
            "HOME": str(self.programs.path / "rabbitmq"),
            "ERL_EPMD_PORT": str(self.programs.port("epmd")),
            "RABBITMQ_NODENAME": _NAME,
        }
        return await command(_RABBITMQCTL, *arguments, environment=environment)


async def command(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command says; raises AssertionError when it fails."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=os.environ | (environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_COMMAND_WITHIN):
        output = (await process.communicate())[0].decode().strip()
    assert process.returncode == 0, output
    return output
