"""One process of the stack: how it is started, seen to end, and stopped."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack.directory import ROOT


async def _nothing() -> bool:
    return True


@dataclass(frozen=True)
class Program:
    """A program to keep running: started when what it `needs` is ready, ready when `probe` answers.

    What it needs or `uses` is stopped after it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    probe: str
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    # Before its first start; raises StackError if the program cannot be started.
    before: Callable[[], Awaitable[object]] = _nothing
    # Each time that it answers, before anybody else may rely on it; asked again until it succeeds.
    after: Callable[[], Awaitable[bool]] = _nothing
    # Asked now and then once it is ready: False when it lives and answers, but only a new start can help it.
    healthy: Callable[[], Awaitable[bool]] = _nothing
    stop_signal: signal.Signals = signal.SIGTERM
    # Seconds from that signal to SIGKILL.
    patience: float = 12.0
    # setpriv's options for a program that must not be root.
    privileges: Sequence[str] = ()


@dataclass(frozen=True)
class Once:
    """An action that is done one time, when what it `needs` is ready; raises StackError if it cannot be."""

    name: str
    action: Callable[[], Awaitable[None]]
    needs: tuple[str, ...] = ()


def start(program: Program, log: Path) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own; it gets its stop signal if this process dies."""
    # setpriv asks the kernel for that signal and then becomes the program: the id stays the same.
    orphan = f"--pdeathsig={program.stop_signal.name}"
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            [shutil.which("setpriv") or "setpriv", orphan, *program.privileges, "--", *program.command],
            cwd=ROOT,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for the process to end, without polling."""
    over = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    asyncio.get_running_loop().add_reader(descriptor, over.set)
    try:
        await over.wait()
        process.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def stop(process: subprocess.Popen[bytes], how: signal.Signals, patience: float) -> None:
    """Ask the process to end; after `patience` seconds, end it and its whole group."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        async with asyncio.timeout(patience):
            await ended(process)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await ended(process)
