"""Processes of ours: programs that go on, and modules that run to an end."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping

from stack.directory import ROOT, Directory
from stack.errors import StackError
from stack.program import Program
from stack.servers.packages import tail

_SECRET = re.compile(
    r"(TOKEN_SIGNING_KEY|WINDOW_TOKEN|DATABASE_URL|MIGRATION_URL|RABBITMQ_URL|RABBITMQ_MANAGEMENT_URL)$"
)
"""How variables end whose value is for one program, or for operators"""


def python(name: str, module: str, settings: Mapping[str, str], port: int) -> Program:
    """A module as a program that listens on a port of this machine."""
    return Program(
        name=name,
        command=[sys.executable, "-m", module],
        environment=_without_secrets() | {"PYTHONUNBUFFERED": "1"} | dict(settings),
        port=port,
        probe=f"http://127.0.0.1:{port}/readyz",
    )


async def run(directory: Directory, name: str, settings: Mapping[str, str], *module: str, trouble: str) -> None:
    """Run a module with arguments to its end; raises `StackError` with this trouble if that is not a good one."""
    log = directory.log(name)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", *module],
            cwd=ROOT,
            env=_without_secrets() | dict(settings),
            stdout=output,
            stderr=output,
        )
    if await process.wait() != 0:
        raise StackError(f"{trouble}. The last lines of {log}:\n{tail(log)}")


def _without_secrets() -> dict[str, str]:
    """The caller's environment, without what an env file may have put there that is not for every program."""
    return {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
